"""Count the pairs, groups and removable files that each threshold would give, and suggest one, from all pairs.

The scores come in one pass; a threshold costs one union-find of n numbers, so trying twenty costs little more than
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fastsim.grouping.components import Components, find_groups
from fastsim.records.arrays import Float16Array, Float32Array, Int64Array
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import Embeddings

LOWEST = 0.6
"""Lower scores are counted from a sample alone: no threshold there is useful."""
BIN = 0.01
THRESHOLDS = (*(round(0.6 + 0.025 * step, 3) for step in range(16)), 0.99)
"""0.6, 0.625, ..., 0.975, 0.99."""
SAMPLE = 200_000
"""Random pairs that show the scores of unrelated images."""
NEAR = 0.02
"""Pairs this close to a threshold are borderline."""
_KEPT = 64
_COPIES = 0.9
"""Of files that are linked from this score on, one represents all among the unrelated: in a small folder, copies would
be more than the one pair in a thousand that `unrelated` leaves out.
"""
_LOW, _HIGH = 0.8, 0.975
"""Range of suggestions."""
_COPIES_FROM = 0.97
"""Pairs from this score on are evident copies."""


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """What one threshold would give. `removable`: files that a keeper stands for."""

    thres: float
    pairs: int
    groups: int
    grouped: int
    removable: int
    largest: int


@dataclass(frozen=True, slots=True)
class Borderline:
    """A pair of rows near a threshold."""

    thres: float
    left: int
    right: int
    score: float


@dataclass(frozen=True, slots=True)
class Advice:
    """The whole advice.

    edges: float64[b + 1], histogram: int64[b], the pairs per bin of scores from LOWEST on; unrelated: (median, 99.9th
    percentile) of the scores of random pairs of distinct images; suggested: a threshold, and why in one sentence.
    """

    edges: np.ndarray[tuple[int], np.dtype[np.float64]]
    histogram: Int64Array
    unrelated: tuple[float, float]
    curve: tuple[AtThreshold, ...]
    borderline: tuple[Borderline, ...]
    suggested: float
    reason: str


class Counter:
    """Count the similar pairs (score >= LOWEST) of n rows block by block, in O(n) memory."""

    def __init__(self, n: int, near: Sequence[float]) -> None:
        self.edges = np.linspace(LOWEST, 1.0, round((1 - LOWEST) / BIN) + 1)
        self.histogram = np.zeros(len(self.edges) - 1, np.int64)
        self.components = {thres: Components(n) for thres in THRESHOLDS}
        self.pairs = dict.fromkeys(THRESHOLDS, 0)
        self._near: dict[float, list[Borderline]] = {thres: [] for thres in near}

    def add(self, block: PairBlock) -> None:
        """Count one block."""
        bins = np.clip(((block.score - LOWEST) / BIN).astype(np.int64), 0, len(self.histogram) - 1)
        self.histogram += np.bincount(bins, minlength=len(self.histogram))
        part = block
        for thres in THRESHOLDS:
            part = _at_least(part, thres)
            self.pairs[thres] += len(part)
            self.components[thres].add(part)
        for thres, kept in self._near.items():
            distance = np.abs(block.score - thres)
            chosen = np.flatnonzero(distance < NEAR)
            chosen = chosen[np.argsort(distance[chosen], kind="stable")[:_KEPT]]
            kept += [
                Borderline(thres, int(block.left[i]), int(block.right[i]), float(block.score[i]))
                for i in chosen[:_KEPT]
            ]
            kept.sort(key=lambda pair: (abs(pair.score - thres), pair.left, pair.right))
            del kept[_KEPT:]

    def borderline(self) -> tuple[Borderline, ...]:
        """Return pairs near each requested threshold, the nearest first, each file at most twice."""
        found: list[Borderline] = []
        for kept in self._near.values():
            seen: dict[int, int] = {}
            for pair in kept:
                if max(seen.get(pair.left, 0), seen.get(pair.right, 0)) < 2:
                    found.append(pair)
                    seen[pair.left], seen[pair.right] = seen.get(pair.left, 0) + 1, seen.get(pair.right, 0) + 1
        return tuple(found)


def advise(
    blocks: Iterable[PairBlock], embeddings: Embeddings, rank: Int64Array, *, near: Sequence[float], workers: int
) -> Advice:
    """Return the advice for `embeddings`, whose pairs with scores from LOWEST on are in `blocks`.

    rank: keep order, see `grouping.components.find_groups`; near: thresholds whose borderline pairs are wanted.
    """
    count = Counter(len(embeddings), near)
    for block in blocks:
        count.add(block)
    curve = []
    for thres, components in count.components.items():
        groups = find_groups(components, embeddings, rank, thres, workers=workers)
        grouped = sum(map(len, groups))
        keepers = sum(int((group.keeper == group.ids).sum()) for group in groups)
        largest = len(groups[0]) if groups else 0
        curve.append(AtThreshold(thres, count.pairs[thres], len(groups), grouped, grouped - keepers, largest))
    distinct = np.unique(count.components[_COPIES].of(), return_index=True)[1]
    unrelated = _unrelated(embeddings.vectors[distinct])
    suggested, reason = _suggest(count.histogram, count.edges, unrelated[1])
    return Advice(count.edges, count.histogram, unrelated, tuple(curve), count.borderline(), suggested, reason)


def _at_least(block: PairBlock, thres: float) -> PairBlock:
    chosen = block.score >= np.float32(thres)
    return block if chosen.all() else PairBlock(block.left[chosen], block.right[chosen], block.score[chosen])


def _unrelated(vectors: Float16Array) -> tuple[float, float]:
    """Return median and 99.9th percentile of the scores of random pairs; zeros if there is no pair."""
    n = len(vectors)
    if n < 2:
        return 0.0, 0.0
    rng = np.random.default_rng(0)
    left = rng.integers(0, n, SAMPLE)
    right = (left + rng.integers(1, n, SAMPLE)) % n
    scores: list[Float32Array] = []
    for start in range(0, SAMPLE, 10_000):  # 10,000 rows at a time bound the memory
        a, b = (vectors[rows[start : start + 10_000]].astype(np.float32) for rows in (left, right))
        scores.append((a * b).sum(axis=1, dtype=np.float32))
    low, high = np.percentile(np.concatenate(scores), [50, 99.9])
    return float(low), float(high)


def _suggest(
    histogram: Int64Array, edges: np.ndarray[tuple[int], np.dtype[np.float64]], unrelated: float
) -> tuple[float, str]:
    """Return one of THRESHOLDS, where fewest pairs lie between copies and merely alike images, and the reason.

    The histogram is smoothed over 3 bins; of equally empty places the highest is taken, because it is the safest.
    """
    if not histogram.sum():
        return (
            0.9,
            f"no pair here scores {LOWEST:g} or more, so there is nothing to learn from; 0.9 is a careful default",
        )
    smooth = np.convolve(histogram, np.ones(3) / 3, mode="same")
    around = {
        thres: float(smooth[int((thres - LOWEST) / BIN + 1e-6)]) for thres in THRESHOLDS if _LOW <= thres <= _HIGH
    }
    copies = int(histogram[edges[:-1] >= _COPIES_FROM - 1e-9].sum())
    inside = [thres for thres in around if thres >= unrelated]
    if not inside:
        return _HIGH, f"even distinct images here score up to {unrelated:.2f}; be strict"
    best = min(inside, key=lambda thres: (around[thres], -thres))
    if not copies:
        return max(best, 0.9), f"there are no evident copies (0 pairs from {_COPIES_FROM:g} on); be strict"
    return best, (
        f"fewest pairs lie around it ({around[best]:.0f} a hundredth, against {copies} from {_COPIES_FROM:g} on), so that it "
        "parts copies from what is merely alike"
    )
