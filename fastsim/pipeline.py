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
from fastsim.grouping.components import Components, find_groups, group_pairs
from fastsim.grouping.keep_order import KeepOrder, Reason, keep_order, reasons
from fastsim.grouping.pair_scope import PairScope, freed
from fastsim.inputs import raw_pairs
from fastsim.inputs.discover import Listing, discover
from fastsim.inputs.formats import Kind
from fastsim.inputs.references import References
from fastsim.inputs.sidecars import Sidecars
from fastsim.keep_facts import candidates
from fastsim.quality import find_flagged
from fastsim.records.arrays import Int64Array
from fastsim.records.files import Flagged, LeftOut, MediaFile, Skipped
from fastsim.records.pairs import Group, PairBlock, VerifiedPairs
from fastsim.records.rows import Embeddings
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
    reasons: dict[int, Reason]
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
    references: References = field(default_factory=lambda: References((), ()))
    flagged: Mapping[int, Flagged] = field(default_factory=dict)
    """What --flag marks, by id."""


def find(config: Config, progress: Progress) -> Findings:
    """Find groups of similar images."""
    timings: Timings = {}
    files, unlisted, left_out = scan(config.scan, progress, timings)
    paired = 0
    if config.pairs == Pairs.KEEP:
        files, paired = raw_pairs.without_paired_raws(files)
    sidecars = Sidecars((file.path for file in files), pairs=config.pairs == Pairs.KEEP, sidecars=config.sidecars)
    embeddings, undecoded, environment = to_vectors(files, config.compute, progress, timings)
    embeddings, small = _without_small(embeddings, files, config.min_pixels)
    if small:
        left_out = replace(left_out, filtered={**left_out.filtered, "--min-pixels": small})
    known = None
    remembered = Remembered(read_pairs() if config.decisions else frozenset(), files, embeddings.digests)
    if config.verify:
        verifier = Verifier(embeddings, files, config.compute, progress, timings)
        groups, why, known = compare_verified(verifier, config, sidecars=sidecars, remembered=remembered)
    else:
        groups, why = compare(
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
        why,
        paired,
        timings,
        known,
        digests,
        remembered.found,
        References(config.scan.references, (*config.scan.inputs, *config.scan.listed)),
        find_flagged(
            [files[i] for i in embeddings.ids.tolist()], config.flags, config.compute.workers, progress, timings
        ),
    )


def scan(what: Scan, progress: Progress, timings: Timings) -> Listing:
    """List the images of the input."""
    with stage("scan", timings), progress.bar("scan", None, "files") as bar:
        return discover(
            what.inputs, listed=what.listed, recursive=what.recursive, exclude=what.exclude,
            follow_links=what.follow_links, outs=what.outs, kind=Kind.IMAGE, bar=bar,
            include_system=what.include_system, references=what.references,
            filters=what.filters,
        )  # fmt: skip


def _without_small(embeddings: Embeddings, files: Sequence[MediaFile], least: int) -> tuple[Embeddings, int]:
    """Return `embeddings` without images of less than `least` pixels, and how many those are. References stay."""
    if not least:
        return embeddings, 0
    stays = embeddings.sizes.prod(axis=1, dtype=np.int64) >= least
    stays |= np.fromiter((files[i].reference for i in embeddings.ids.tolist()), np.bool_, len(embeddings))
    small = len(embeddings) - int(stays.sum())
    taken = embeddings.take(np.flatnonzero(stays)) if small else embeddings
    return replace(taken, digests=embeddings.digests), small


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
) -> tuple[list[Group], dict[int, Reason]]:  # fmt: skip
    """Compare all pairs; return the groups with the files to keep, and why each of those is kept."""
    n, compute = len(embeddings), config.compute
    scope = PairScope.of([files[i] for i in embeddings.ids.tolist()], config.scope)
    with stage("compare", timings), progress.bar("compare", n * (n - 1) // 2, "pairs") as bar:
        components = Components(n)
        for block in similarity.pair_blocks(
            embeddings, config.thres, device=compute.device, workers=compute.workers, bar=bar, traffic=traffic,
            labels=components.labels if scope is None else None,  # pairs of one component may be the allowed ones
        ):  # fmt: skip
            components.add(block if scope is None else scope.filtered(block))
    with stage("group", timings):
        ranked = _ranked(components, embeddings, files, config, sidecars)
        groups = find_groups(components, embeddings, ranked.rank, config.thres, workers=compute.workers, scope=scope)

        def similar(rows: Int64Array) -> PairBlock:
            pairs = _pairs_of(embeddings, rows, config.thres, compute.workers)
            return pairs if scope is None else scope.filtered(pairs)

        groups = _freed(remembered.parted(groups, embeddings, ranked.rank, similar), files)
        return groups, reasons(groups, ranked.row_of, ranked.order)


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
) -> tuple[list[Group], dict[int, Reason], VerifiedPairs]:
    """Verify the nearest neighbours of each image and group the copies.

    An image with more copies than neighbours is also verified against the best file of its group.
    """
    embeddings, files = verifier.embeddings, verifier.files
    scope = PairScope.of([files[i] for i in embeddings.ids.tolist()], config.scope)
    known = verifier.neighbours(config.thres, scope)
    copies = verified.confirmed(known, config.thres)
    components = Components(len(embeddings))
    components.add(copies)
    crops = embeddings.ids[verified.cropped_rows(known)].tolist()
    ranked = _ranked(components, embeddings, files, config, sidecars, cropped=crops)
    untested = similarity.with_first(embeddings, components.members(ranked.rank), known)
    untested = untested if scope is None else scope.filtered(untested)
    if len(untested):
        known = verified.joined(known, verifier.check(untested))
        copies = verified.confirmed(known, config.thres)
    with stage("group", verifier.timings):
        groups = group_pairs(components, embeddings, ranked.rank, copies)
        groups = remembered.parted(groups, embeddings, ranked.rank, lambda rows: only(copies, rows))
        groups = _freed(groups, files)
        return groups, reasons(groups, ranked.row_of, ranked.order), known


def _freed(groups: Sequence[Group], files: Sequence[MediaFile]) -> list[Group]:
    """Return `groups` with each reference as its own keeper. `files[i].id` must be i."""
    return [freed(one, np.array([files[i].reference for i in one.ids.tolist()])) for one in groups]


@dataclass(frozen=True, slots=True)
class _Ranked:
    """rank: int64[n], the place of each row in keep order; row_of: the row in `order` of each id in a group."""

    rank: Int64Array
    row_of: dict[int, int]
    order: KeepOrder


def _ranked(
    components: Components, embeddings: Embeddings, files: Sequence[MediaFile], config: Config,
    sidecars: Sidecars, *, cropped: Sequence[int] = (),
) -> _Ranked:  # fmt: skip
    """Return the order in which files are kept."""
    rows = components.grouped()
    grouped = candidates(
        rows, embeddings, files, config.keep, sidecars=sidecars, cropped=cropped, workers=config.compute.workers
    )
    order = keep_order(grouped, config.keep)
    n = len(embeddings)
    rank = np.argsort(np.argsort(np.isin(np.arange(n), rows, invert=True), kind="stable"))  # the grouped ones first
    rank[rows] = order.rank
    return _Ranked(rank, {file.id: row for row, file in enumerate(grouped.files)}, order)
