"""The nearest neighbours of each row among the rows that it may be compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastsim.records.arrays import Float32Array, Int64Array
from fastsim.records.rows import Embeddings
from fastsim.rows import core_rows
from fastsim.run.progress import Bar
from fastsim.similarity.neighbours import Neighbours, find_nearest

_BYTES = 1 << 26
"""Memory of one block of scores."""

Allowed = Callable[[Int64Array | int, Int64Array], NDArray[np.bool_]]
"""allowed(left, right) -> bool[k]; `left` may be one row for all of `right`."""


def find_allowed(
    embeddings: Embeddings, k: int, floor: float, *, allowed: Allowed, workers: int, bar: Bar | None = None
) -> Neighbours:
    """Return what `neighbours.find_nearest` does, for the pairs that are `allowed` alone.

    The usual search answers most rows. Those that lost neighbours of a full list are compared with all rows again.
    """
    near = find_nearest(embeddings.vectors, k, floor, workers=workers, bar=bar, views=embeddings.views)
    index, score = near.index, near.score
    rows = np.repeat(np.arange(len(index)), k)
    good = (index >= 0) & allowed(rows, np.maximum(index, 0).ravel()).reshape(index.shape)
    lost = np.flatnonzero((index[:, -1] >= 0) & ~good.all(axis=1)) if k else np.empty(0, np.int64)
    order = np.argsort(~good, axis=1, kind="stable")
    index = np.take_along_axis(np.where(good, index, -1), order, axis=1)
    score = np.take_along_axis(np.where(good, score, np.float32(0)), order, axis=1)
    if len(lost):
        index[lost], score[lost] = _search(embeddings, lost, (k, floor), allowed)
    return Neighbours(index, score)


def _search(
    embeddings: Embeddings, rows: Int64Array, limits: tuple[int, float], allowed: Allowed
) -> tuple[Int64Array, Float32Array]:
    """(int64[m, k], float32[m, k]): the k best allowed rows of each of `rows` with a score of at least the floor."""
    k, floor = limits
    n = len(embeddings)
    whole = embeddings.vectors.astype(np.float32)
    with np.errstate(all="ignore"):
        norm = np.sqrt(np.einsum("ij,ij->i", whole, whole))
        whole = np.where((norm > 0) & np.isfinite(norm), whole.T / norm, 0).T
    index, score = np.full((len(rows), k), -1, np.int64), np.zeros((len(rows), k), np.float32)
    every = np.arange(n)
    core = core_rows(embeddings.vectors, embeddings.views)
    step = max(1, _BYTES // (4 * n))
    for start in range(0, len(rows), step):
        scores = whole[rows[start : start + step]] @ whole.T
        for at, (row, mine) in enumerate(zip(rows[start : start + step].tolist(), scores, strict=True), start):
            near = every[(mine >= floor) & allowed(row, every) & (every != row)]
            best = np.clip(mine[near], -1, 1)
            if embeddings.views is not None:
                core.lowest(np.full(len(near), row), near, best)
            order = np.lexsort([near, -best])[:k]
            order = order[best[order] >= floor]
            index[at, : len(order)], score[at, : len(order)] = near[order], best[order]
    return index, score
