"""Choose the sketch: rotated dimensions of each row in int8, with which most pairs are ruled out (proof: csrc/tile.h).

How many dimensions pay off depends on the rows and on the threshold; at low thresholds, or for rows without structure,
none do. The choice is made by counting, on a sample of pairs, how many would survive. It changes the speed, never the
pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fastsim import _core
from fastsim.records.arrays import Float16Array, Float32Array

FEWEST_ROWS = 8192
"""With fewer rows, comparing all pairs in full takes less time than finding a basis."""
WIDTHS = (16, 32, 48, 64, 80, 96, 112, 128, 160, 256)
"""Numbers of dimensions to choose from."""
PRODUCTS = {"avx512": (64.0, 11.0), "avx2": (32.0, 9.0), "neon": (12.0, 6.0), "serial": (1.0, 0.3)}
"""Products per cycle of each kernel, in int8 and in float16 (measured on Zen 4, AVX2 on Zen 3; NEON is a guess)."""
SAMPLE = 512
"""This many rows are compared with as many others to see how many pairs survive."""
CHUNK = 8192
"""Rows that one task encodes."""


class Sketch(NamedTuple):
    """A basis float16[k, d] with nearly orthonormal rows, and the numbers of the bound in csrc/tile.h."""

    basis: Float16Array
    scale: float
    limit: float
    slack: float
    most: int
    """The largest code."""


def add_sketch(
    rows: _core.Rows, vectors: Float16Array, thres: float, *, similar_is_free: bool, pool: ThreadPoolExecutor
) -> int:
    """Give `rows` (made from `vectors`) the sketch that is expected to be fastest; return its dimensions, 0 for none.

    similar_is_free: pairs that reach the threshold cost little, because most of them are inside a component already.
    """
    sketch = choose_sketch(vectors, thres, similar_is_free=similar_is_free, isa=rows.isa, most=rows.most)
    if sketch is None:
        return 0
    rows.sketch(sketch.basis, sketch.scale, sketch.limit, sketch.slack)
    n = len(vectors)
    for done in [pool.submit(rows.encode, start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]:
        done.result()
    return len(sketch.basis)


def choose_sketch(
    vectors: Float16Array, thres: float, *, similar_is_free: bool, isa: str = "avx512", most: int = 127
) -> Sketch | None:
    """Return the cheapest sketch by a sample of the rows, or None if comparing in full is cheaper.

    isa, most: the kernel that will use it, and the largest code that it takes.
    """
    n, d = vectors.shape
    if n < FEWEST_ROWS or d < WIDTHS[0]:
        return None
    draw = np.random.default_rng(0)
    basis, error = principal_basis(float_unit_rows(vectors[np.unique(draw.integers(0, n, 2048))]))
    sample = float_unit_rows(vectors[draw.permutation(np.unique(draw.integers(0, n, 2 * SAMPLE)))])
    sample = sample[(sample != 0).any(axis=1)]
    half = len(sample) // 2
    dissimilar = (sample[:half] @ sample[half:].T < thres) if similar_is_free else np.True_
    products, halves = PRODUCTS[isa]
    full = max(d, 16) / halves

    def fit(k: int) -> tuple[float, Sketch | None]:
        y = sample @ basis[:k].T.astype(np.float32)
        sketch = _fit(y, basis[:k], error, most)
        if sketch is None:
            return float("inf"), None
        alive = (_bounds(y, half, sketch) >= thres) & dissimilar
        return k / products + (40 + 2.5 * full) * float(alive.mean()), sketch  # 40: a mispredicted branch or two

    cost, best = _lowest(fit, [k for k in WIDTHS if k <= len(basis)])
    return best if cost < full else None


def _lowest(fit: Callable[[int], tuple[float, Sketch | None]], widths: list[int]) -> tuple[float, Sketch | None]:
    """Return the least cost and its sketch.

    The cost falls and then rises with the width: walk downhill from the middle.
    """
    at = len(widths) // 2
    best = fit(widths[at])
    for step in (-1, 1):
        walk = at + step
        while 0 <= walk < len(widths) and (tried := fit(widths[walk]))[0] < best[0]:
            best, at, walk = tried, walk, walk + step
    return best


def float_unit_rows(vectors: Float16Array) -> Float32Array:
    """Return float32[n, d] rows of unit length; zero if a row is zero or not finite."""
    rows = vectors.astype(np.float32)
    with np.errstate(all="ignore"):
        length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        rows /= length[:, None]
    rows[~((length > 0) & np.isfinite(length))] = 0
    return rows


def principal_basis(unit: Float32Array) -> tuple[Float16Array, float]:
    """Return float16[k, d], the directions of most energy first, and the spectral norm of their Gram matrix minus I.

    k is a multiple of 4, at most the last of WIDTHS. Works for fewer rows than dimensions and for rows without rank.
    """
    d = unit.shape[1]
    most = 4 * WIDTHS[-1]
    if d <= most:
        _, directions = np.linalg.eigh((unit.T @ unit).astype(np.float64))
    else:  # the eigenvectors of a larger matrix would take too long: stay inside the span of some rows
        span = np.linalg.qr(unit[:most].T.astype(np.float64))[0]
        inside = unit @ span.astype(np.float32)
        directions = span @ np.linalg.eigh((inside.T @ inside).astype(np.float64))[1]
    k = min(WIDTHS[-1], directions.shape[1] // 4 * 4)
    basis = np.ascontiguousarray(directions[:, ::-1][:, :k].T, dtype=np.float16)
    exact = basis.astype(np.float64)
    return basis, float(np.linalg.norm(exact @ exact.T - np.eye(k), 2))


def _fit(y: Float32Array, basis: Float16Array, error: float, most: int) -> Sketch | None:
    """Return the sketch whose scale clips one value in a thousand (measured as best), with its bound. y: a sample."""
    k, d = basis.shape
    scale = float(np.quantile(np.abs(y), 0.999)) / most if y.size else 0.0
    if scale <= 1e-7:
        return None
    limit = 1.02 * float(np.sqrt((_codes(y, scale, most) ** 2).sum(axis=1).max())) * scale
    slack = 1.01 * (error + (np.sqrt(k) + 1) * (70 + d / 1024) * 2.0**-24)
    return Sketch(basis, scale, limit, float(slack), most)


def _codes(y: Float32Array, scale: float, most: int) -> Float32Array:
    codes: Float32Array = np.clip(np.rint(y / np.float32(scale)), -most, most)
    return codes


def _bounds(y: Float32Array, half: int, sketch: Sketch) -> Float32Array:
    """Return float32[half, m - half], the highest score of the first rows with the others, as in csrc/rows.c."""
    shown = _codes(y, sketch.scale, sketch.most) * np.float32(sketch.scale)
    rho = np.sqrt(((y - shown) ** 2).sum(axis=1)) + sketch.slack
    seen = np.maximum(np.sqrt((y**2).sum(axis=1)) - sketch.slack, 0)
    bias = sketch.limit * rho + (rho**2 + np.maximum(1 - seen**2, 0)) / 2
    bounds: Float32Array = shown[:half] @ shown[half:].T + bias[:half, None] + bias[None, half:]
    return bounds
