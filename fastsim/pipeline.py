"""The order of the stages: discover -> (content, cache) -> decode -> embed -> similarity -> group. Only this file and
`vectors.py`, its middle part, know it.

Planning and applying follow in the commands, where a person may look at the plan in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fastsim import group, keep, similarity
from fastsim.config import Config, Scan
from fastsim.discover import Listing, discover
from fastsim.formats import Kind
from fastsim.progress import Progress
from fastsim.records import Embeddings, Group, LeftOut, MediaFile, Skipped
from fastsim.timing import Timings, stage
from fastsim.traffic import Traffic
from fastsim.vectors import Environment, to_vectors


@dataclass(slots=True)
class Findings:
    """What the pipeline found; nothing has been touched."""

    files: tuple[MediaFile, ...]
    skipped: tuple[Skipped, ...]
    embeddings: Embeddings
    groups: list[Group]
    environment: Environment
    left_out: LeftOut = field(default_factory=LeftOut)
    timings: Timings = field(default_factory=dict)


def find(config: Config, progress: Progress) -> Findings:
    """Find groups of similar pictures."""
    timings: Timings = {}
    files, unlisted, left_out = scan(config.scan, progress, timings)
    embeddings, undecoded, environment = to_vectors(files, config.compute, progress, timings)
    groups = compare(embeddings, files, config, progress, timings, traffic=environment.traffic)
    files = _with_digests(files, groups, embeddings.digests)
    embeddings = replace(embeddings, device=None, digests={})  # the device's memory is free again
    return Findings(files, (*unlisted, *undecoded), embeddings, groups, environment, left_out, timings)


def scan(what: Scan, progress: Progress, timings: Timings) -> Listing:
    """List the pictures of the input."""
    with stage("scan", timings), progress.bar("scan", None, "files") as bar:
        return discover(
            what.inputs, listed=what.listed, recursive=what.recursive, exclude=what.exclude,
            follow_links=what.follow_links, outs=what.outs, kind=Kind.IMAGE, bar=bar,
            include_system=what.include_system,
        )  # fmt: skip


def _with_digests(
    files: tuple[MediaFile, ...], groups: Sequence[Group], digests: Mapping[int, bytes]
) -> tuple[MediaFile, ...]:
    """`files`, of which those in groups know the digest of their content, if they were hashed: a plan compares it.
    `files[i].id` must be i."""
    found = list(files)
    for group_ in groups:
        for i in group_.ids.tolist():
            if i in digests:
                found[i] = replace(found[i], snapshot=replace(found[i].snapshot, digest=digests[i]))
    return tuple(found)


def compare(
    embeddings: Embeddings, files: Sequence[MediaFile], config: Config, progress: Progress, timings: Timings,
    *, traffic: Traffic | None = None,
) -> list[Group]:  # fmt: skip
    """All n-to-n scores, the groups that they make, and the files to keep."""
    n, compute = len(embeddings), config.compute
    with stage("compare", timings), progress.bar("compare", n * (n - 1) // 2, "pairs") as bar:
        components = group.Components(n)
        for block in similarity.pair_blocks(
            embeddings, config.thres, device=compute.device, workers=compute.workers, labels=components.labels, bar=bar,
            traffic=traffic,
        ):  # fmt: skip
            components.add(block)
    with stage("group", timings):
        rows = [files[file_id] for file_id in embeddings.ids.tolist()]
        rank = keep.keep_order(rows, embeddings.sizes, config.keep)
        return group.find_groups(components, embeddings, rank, config.thres, workers=compute.workers)
