"""Find all pairs of rows from a threshold on, with fastsim and with other programs."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from bench.rows import unit
from fastsim import similar_pairs

Pairs = tuple[np.ndarray, np.ndarray]
CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def by_fastsim(rows: np.ndarray, thres: float) -> Pairs:
    left, right, _ = similar_pairs(rows, thres)
    return left, right


def by_numpy(rows: np.ndarray, thres: float, side: int = 2048) -> Pairs:
    """Tiles of the upper triangle by float32 matrix products: what one writes without a library, done well."""
    unit_rows, n = unit(rows.astype(np.float32)), len(rows)
    found = []
    for r in range(0, n, side):
        for c in range(r, n, side):
            tile = unit_rows[r : r + side] @ unit_rows[c : c + side].T
            left, right = np.divmod(np.flatnonzero(tile >= thres), tile.shape[1])
            keep = left + r < right + c
            found.append((left[keep] + r, right[keep] + c))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def by_faiss(rows: np.ndarray, thres: float) -> Pairs:
    """IndexFlatIP.range_search, on all cores; it has no triangle and finds each pair twice."""
    import faiss

    faiss.omp_set_num_threads(CPUS)
    unit_rows = unit(rows.astype(np.float32))
    index = faiss.IndexFlatIP(unit_rows.shape[1])
    index.add(unit_rows)
    found = []
    for start in range(0, len(rows), 16384):
        limits, _, right = index.range_search(unit_rows[start : start + 16384], float(np.nextafter(thres, 0)))
        left = np.repeat(np.arange(start, start + len(limits) - 1), np.diff(limits.astype(np.int64)))
        keep = left < right
        found.append((left[keep], right[keep]))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def by_sklearn(rows: np.ndarray, thres: float) -> Pairs:
    """radius_neighbors, brute force on all cores: |a - b|^2 = 2 - 2 cos(a, b). It finds each pair twice, too."""
    from sklearn.neighbors import NearestNeighbors

    unit_rows = unit(rows.astype(np.float32))
    search = NearestNeighbors(radius=np.sqrt(2 - 2 * thres), algorithm="brute", n_jobs=CPUS).fit(unit_rows)
    lists = search.radius_neighbors(unit_rows, return_distance=False)
    left, right = np.repeat(np.arange(len(rows)), [len(part) for part in lists]), np.concatenate(lists)
    return left[left < right], right[left < right]


RIVALS: dict[str, Callable[[np.ndarray, float], Pairs]] = {"faiss": by_faiss, "numpy": by_numpy, "sklearn": by_sklearn}
LARGEST = {"faiss": 100_000, "numpy": 100_000, "sklearn": 20_000}
"""Rows beyond which a rival is left out: its time is known from fewer rows, and would not end."""


def available(names: list[str]) -> list[str]:
    """Those of `names` that are installed; of the others it is printed that they are left out."""
    present = []
    for name in names:
        try:
            __import__({"sklearn": "sklearn.neighbors"}.get(name, name))
        except ImportError:
            print(f"{name}: not installed here, left out")
        else:
            present.append(name)
    return present


def ending(names: list[str], n: int) -> list[str]:
    """Those of `names` that end at `n` rows; of the others it is printed that they are left out."""
    for name in names:
        if n > LARGEST[name]:
            print(f"{name}: left out at {n:,} rows, it is compared up to {LARGEST[name]:,}")
    return [name for name in names if n <= LARGEST[name]]
