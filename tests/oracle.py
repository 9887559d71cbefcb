"""A float64 oracle of the similar pairs, and rows to try it on."""

from __future__ import annotations

import numpy as np

from fastsim import _core
from fastsim.similarity.sketch import float_unit_rows, principal_basis

BAND = 1e-5
"""Pairs this near to the threshold may be found or not."""


def oracle(vectors: np.ndarray) -> np.ndarray:
    """float64[n, n] cosines; -inf on and below the diagonal and for rows that are similar to nothing."""
    rows = vectors.astype(np.float64)
    with np.errstate(all="ignore"):
        length = np.linalg.norm(rows, axis=1)
        good = (length > 0) & np.isfinite(length)
        rows = np.where(good[:, None], rows / length[:, None], 0.0)
    scores = rows @ rows.T
    scores[~good] = -np.inf
    scores[:, ~good] = -np.inf
    scores[np.tril_indices(len(rows))] = -np.inf
    return scores


def scan(
    rows: _core.Rows, n: int, thres: float, room: int = _core.ROOM, labels: np.ndarray | None = None
) -> np.ndarray:
    """Return a dense float32[n, n] of the scores found (-inf: not found), from one tile and a small buffer."""
    found = np.full((n, n), -np.inf, np.float32)
    left, right, score = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float32)
    cursor = 0
    while cursor >= 0:
        known = np.empty(0, np.int32) if labels is None else labels
        count, cursor = rows.scan(thres, (0, n, 0, n), known.copy(), known.copy(), cursor, left, right, score)
        assert (found[left[:count], right[:count]] == -np.inf).all(), "a pair was told twice"
        found[left[:count], right[:count]] = score[:count]
    return found


def sketched(vectors: np.ndarray, isa: str, k: int, spread: float = 1.0) -> _core.Rows:
    """Rows with a sketch that is far from ideal when `spread` is not 1: no pair may be lost for that."""
    rows = _core.Rows(vectors, isa)
    unit = float_unit_rows(vectors)
    basis, error = principal_basis(unit)
    y = unit @ basis[:k].T.astype(np.float32)
    scale = max(float(np.abs(y).max()) / rows.most * spread, 1e-9)
    slack = 1.01 * (error + (np.sqrt(k) + 1) * 80 * 2.0**-24)
    rows.sketch(basis[:k], scale, 0.9, float(slack))
    rows.encode(0, len(vectors))
    return rows


def assert_same_pairs(found: np.ndarray, truth: np.ndarray, thres: float) -> None:
    sure = np.abs(truth - thres) > BAND
    assert np.array_equal((found > -np.inf)[sure], (truth >= thres)[sure])
    both = (found > -np.inf) & (truth > -np.inf)
    assert np.abs(found[both] - truth[both]).max(initial=0) < 5e-6


def make(n: int, d: int, seed: int) -> np.ndarray:
    """Rows near some centres: scores everywhere between -1 and 1, duplicates among them."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(max(1, n // 4), d))
    rows = centres[draw.integers(0, len(centres), n)] + draw.normal(size=(n, d)) * draw.choice([0, 0.2, 0.7, 2], (n, 1))
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float16)


Groups = list[list[tuple[int, int, float]]]
"""(row, its keeper's row, score) of each member, keepers first."""


def grouped(rank: np.ndarray, pairs: dict[tuple[int, int], float]) -> Groups:
    """Return groups of rows by their definition: components of the similar `pairs`, and greedy keepers by rank."""
    n = len(rank)
    similar = {**pairs, **{(b, a): s for (a, b), s in pairs.items()}}
    component = list(range(n))
    for a, b in pairs:
        old, new = component[a], component[b]
        component = [new if c == old else c for c in component]
    groups = []
    for name in sorted(set(component)):
        keepers: list[int] = []
        rows = []
        for member in sorted((i for i in range(n) if component[i] == name), key=lambda i: rank[i]):
            cover = next((k for k in keepers if (member, k) in similar), None)
            if cover is None:
                keepers.append(member)
            rows.append((member, member if cover is None else cover, 1.0 if cover is None else similar[member, cover]))
        if len(rows) > 1:
            groups.append(sorted(rows, key=lambda row: row[0] != row[1]))
    return sorted(groups, key=lambda rows: (-len(rows), min(rank[row[0]] for row in rows)))
