"""Tell copies from look-alikes by local features, a geometric transform and the pixels under it.

Each candidate pair is a copy, different, or undecided. The cost is bounded: features once per image, one alignment per
pair, and pixels only for pairs that align.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsim.records.arrays import Int64Array, Uint8Array
from fastsim.records.pairs import STATUSES, PairBlock, Status, Transform, VerifiedPairs
from fastsim.run.progress import Bar
from fastsim.verification.decision import NAMES
from fastsim.verification.features import RECIPE, Features, extract, no_features
from fastsim.verification.geometry import Size, identity
from fastsim.verification.inspection import LEAST_INLIERS, Inspection, Pictures, inspect
from fastsim.verification.matching import FeatureTable, align_pairs
from fastsim.verification.rule import is_copy
from fastsim.verification.store import FeatureStore

FEW_FEATURES = 40
"""An image with fewer features is too uniform to conclude that another one differs from it."""
SAME_SCORE = 0.99
"""Undecided images are compared pixel by pixel from this score on."""
_CHUNK = 256

_COPY, _DIFFERENT, _UNKNOWN = (STATUSES.index(status) for status in (Status.COPY, Status.DIFFERENT, Status.UNKNOWN))


@dataclass(frozen=True, slots=True)
class Subjects:
    """The images that pairs name by row.

    load: (row, longest) -> grey uint8[h, w] with a long side of at most `longest` pixels, None for what cannot be
    read; same_pixels: whether two rows are equal pixel by pixel in full; size: (row) -> width and height of the whole
    image; digests: of the bytes, by row, if known; moving: rows of several frames or pages, of which only one is
    inspected.
    """

    load: Callable[[int, int], Uint8Array | None]
    same_pixels: Callable[[int, int], bool]
    size: Callable[[int], Size]
    digests: Mapping[int, bytes] = field(default_factory=dict)
    moving: frozenset[int] = frozenset()


def candidate_pairs(index: Int64Array, score: NDArray[np.float32]) -> PairBlock:
    """Return the pairs of rows of which at least one is a neighbour of the other, sorted by (left, right).

    index, score: those of `similarity.neighbours.Neighbours`.
    """
    n, k = index.shape
    rows = np.repeat(np.arange(n, dtype=np.int64), k)[index.ravel() >= 0]
    others, scores = index.ravel()[index.ravel() >= 0], score.ravel()[index.ravel() >= 0]
    left, right = np.minimum(rows, others), np.maximum(rows, others)
    _, first = np.unique(left * n + right, return_index=True)
    return PairBlock(left[first], right[first], scores[first])


@dataclass(slots=True)
class _Verdicts:
    """What is known of each pair so far."""

    status: NDArray[np.int8]
    inliers: NDArray[np.int32]
    agreement: NDArray[np.float32]
    transforms: dict[int, Transform] = field(default_factory=dict)

    def same(self, place: int, size: Size) -> None:
        """Record two equal images of one size."""
        self.status[place], self.agreement[place] = _COPY, 1.0
        self.transforms[place] = identity(size, size)

    def seen(self, place: int, inspection: Inspection | None) -> None:
        """Record the result of inspecting the pixels; None if an image could not be read."""
        if inspection is None:
            self.status[place] = _UNKNOWN
            return
        self.agreement[place] = inspection.evidence[NAMES.index("close")]
        self.transforms[place] = inspection.transform
        if is_copy(inspection.evidence):
            self.status[place] = _COPY


def verify(
    pairs: PairBlock, subjects: Subjects, *, workers: int, cache: Path | None = None, bar: Bar | None = None
) -> VerifiedPairs:
    """Decide on each pair. `cache`: the folder of a feature store, None for none. `bar` counts pairs.

    The result depends on the images alone, not on `workers` or the store.
    """
    n = len(pairs)
    verdicts = _Verdicts(np.full(n, _DIFFERENT, np.int8), np.zeros(n, np.int32), np.zeros(n, np.float32))
    equal = _equal_bytes(pairs, subjects)
    for place in equal.tolist():
        verdicts.same(place, subjects.size(int(pairs.left[place])))
    todo = np.setdiff1d(np.arange(n), equal)
    examined = examine(
        PairBlock(pairs.left[todo], pairs.right[todo], pairs.score[todo]),
        subjects,
        workers=workers,
        cache=cache,
        bar=bar,
    )
    verdicts.inliers[todo] = examined.inliers
    verdicts.status[todo[examined.features < FEW_FEATURES]] = _UNKNOWN
    for at, inspection in examined.inspections.items():
        verdicts.seen(int(todo[at]), inspection)
    _settle(pairs, subjects, verdicts, equal)
    return VerifiedPairs(
        pairs.left, pairs.right, pairs.score, verdicts.status, verdicts.inliers, verdicts.agreement, verdicts.transforms
    )


class Examined(NamedTuple):
    """What aligning and comparing pairs gave.

    inliers: int32[n] of each pair; features: int64[n], of the image that has fewer; inspections: by place, of the
    pairs that align (None if an image cannot be read any more).
    """

    inliers: NDArray[np.int32]
    features: Int64Array
    inspections: dict[int, Inspection | None]


def examine(
    pairs: PairBlock, subjects: Subjects, *, workers: int, cache: Path | None = None, bar: Bar | None = None
) -> Examined:
    """Align each pair and compare the pixels of those that align: the basis of `verify`."""
    rows = np.unique(np.concatenate([pairs.left, pairs.right]))
    pictures = Pictures(subjects.load, workers)
    table = FeatureTable(_features(rows, pictures, subjects.digests, (workers, cache)))
    left, right = np.searchsorted(rows, pairs.left), np.searchsorted(rows, pairs.right)
    found = align_pairs(table, left, right, workers=workers, bar=bar)

    def look(at: int) -> Inspection | None:
        a, b = int(pairs.left[at]), int(pairs.right[at])
        return inspect(pictures, (a, b), (subjects.size(a), subjects.size(b)), found[at])

    promising = np.flatnonzero(found["inliers"] >= LEAST_INLIERS).tolist()
    with ThreadPoolExecutor(workers, "fastsim-verify") as pool:
        inspections = dict(zip(promising, pool.map(look, promising), strict=True))
    counts = table.counts()
    return Examined(found["inliers"], np.minimum(counts[left], counts[right]), inspections)


def _equal_bytes(pairs: PairBlock, subjects: Subjects) -> Int64Array:
    """Return the places of pairs whose files are byte-equal."""
    numbers: dict[bytes, int] = {}
    most = int(pairs.right.max()) + 1 if len(pairs) else 0
    number = np.full(most, -1, np.int64)
    for row, digest in subjects.digests.items():
        if row < most:
            number[row] = numbers.setdefault(digest, len(numbers))
    return np.flatnonzero((number[pairs.left] >= 0) & (number[pairs.left] == number[pairs.right]))


def _settle(pairs: PairBlock, subjects: Subjects, verdicts: _Verdicts, equal: Int64Array) -> None:
    """Record pixel-equal images as copies.

    Files with several frames stay undecided, because only one frame was inspected.
    """
    moving = np.array(sorted(subjects.moving), np.int64)
    several = np.isin(pairs.left, moving) | np.isin(pairs.right, moving)
    several[equal] = False
    verdicts.status[several & (verdicts.status == _COPY)] = _UNKNOWN
    for place in np.flatnonzero((verdicts.status == _UNKNOWN) & (pairs.score >= SAME_SCORE)).tolist():
        a, b = int(pairs.left[place]), int(pairs.right[place])
        if subjects.size(a) == subjects.size(b) and subjects.same_pixels(a, b):
            verdicts.same(place, subjects.size(a))


def _features(
    rows: Int64Array, pictures: Pictures, digests: Mapping[int, bytes], how: tuple[int, Path | None]
) -> Iterator[Features]:
    """Yield the features of each row, from the store if they are there. how: number of threads, folder of the store."""
    workers, cache = how

    def fresh(row: int) -> Features:
        thumb = pictures.thumbnail(row)
        return no_features() if thumb is None else extract(thumb)

    if cache is None:
        with ThreadPoolExecutor(workers, "fastsim-features") as pool:
            yield from pool.map(fresh, rows.tolist())
        return
    with (
        closing(FeatureStore(cache, RECIPE)) as store,
        ThreadPoolExecutor(workers, "fastsim-features") as pool,
    ):
        for start in range(0, len(rows), _CHUNK):
            part: Sequence[int] = rows[start : start + _CHUNK].tolist()
            known = store.get([digests[row] for row in part if row in digests])
            missing = [row for row in part if digests.get(row) not in known]
            new = dict(zip(missing, pool.map(fresh, missing), strict=True))
            store.put({digests[row]: one for row, one in new.items() if row in digests})
            yield from (new[row] if row in new else known[digests[row]] for row in part)
