"""Make rows to be compared: from a file of a model, more drawn from them, or synthetic; one in twenty a duplicate."""

from __future__ import annotations

import numpy as np


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def synthetic(n: int, seed: int = 0, d: int = 256) -> np.ndarray:
    """Return float32[n, d] unit rows like a model's: 4,000 topics, and variances that fall off as in our model.

    Half of the energy is in 64 of 256 dimensions, .74 in 128; random rows score .00 +- .08, with a long tail upwards.
    """
    draw = np.random.default_rng(seed)
    scale = np.sqrt(1.02 - np.arange(d) / d).astype(np.float32) ** 1.2
    topics = draw.standard_normal((4000, d), np.float32) * scale
    weight = draw.uniform(0.2, 0.7, n).astype(np.float32)[:, None]
    own = draw.standard_normal((n, d), np.float32) * scale
    return unit(weight * topics[(4000 * draw.random(n) ** 2).astype(int)] + (1 - weight) * own)


def extend(rows: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """Return `rows` and as many drawn from them as are missing.

    A new row is a row of the file plus noise of the file's own covariance, such that two rows made from one score about .6.
    """
    draw = np.random.default_rng(seed)
    if len(rows) >= n:
        return rows[draw.permutation(len(rows))[:n]]
    values, directions = np.linalg.eigh(np.cov(rows.T))
    noise = (directions * np.sqrt(np.maximum(values, 0))).astype(np.float32).T
    out = np.empty((n, rows.shape[1]), np.float32)
    out[: len(rows)] = rows
    for start in range(len(rows), n, 8192):
        part = out[start : start + 8192]
        part[:] = rows[draw.integers(0, len(rows), len(part))] * 0.77
        part += draw.standard_normal(part.shape, np.float32) @ noise * 0.63
    return unit(out)[draw.permutation(n)]


def with_duplicates(rows: np.ndarray, seed: int = 0) -> np.ndarray:
    """float16 rows, one in twenty replaced by another one with a little noise (scores of .9 to 1)."""
    draw = np.random.default_rng(seed)
    n, d = rows.shape
    copies = draw.permutation(n)[: n // 20]
    noise = draw.standard_normal((len(copies), d), np.float32) * draw.uniform(0, 0.4, (len(copies), 1)) / np.sqrt(d)
    rows[copies] = unit(rows[draw.integers(0, n, len(copies))] + noise)
    return rows.astype(np.float16)


def read_vectors(path: str) -> np.ndarray:
    loaded = np.load(path)
    return unit((loaded["vectors"] if isinstance(loaded, np.lib.npyio.NpzFile) else loaded).astype(np.float32))
