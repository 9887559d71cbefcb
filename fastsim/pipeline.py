"""Run the stages: discover -> (content, cache) -> decode -> embed -> similarity (-> verify) -> group.

Only this file, `embed_files.py` and `verified_pairs.py` know their order. Planning and applying follow in the
commands, where a person may look at the plan first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fastsim import similarity
from fastsim import verified_pairs as verified
from fastsim.choices import Pairs
from fastsim.config import Config, Scan
from fastsim.decisions import read_pairs
from fastsim.embed_files import Environment, to_vectors
from fastsim.grouping import keep_rules
from fastsim.grouping.components import Components, find_groups, group_pairs
from fastsim.inputs import raw_pairs
from fastsim.inputs.discover import Listing, discover
from fastsim.inputs.formats import Kind
from fastsim.inputs.sidecars import Sidecars
from fastsim.inputs.system_folders import is_passing
from fastsim.records import Embeddings, Group, Int64Array, LeftOut, MediaFile, PairBlock, Role, Skipped, VerifiedPairs
from fastsim.remembered import Remembered, only
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings, stage
from fastsim.run.traffic import Traffic
from fastsim.verified_pairs import Verifier


@dataclass(slots=True)
class Findings:
    """The result of the pipeline; no file has been changed."""

    files: tuple[MediaFile, ...]
    skipped: tuple[Skipped, ...]
    embeddings: Embeddings
    groups: list[Group]
    environment: Environment
    left_out: LeftOut
    sidecars: Sidecars
    """What belongs to the images."""
    reasons: dict[int, str]
    """Why each keeper is kept, by id."""
    paired: int
    """RAW files that were not compared, because the JPEG or HEIC of their shot was."""
    timings: Timings = field(default_factory=dict)
    verified: VerifiedPairs | None = None
    """The verified candidates; None without verification."""
    digests: Mapping[int, bytes] = field(default_factory=dict)
    """BLAKE2b-256 of the files that were hashed, by id."""
    apart: int = 0
    """Pairs in groups that a person has called "not a duplicate"."""


def find(config: Config, progress: Progress) -> Findings:
    """Find groups of similar images."""
    timings: Timings = {}
    files, unlisted, left_out = scan(config.scan, progress, timings)
    paired = 0
    if config.pairs == Pairs.KEEP:
        files, paired = raw_pairs.without_paired_raws(files)
    sidecars = Sidecars((file.path for file in files), pairs=config.pairs == Pairs.KEEP, sidecars=config.sidecars)
    embeddings, undecoded, environment = to_vectors(files, config.compute, progress, timings)
    known = None
    remembered = Remembered(read_pairs() if config.decisions else frozenset(), files, embeddings.digests)
    if config.verify:
        verifier = Verifier(embeddings, files, config.compute, progress, timings)
        groups, reasons, known = compare_verified(verifier, config, sidecars=sidecars, remembered=remembered)
    else:
        groups, reasons = compare(
            embeddings, files, config, progress, timings,
            traffic=environment.traffic, sidecars=sidecars, remembered=remembered,
        )  # fmt: skip
    digests = embeddings.digests
    files = _with_digests(files, groups, digests)
    embeddings = replace(embeddings, device=None, digests={})  # the device's memory is free again
    return Findings(
        files,
        (*unlisted, *undecoded),
        embeddings,
        groups,
        environment,
        left_out,
        sidecars,
        reasons,
        paired,
        timings,
        known,
        digests,
        remembered.found,
    )


def scan(what: Scan, progress: Progress, timings: Timings) -> Listing:
    """List the images of the input."""
    with stage("scan", timings), progress.bar("scan", None, "files") as bar:
        return discover(
            what.inputs, listed=what.listed, recursive=what.recursive, exclude=what.exclude,
            follow_links=what.follow_links, outs=what.outs, kind=Kind.IMAGE, bar=bar,
            include_system=what.include_system,
        )  # fmt: skip


def _with_digests(
    files: tuple[MediaFile, ...], groups: Sequence[Group], digests: Mapping[int, bytes]
) -> tuple[MediaFile, ...]:
    """Return `files` with the content digests of those in groups that were hashed, for the plan to compare.

    `files[i].id` must be i.
    """
    found = list(files)
    for group_ in groups:
        for i in group_.ids.tolist():
            if i in digests:
                found[i] = replace(found[i], snapshot=replace(found[i].snapshot, digest=digests[i]))
    return tuple(found)


def compare(
    embeddings: Embeddings, files: Sequence[MediaFile], config: Config, progress: Progress, timings: Timings,
    *, traffic: Traffic, sidecars: Sidecars, remembered: Remembered,
) -> tuple[list[Group], dict[int, str]]:  # fmt: skip
    """Compare all pairs; return the groups with the files to keep, and why each of those is kept."""
    n, compute = len(embeddings), config.compute
    with stage("compare", timings), progress.bar("compare", n * (n - 1) // 2, "pairs") as bar:
        components = Components(n)
        for block in similarity.pair_blocks(
            embeddings, config.thres, device=compute.device, workers=compute.workers, labels=components.labels, bar=bar,
            traffic=traffic,
        ):  # fmt: skip
            components.add(block)
    with stage("group", timings):
        ranked = _ranked(components, embeddings, files, config, sidecars)
        groups = find_groups(components, embeddings, ranked.rank, config.thres, workers=compute.workers)
        groups = remembered.parted(
            groups, embeddings, ranked.rank, lambda rows: _pairs_of(embeddings, rows, config.thres, compute.workers)
        )
        return groups, keep_rules.reasons(groups, ranked.row_of, ranked.order)


def _pairs_of(embeddings: Embeddings, rows: Int64Array, thres: float, workers: int) -> PairBlock:
    """Return the similar pairs of some rows, as rows of `embeddings`."""
    part = replace(embeddings.take(rows, np.arange(len(rows))), device=None)
    blocks = list(similarity.pair_blocks(part, thres, workers=workers))
    return PairBlock(
        rows[np.concatenate([block.left for block in blocks])],
        rows[np.concatenate([block.right for block in blocks])],
        np.concatenate([block.score for block in blocks]),
    )


def compare_verified(
    verifier: Verifier, config: Config, *, sidecars: Sidecars, remembered: Remembered
) -> tuple[list[Group], dict[int, str], VerifiedPairs]:
    """Verify the nearest neighbours of each image and group the copies.

    An image with more copies than neighbours is also verified against the best file of its group.
    """
    embeddings, files = verifier.embeddings, verifier.files
    known = verifier.neighbours(config.thres)
    copies = verified.confirmed(known, config.thres)
    components = Components(len(embeddings))
    components.add(copies)
    crops = embeddings.ids[verified.cropped_rows(known)].tolist()
    ranked = _ranked(components, embeddings, files, config, sidecars, cropped=crops)
    untested = similarity.with_first(embeddings, components.members(ranked.rank), known)
    if len(untested):
        known = verified.joined(known, verifier.check(untested))
        copies = verified.confirmed(known, config.thres)
    with stage("group", verifier.timings):
        groups = group_pairs(components, embeddings, ranked.rank, copies)
        groups = remembered.parted(groups, embeddings, ranked.rank, lambda rows: only(copies, rows))
        return groups, keep_rules.reasons(groups, ranked.row_of, ranked.order), known


@dataclass(frozen=True, slots=True)
class _Ranked:
    """rank: int64[n], the place of each row in keep order; row_of: the row in `order` of each id in a group."""

    rank: Int64Array
    row_of: dict[int, int]
    order: keep_rules.KeepOrder


def _ranked(
    components: Components, embeddings: Embeddings, files: Sequence[MediaFile], config: Config,
    sidecars: Sidecars, *, cropped: Sequence[int] = (),
) -> _Ranked:  # fmt: skip
    """Return the order in which files are kept."""
    rows = components.grouped()
    ids = embeddings.ids[rows].tolist()
    grouped = [files[file_id] for file_id in ids]
    with_raw = {one.id for one in grouped if any(companion.role == Role.RAW for companion in sidecars.of(one.path))}
    order = keep_rules.keep_order(
        grouped,
        embeddings.sizes[rows],
        config.keep,
        damaged=embeddings.damage,
        with_raw=with_raw,
        cropped=cropped,
        in_system={one.id for one in grouped if is_passing(one.path)},
    )
    n = len(embeddings)
    rank = np.argsort(np.argsort(np.isin(np.arange(n), rows, invert=True), kind="stable"))  # the grouped ones first
    rank[rows] = order.rank
    return _Ranked(rank, {file_id: row for row, file_id in enumerate(ids)}, order)
