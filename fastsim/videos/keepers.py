"""Find keepers in a stream: a row that is similar to no kept row is kept.

The definition is that of `grouping.components.find_groups`, with time as the keep order; here the rows come one after
the other, and those that are not kept are forgotten.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastsim import _core
from fastsim.records.arrays import Float16Array, Float32Array
from fastsim.similarity import effective

CHUNK = 4096
"""Kept rows that are compared at a time: 2 MB, which stay in a core's cache while all new rows pass by."""


class Decision(NamedTuple):
    """The decision on a row: `keeper` is the number (from 0) of the kept row that covers it, `score` their cosine."""

    keeper: int
    score: float
    is_new: bool
    """Whether the row itself was kept: then `keeper` is its own number, and `score` is 1."""


class Keepers:
    """The rows kept so far. Memory: 2 bytes per dimension and kept row, at most doubled by growing."""

    def __init__(self, thres: float) -> None:
        self._thres = effective(thres)
        self._rows: Float16Array = np.empty((0, 0), np.float16)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> Float16Array:
        """Return float16[n, d], in the order in which they were kept. Valid until the next `decide`."""
        return self._rows[: self._count]

    def add(self, rows: Float16Array) -> None:
        """Add rows that another run has kept."""
        self._make_room(rows)
        self._count += len(rows)

    def keep_first(self, count: int) -> None:
        """Forget all but the first `count` kept rows."""
        self._count = min(self._count, count)

    def decide(self, rows: Float16Array) -> list[Decision]:
        """Decide on float16[k, d] rows, one after the other. Each goes to the first kept row that it is similar to.

        The decisions do not depend on how the stream is cut into calls. Many rows per call are faster if much is kept.
        """
        self._make_room(rows)
        n, k = self._count, len(rows)
        everything = _core.Rows(self._rows[: n + k])
        members = np.arange(n, n + k, dtype=np.int64)
        by, score = np.full(k, -1, np.int64), np.zeros(k, np.float32)
        for start in range(0, n, CHUNK):
            everything.cover(self._thres, np.arange(start, min(start + CHUNK, n), dtype=np.int64), members, by, score)
            if (by >= 0).all():
                break
        everything.choose(self._thres, np.empty(k, np.int64), members, by, score)
        del everything
        return self._take(n, by.tolist(), score)

    def best(self, row: Float16Array) -> float:
        """Return the highest score of a row with any kept row; 0 if nothing is kept yet."""
        wide, best = _unit(row[None])[0], 0.0
        for start in range(0, self._count, CHUNK):
            best = max(best, float((_unit(self._rows[start : min(start + CHUNK, self._count)]) @ wide).max()))
        return min(best, 1.0)

    def _take(self, first: int, by: list[int], score: Float32Array) -> list[Decision]:
        """Move the rows that became keepers up behind the others, and number them."""
        numbers: dict[int, int] = {}
        decisions = []
        for place, keeper in enumerate(by, start=first):
            is_new = keeper == place
            if is_new:
                numbers[place] = self._count
                self._rows[self._count] = self._rows[place]
                self._count += 1
            number = numbers.get(keeper, keeper)
            decisions.append(Decision(number, float(score[place - first]), is_new))
        return decisions

    def _make_room(self, rows: Float16Array) -> None:
        """Make space behind the kept rows, and put `rows` there."""
        need = self._count + len(rows)
        if need > len(self._rows):
            larger = np.empty((max(64, need, len(self._rows) * 3 // 2), rows.shape[1]), np.float16)
            if self._count:
                larger[: self._count] = self._rows[: self._count]
            self._rows = larger
        self._rows[self._count : need] = rows


def _unit(rows: Float16Array) -> Float32Array:
    wide = rows.astype(np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    wide /= np.where(length > 0, length, np.float32(1))[:, None]
    return wide
