"""The nearest neighbours of images in other splits, and in other classes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastsim import similarity
from fastsim.records.arrays import Int64Array
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import Embeddings
from fastsim.run.timing import stage
from fastsim.similarity.neighbours import Neighbours, find_nearest, find_nearest_among
from fastsim.verified_pairs import NEIGHBOURS, Verifier


def find_candidates(verifier: Verifier, split_of: Int64Array, class_of: Int64Array, floor: float) -> PairBlock:
    """Find pairs of rows of different splits, or of one split and different classes.

    One row of each is among the nearest neighbours of the other there. Sorted by (left, right).
    """
    search = _Search(verifier.embeddings, similarity.effective(floor), verifier.compute.workers)
    parts = [np.flatnonzero(split_of == split) for split in range(int(split_of.max(initial=-1)) + 1)]
    with (
        stage("compare", verifier.timings),
        verifier.progress.bar("compare", sum(len(part) for part in parts) * len(parts), "images") as bar,
    ):
        found = []
        for a, one in enumerate(parts):
            for b, other in enumerate(parts):
                if a != b:
                    found.append(search.among(one, other))
                elif len(np.unique(class_of[one][class_of[one] >= 0])) > 1:
                    inside = search.inside(one)
                    left, right = class_of[inside.left], class_of[inside.right]
                    at = np.flatnonzero((left >= 0) & (right >= 0) & (left != right))
                    found.append(PairBlock(inside.left[at], inside.right[at], inside.score[at]))
                bar.advance(len(one))
        return _once(found, len(verifier.embeddings))


@dataclass(frozen=True, slots=True)
class _Search:
    """The nearest neighbours of some rows among others."""

    embeddings: Embeddings
    floor: float
    workers: int

    def among(self, rows: Int64Array, others: Int64Array) -> PairBlock:
        """Return the nearest of `others` of each of `rows`, as pairs of rows of the whole."""
        mine, theirs = self.embeddings.take(rows), self.embeddings.take(others)
        near = find_nearest_among(
            mine.vectors, theirs.vectors, NEIGHBOURS, self.floor, workers=self.workers, query_views=mine.views,
            views=theirs.views,
        )  # fmt: skip
        return _as_pairs(near, rows, others)

    def inside(self, rows: Int64Array) -> PairBlock:
        """Return the nearest of each of `rows` among themselves."""
        mine = self.embeddings.take(rows)
        near = find_nearest(mine.vectors, NEIGHBOURS, self.floor, workers=self.workers, views=mine.views)
        return _as_pairs(near, rows, rows)


def _as_pairs(near: Neighbours, rows: Int64Array, others: Int64Array) -> PairBlock:
    row, place = np.nonzero(near.index >= 0)
    one, other = rows[row], others[near.index[row, place]]
    return PairBlock(np.minimum(one, other), np.maximum(one, other), near.score[row, place])


def _once(blocks: Sequence[PairBlock], n: int) -> PairBlock:
    left = np.concatenate([np.empty(0, np.int64), *(block.left for block in blocks)])
    right = np.concatenate([np.empty(0, np.int64), *(block.right for block in blocks)])
    score = np.concatenate([np.empty(0, np.float32), *(block.score for block in blocks)])
    first = np.unique(left * n + right, return_index=True)[1]
    return PairBlock(left[first], right[first], score[first])
