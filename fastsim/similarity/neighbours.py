"""Find the nearest neighbours of each row, exactly.

Threads take strips of rows, which csrc/nearest.c compares with all rows.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fastsim.records import Float16Array, Float32Array, Int64Array, Views
from fastsim.rows import core_rows
from fastsim.run.progress import Bar
from fastsim.similarity.sketch import SAMPLE, add_sketch, float_unit_rows

STRIP = 256
"""Rows of one task: a multiple of 4, small enough that threads end together."""


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
