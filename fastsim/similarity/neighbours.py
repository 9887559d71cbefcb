"""Find the nearest neighbours of each row in its own set or in another one, exactly.

Threads take strips of rows, which csrc/nearest.c compares with all rows of the set.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fastsim.records.arrays import Float16Array, Float32Array, Int64Array
from fastsim.records.rows import Views
from fastsim.rows import core_rows
from fastsim.run.progress import Bar
from fastsim.similarity.sketch import SAMPLE, add_sketch, float_unit_rows

STRIP = 256
"""Rows of one task: a multiple of 4, small enough that threads end together."""
FEW = 64
"""Up to so many rows are looked for by dividing the other set among the threads, more by dividing themselves."""
PART = 16384
"""Rows of one such part: 8 MB of 256 halves, which a thread reads twice."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest neighbours of each row.

    index: int64[n, k], best first, ties by ascending row, -1 if a row has fewer than k; score: float32[n, k], 0 there.
    """

    index: Int64Array
    score: Float32Array


def find_nearest(
    vectors: Float16Array, k: int, floor: float, *, workers: int, isa: str | None = None, bar: Bar | None = None,
    views: Views | None = None,
) -> Neighbours:  # fmt: skip
    """Return for each row the k other rows with the highest score among those of at least `floor`.

    vectors: float16[n, d]. `bar` counts rows. Memory is 12 n k bytes. The result does not depend on `workers` or
    `isa`.
    """
    n = len(vectors)
    index, score = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
    if n == 0:
        return Neighbours(index, score)
    rows = core_rows(vectors, views, isa)
    with ThreadPoolExecutor(workers, "fastsim-nearest") as pool:
        add_sketch(rows, vectors, _usual_threshold(vectors, k, floor), similar_is_free=False, pool=pool)

        def search(start: int) -> int:
            stop = min(start + STRIP, n)
            rows.nearest(floor, k, start, stop, index[start:stop], score[start:stop])
            return stop - start

        for done in pool.map(search, range(0, n, STRIP)):
            if bar:
                bar.advance(done)
    return Neighbours(index, score)


def _usual_threshold(vectors: Float16Array, k: int, floor: float) -> float:
    """Estimate the k-th best score of a row from a sample; it decides only which sketch is used."""
    n = len(vectors)
    draw = np.random.default_rng(0)
    sample = float_unit_rows(vectors[draw.permutation(np.unique(draw.integers(0, n, 2 * SAMPLE)))])
    half = len(sample) // 2
    scores = sample[:half] @ sample[half:].T
    return max(floor, float(np.quantile(scores, max(0.0, 1.0 - k / n)))) if scores.size else floor


def find_nearest_among(
    query: Float16Array, vectors: Float16Array, k: int, floor: float, *, workers: int, isa: str | None = None,
    bar: Bar | None = None, query_views: Views | None = None, views: Views | None = None,
) -> Neighbours:  # fmt: skip
    """Return for each row of `query` the k rows of `vectors` with the highest score among those of at least `floor`.

    query: float16[q, d]; vectors: float16[n, d], which may be memory-mapped; views of either: rows without any are of kind
    0. `bar` counts rows of `query`. Memory is 12 q k bytes, and 4 bytes for each row of `vectors` that is looked at. The
    result does not depend on `workers` or `isa`, and equals that of `find_nearest` over both sets, but for the pairs
    inside a set.
    """
    if len(query) <= FEW:
        return _few_among_many(query, vectors, k, floor, workers=workers, isa=isa, bar=bar, views=(query_views, views))
    index, score = np.empty((len(query), k), np.int64), np.empty((len(query), k), np.float32)
    rows, among = core_rows(query, query_views, isa), core_rows(vectors, views, isa)

    def search(start: int) -> int:
        stop = min(start + STRIP, len(query))
        rows.nearest(floor, k, start, stop, index[start:stop], score[start:stop], among)
        return stop - start

    with ThreadPoolExecutor(workers, "fastsim-nearest") as pool:
        for done in pool.map(search, range(0, len(query), STRIP)):
            if bar:
                bar.advance(done)
    return Neighbours(index, score)


def _few_among_many(
    query: Float16Array, vectors: Float16Array, k: int, floor: float, *, workers: int, isa: str | None,
    bar: Bar | None, views: tuple[Views | None, Views | None],
) -> Neighbours:  # fmt: skip
    """Threads take parts of `vectors`, whose norms are measured while they are in the cache, and the best are merged."""
    n, q = len(vectors), len(query)
    rows = core_rows(query, views[0], isa)

    def search(start: int) -> tuple[Int64Array, Float32Array]:
        stop = min(start + PART, n)
        part = None if views[1] is None else views[1].take(np.arange(start, stop))
        index, score = np.empty((q, k), np.int64), np.empty((q, k), np.float32)
        rows.nearest(floor, k, 0, q, index, score, core_rows(vectors[start:stop], part, isa))
        return np.where(index >= 0, index + start, -1), score

    with ThreadPoolExecutor(workers, "fastsim-nearest") as pool:
        found = list(pool.map(search, range(0, n, PART)))
    if bar:
        bar.advance(q)
    index = np.concatenate([np.empty((q, 0), np.int64), *(one[0] for one in found)], axis=1)
    score = np.concatenate([np.empty((q, 0), np.float32), *(one[1] for one in found)], axis=1)
    order = np.lexsort([index, -score, index < 0])[:, :k] if index.size else np.empty((q, 0), np.int64)
    best = Neighbours(np.full((q, k), -1, np.int64), np.zeros((q, k), np.float32))
    best.index[:, : order.shape[1]] = np.take_along_axis(index, order, axis=1)
    best.score[:, : order.shape[1]] = np.take_along_axis(score, order, axis=1)
    return best
