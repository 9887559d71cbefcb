"""The order of the stages: discover -> decode -> embed -> similarity -> group. The only file that knows it.

Planning and applying follow in the commands, where a person may look at the plan in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fastsim import content, decode, embedding, group, keep, similarity
from fastsim.config import Compute, Config, Scan
from fastsim.discover import IMAGE_SUFFIXES, discover
from fastsim.embedding import RanOn
from fastsim.model import load_model
from fastsim.progress import Progress
from fastsim.records import Embeddings, Group, MediaFile, Skipped

Timings = dict[str, float]
"""Seconds a stage, in the order in which they ran."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the network ran, and which network it was."""

    ran_on: RanOn
    model: str
    model_sha256: str
    size: int | None


@dataclass(slots=True)
class Findings:
    """What the pipeline found; nothing has been touched."""

    files: tuple[MediaFile, ...]
    skipped: tuple[Skipped, ...]
    embeddings: Embeddings
    groups: list[Group]
    environment: Environment
    timings: Timings = field(default_factory=dict)


def find(config: Config, progress: Progress) -> Findings:
    """Find groups of similar pictures."""
    timings: Timings = {}
    files, unlisted = scan(config.scan, progress, timings)
    embeddings, undecoded, environment = to_vectors(files, config.compute, progress, timings)
    groups = compare(embeddings, files, config, progress, timings)
    return Findings(files, (*unlisted, *undecoded), embeddings, groups, environment, timings)


def scan(what: Scan, progress: Progress, timings: Timings) -> tuple[tuple[MediaFile, ...], tuple[Skipped, ...]]:
    """List the pictures of the input."""
    with stage("scan", timings), progress.bar("scan", None, "files") as bar:
        return discover(
            what.inputs, recursive=what.recursive, exclude=what.exclude, follow_links=what.follow_links,
            outs=what.outs, suffixes=IMAGE_SUFFIXES, bar=bar,
        )  # fmt: skip


def to_vectors(
    files: Sequence[MediaFile], compute: Compute, progress: Progress, timings: Timings
) -> tuple[Embeddings, tuple[Skipped, ...], Environment]:
    """Decode and embed, side by side; files with equal bytes only once."""
    with stage("load", timings):
        model = load_model(compute.model)
        network = embedding.open_network(
            model, runtime=compute.runtime, device=compute.device, batch=compute.batch, threads=compute.workers
        )
    with stage("hash", timings), progress.bar("hash", len(files), "files") as bar:
        copies = content.find_copies(files, workers=compute.workers, bar=bar)
    firsts = [file for file in files if file.id not in copies]
    with stage("embed", timings), progress.bar("embed", len(firsts), "images") as bar:
        frames = decode.frame_batches(firsts, size=compute.size, batch=compute.batch, workers=compute.workers)
        embeddings, skipped = embedding.embed(network, frames, bar)
    environment = Environment(network.ran_on, str(model.path), model.sha256, compute.size)
    return content.spread_rows(embeddings, copies), content.spread_skips(skipped, copies, files), environment


def compare(
    embeddings: Embeddings, files: Sequence[MediaFile], config: Config, progress: Progress, timings: Timings
) -> list[Group]:
    """All n-to-n scores, the groups that they make, and the files to keep."""
    n, workers = len(embeddings), config.compute.workers
    with stage("compare", timings), progress.bar("compare", n * (n - 1) // 2, "pairs") as bar:
        components = group.Components(n)
        for block in similarity.pair_blocks(
            embeddings, config.thres, device=config.compute.device, workers=workers, labels=components.labels, bar=bar
        ):
            components.add(block)
    with stage("group", timings):
        rows = [files[file_id] for file_id in embeddings.ids.tolist()]
        rank = keep.keep_order(rows, embeddings.sizes, config.keep)
        return group.find_groups(components, embeddings, rank, config.thres, workers=workers)


@contextmanager
def stage(name: str, timings: Timings) -> Iterator[None]:
    """Add the seconds of the block to `timings[name]`."""
    start = time.perf_counter()
    try:
        yield
    finally:
        timings[name] = timings.get(name, 0.0) + time.perf_counter() - start
