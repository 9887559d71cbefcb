"""From a finished run to a review: which pairs are stored, and how decisions of an earlier review are taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsim import similarity
from fastsim.decisions import ordered, read_pairs
from fastsim.device import CPU, Device
from fastsim.pipeline import Findings
from fastsim.records.arrays import Float32Array, Int64Array
from fastsim.records.files import MediaFile
from fastsim.review.found import UNVERIFIED, Found
from fastsim.review.store import Decision, Store

MOST_PAIRS = 400_000
"""Pairs that are stored. Where there are more, the floor of the threshold slider is higher."""
FLOOR = 0.6
"""The lowest score of stored pairs; below it, no threshold means anything."""
_Pairs = tuple[Int64Array, Int64Array, Float32Array]


def found_of(run: Findings, settings: Mapping[str, Any], *, workers: int = 1, device: Device = CPU) -> Found:
    """Return what a review keeps of a run. settings: see `Found.settings`; `thres` is needed."""
    known, embeddings = run.verified, run.embeddings
    if known is not None:
        left, right, score, status = known.left, known.right, known.score, known.status
        transforms, floor = known.transforms, float(score.min(initial=1.0))
    else:
        (left, right, score), floor = low_pairs(run, float(settings["thres"]), workers=workers, device=device)
        status, transforms = np.full(len(left), UNVERIFIED, np.int8), {}
    left, right, score = _with_keepers(run, left, right, score)
    if len(left) > len(status):
        status = np.concatenate([status, np.full(len(left) - len(status), UNVERIFIED, np.int8)])
    rows, place = np.unique(np.concatenate([left, right]), return_inverse=True)
    order = np.lexsort([place[len(left) :], place[: len(left)]])
    ids = embeddings.ids[rows].tolist()
    where = {int(old): new for new, old in enumerate(order.tolist())}
    return Found(
        _renumbered(run, ids), embeddings.sizes[rows], place[: len(left)][order].astype(np.int64),
        place[len(left) :][order].astype(np.int64), score[order], status[order],
        {**settings, "floor": round(min(floor, float(settings["thres"])), 4), "scanned": len(run.files)},
        {where[old]: one for old, one in transforms.items()},
        np.ascontiguousarray(embeddings.vectors[rows]),
        {new: run.embeddings.damage[old] for new, old in enumerate(ids) if old in run.embeddings.damage},
        {new: run.embeddings.frames[old] for new, old in enumerate(ids) if old in run.embeddings.frames},
    )  # fmt: skip


def low_pairs(run: Findings, thres: float, *, workers: int, device: Device) -> tuple[_Pairs, float]:
    """Return all pairs of rows from a low score on, as (left, right, score), and that score.

    Where they are more than MOST_PAIRS, the floor rises until so many are left.
    """
    floor = min(FLOOR, thres)
    fixed = np.fromiter((run.files[i].reference for i in run.embeddings.ids.tolist()), np.bool_, len(run.embeddings))
    parts: list[_Pairs] = []
    count = 0
    for block in similarity.pair_blocks(run.embeddings, floor, device=device, workers=workers):
        good = (block.score >= floor) & ~(fixed[block.left] & fixed[block.right])  # two references stay both
        parts.append((block.left[good], block.right[good], block.score[good]))
        count += int(good.sum())
        if count > 2 * MOST_PAIRS:
            joined = _joined(parts)
            floor = float(np.partition(joined[2], count - MOST_PAIRS)[count - MOST_PAIRS])
            parts = [_at_least(joined, floor)]
            count = len(parts[0][0])
    return _joined(parts), floor


def _joined(parts: Sequence[_Pairs]) -> _Pairs:
    empty = np.empty(0, np.int64)
    return (
        np.concatenate([empty, *(left for left, _, _ in parts)]),
        np.concatenate([empty, *(right for _, right, _ in parts)]),
        np.concatenate([np.empty(0, np.float32), *(score for _, _, score in parts)]),
    )


def _at_least(pairs: _Pairs, floor: float) -> _Pairs:
    good: NDArray[np.bool_] = pairs[2] > floor  # equal scores may be very many
    return pairs[0][good], pairs[1][good], pairs[2][good]


def _with_keepers(run: Findings, left: Int64Array, right: Int64Array, score: Float32Array) -> _Pairs:
    """Return the pairs, and those of each file with its keeper that are not among them."""
    row_of = {file_id: row for row, file_id in enumerate(run.embeddings.ids.tolist())}
    stars = [
        (min(row_of[member], row_of[keeper]), max(row_of[member], row_of[keeper]), value)
        for group in run.groups
        for member, keeper, value in group.members()
        if member != keeper
    ]
    n = len(run.embeddings)
    low, high = (np.array([star[side] for star in stars], np.int64) for side in (0, 1))
    new = ~np.isin(low * n + high, left * n + right)
    values = np.array([star[2] for star in stars], np.float32)
    return np.concatenate([left, low[new]]), np.concatenate([right, high[new]]), np.concatenate([score, values[new]])


def _renumbered(run: Findings, ids: Sequence[int]) -> tuple[MediaFile, ...]:
    digests = run.digests
    return tuple(
        replace(one, id=new, snapshot=replace(one.snapshot, digest=one.snapshot.digest or digests.get(old)))
        for new, old in enumerate(ids)
        if (one := run.files[old]) is not None
    )


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was decided in an earlier review. decided: by the digest of the content, else by path and snapshot."""

    decided: Mapping[object, Decision]
    rules: Sequence[str]


def decisions_of(store: Store) -> Earlier:
    """Return the decisions of a review that is about to be replaced."""
    files = store.found().files
    decided = {_name(files[file]): one for file, one in store.decisions().items()}
    return Earlier(decided, store.setting("rules", []))


def take_over(earlier: Earlier, store: Store) -> None:
    """Carry earlier decisions over to files of the same content, else of the same path and snapshot."""
    files = store.found().files
    with store.change() as change:
        change.decide({file.id: earlier.decided[_name(file)] for file in files if _name(file) in earlier.decided})


def take_apart(store: Store) -> None:
    """Take the pairs over that were called "not a duplicate" in any review or run."""
    known = read_pairs()
    if not known:
        return
    found = store.found()
    digests = [file.snapshot.digest for file in found.files]
    pairs = [
        (low, high)
        for low, high in zip(found.left.tolist(), found.right.tolist(), strict=True)
        if (one := digests[low]) is not None and (other := digests[high]) is not None and ordered(one, other) in known
    ]
    with store.change() as change:
        change.part(pairs, apart=True)


def _name(file: MediaFile) -> object:
    return file.snapshot.digest or (file.path, file.snapshot)
