"""all-pairs: the same pairs as the cpu backend and as an oracle on a sample of tiles, then the time, beside dense rivals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.gpu.measuring import DEVICE, Clock, Row, Sizes, timed
from fastsim.device import Device
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import DeviceRows

THRES = 0.9
BAND = 1e-5
"""Pairs this near to the threshold may be found or not."""
Pairs = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def rows(n: int, d: int = 256) -> np.ndarray[Any, Any]:
    """Return unit float16 rows, made piece by piece.

    One in a hundred is its neighbour with noise, one in a thousand a row that is far away.
    """
    draw = np.random.default_rng(n)
    whole = np.empty((n, d), np.float16)
    for start in range(0, n, 65536):
        part = draw.standard_normal((min(65536, n - start), d), np.float32)
        part[1::100] = part[: len(part[1::100]) * 100 : 100] + 0.1 * part[1::100]
        whole[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    far = draw.permutation(n)[: 2 * (n // 1000)]
    whole[far[::2]] = whole[far[1::2]]
    return whole


def found(blocks: Iterator[PairBlock]) -> Pairs:
    """(left, right) of all pairs, sorted."""
    parts = list(blocks)
    none = np.empty(0, np.int64)
    left = np.concatenate([none, *(block.left for block in parts)])
    right = np.concatenate([none, *(block.right for block in parts)])
    order = np.lexsort((right, left))
    return left[order], right[order]


def tiles(n: int, side: int, count: int) -> list[tuple[int, int]]:
    """First rows and columns of `count` tiles of the upper triangle: the corners, then by chance, half on the diagonal."""
    draw, blocks = np.random.default_rng(1), -(-n // side)
    chosen = [(0, 0), (0, blocks - 1), (blocks - 1, blocks - 1)]
    while len(chosen) < count:
        a, b = sorted(draw.integers(0, blocks, 2).tolist())
        chosen.append((a, a) if len(chosen) % 2 else (a, b))
    return [(a * side, b * side) for a, b in chosen[:count]]


def check_tile(vectors: np.ndarray[Any, Any], pairs: Pairs, at: tuple[int, int], side: int) -> int:
    """Compare the pairs inside one tile with a float64 oracle, and return how many there are.

    Raises AssertionError if they differ.
    """
    r, c = at
    a, b = (vectors[start : start + side].astype(np.float64) for start in at)
    a, b = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (a, b))
    scores = a @ b.T
    if r == c:
        scores[np.tril_indices(len(a))] = -np.inf
    left, right = pairs
    inside = (left >= r) & (left < r + side) & (right >= c) & (right < c + side)
    ours = np.zeros(scores.shape, bool)
    ours[left[inside] - r, right[inside] - c] = True
    sure = np.abs(scores - THRES) > BAND
    wrong = int(((scores >= THRES) != ours)[sure].sum())
    assert not wrong, f"{wrong} pairs of the tile at {at} differ from the oracle's"
    return int(ours.sum())


def part(sizes: Sizes, clock: Clock) -> Iterator[Row]:
    from fastsim.similarity import cpu, cuda

    small = rows(sizes.valid_rows)
    expected = found(cpu.pair_blocks(small, THRES, workers=os.cpu_count() or 1))
    ours = found(cuda.pair_blocks(small, THRES, device=Device.parse(DEVICE)))
    assert len(ours[0]) == len(expected[0]) >= 5, f"{len(ours[0])} pairs, {len(expected[0])} expected"
    assert all((a == b).all() for a, b in zip(ours, expected, strict=True))
    yield "all-pairs valid", f"{len(small):,} rows", f"{len(ours[0])} pairs, those of the cpu backend", ""
    for n in sizes.rows:
        yield from _of(rows(n), sizes, clock)


def _of(vectors: np.ndarray[Any, Any], sizes: Sizes, clock: Clock) -> Iterator[Row]:
    import cupy as cp

    from fastsim.similarity import cuda

    n, d = vectors.shape
    what, work = f"all-pairs {n:,}", n * (n - 1) / 2 * 2 * d
    resident = DeviceRows(0, cp.asarray(vectors))
    pairs = found(cuda.pair_blocks(vectors, THRES, device=Device.parse(DEVICE), resident=resident))
    seen = sum(check_tile(vectors, pairs, at, sizes.tile) for at in tiles(n, sizes.tile, sizes.tiles))
    yield what, "valid", f"{len(pairs[0]):,} pairs", f"oracle on {sizes.tiles} tiles of {sizes.tile}: same {seen} pairs"

    def run(here: DeviceRows | None) -> int:
        return sum(map(len, cuda.pair_blocks(vectors, THRES, device=Device.parse(DEVICE), resident=here)))

    for how, here in (("rows on the device", resident), ("rows on the host", None)):
        seconds = timed(lambda here=here: run(here), sizes.repeats)  # type: ignore[misc]
        yield what, f"fastsim cuda, {how}", f"{seconds:.3f} s", f"{work / seconds / 1e12:.0f} TFLOP/s"
    rivals = {"cupy.matmul + threshold": lambda: by_cupy(resident.rows), "PyTorch, dense": lambda: by_torch(vectors)}
    for how, rival in rivals.items():
        if clock.left() < 60:
            yield what, how, "not measured", "out of time"
            continue
        try:
            count = rival()
            assert abs(count - len(pairs[0])) <= 0.01 * len(pairs[0]) + 2, f"{count} pairs, {len(pairs[0])} expected"
            seconds = timed(rival, 1)
        except Exception as error:  # a rival that is not there, or has no room, is a finding
            yield what, how, "not measured", f"{type(error).__name__}: {str(error)[:100]}"
        else:
            yield (
                what,
                how,
                f"{seconds:.3f} s",
                f"{work / seconds / 1e12:.0f} TFLOP/s, upper triangle, rows on the device",
            )


def by_cupy(whole: Any, side: int = 16384) -> int:
    """Pairs in the upper triangle by a matrix product a tile, its threshold, and the places that reach it."""
    import cupy as cp

    count = 0
    for r in range(0, len(whole), side):
        for c in range(r, len(whole), side):
            hits = cp.argwhere(whole[r : r + side] @ whole[c : c + side].T >= THRES)
            count += int((hits[:, 0] < hits[:, 1]).sum()) if r == c else len(hits)
    return count


def by_torch(vectors: np.ndarray[Any, Any], side: int = 16384, device: str = DEVICE) -> int:
    """Return the same in PyTorch."""
    import torch

    whole = torch.from_numpy(vectors).to(device)
    count = 0
    for r in range(0, len(whole), side):
        for c in range(r, len(whole), side):
            hits = (whole[r : r + side] @ whole[c : c + side].T >= THRES).nonzero()
            count += int((hits[:, 0] < hits[:, 1]).sum()) if r == c else len(hits)
    return count
