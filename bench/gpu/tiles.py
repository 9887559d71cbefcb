"""Each version of the kernel that finds pairs, alone: the pairs of the plain reference, then the time of one large tile."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.gpu.measuring import Clock, Row, Sizes
from bench.gpu.pairs import THRES, found, rows
from fastsim.device import Device
from fastsim.similarity.kernels import KERNELS

REPEATS = 9


def part(sizes: Sizes, clock: Clock) -> Iterator[Row]:
    import cupy as cp

    from fastsim.similarity import cuda

    small = rows(sizes.valid_rows // 4)
    expected = found(cuda.pair_blocks(small, THRES, device=Device.parse("cuda:0"), kernel="prefilter_reference"))
    big = rows(sizes.tile_side)
    for name, kernel in KERNELS.items():
        if kernel.arch not in ("", f"sm_{cp.cuda.Device(0).compute_capability}a"):
            yield "tile", name, "not measured", f"is for {kernel.arch} alone"
            continue
        if clock.left() < 20:
            yield "tile", name, "not measured", "out of time"
            continue
        try:
            yield _row(name, small, expected, big)
        except Exception as error:  # a version that fails is a finding; the others still run
            yield "tile", name, "FAILED", f"{type(error).__name__}: {str(error)[:200]}"


def _row(name: str, small: Any, expected: tuple[Any, Any], big: Any) -> Row:
    from fastsim.similarity import cuda

    ours = found(cuda.pair_blocks(small, THRES, device=Device.parse("cuda:0"), kernel=name))
    if not all(np.array_equal(a, b) for a, b in zip(ours, expected, strict=True)):
        raise AssertionError(f"{len(ours[0])} pairs, not the {len(expected[0])} of prefilter_reference")
    seconds = seconds_of_a_tile(name, big)
    rate = 2.0 * big.shape[0] ** 2 * big.shape[1] / seconds / 1e12
    return (
        "tile",
        f"{name}, {len(big):,} x {len(big):,} x {big.shape[1]}",
        f"{seconds * 1e3:.2f} ms",
        f"{rate:.0f} TFLOP/s",
    )


def seconds_of_a_tile(name: str, vectors: Any) -> float:
    """Median seconds of a whole tile of `vectors` against themselves, by the device's clock, with what `rescore` takes."""
    import cupy as cp

    from fastsim.similarity import cuda
    from fastsim.similarity.cpu import NOTHING, Tile

    n = len(vectors)
    launcher = cuda.CudaLauncher(0, np.concatenate([vectors, vectors]), THRES, panel=2 * n, kernel=name)
    tile, taken = Tile(0, n, n, 2 * n), []
    for _ in range(REPEATS):
        begin, end = cp.cuda.Event(), cp.cuda.Event()
        begin.record(launcher.stream)
        ticket = launcher.launch(tile, NOTHING, NOTHING)
        end.record(launcher.stream)
        ticket.result()
        end.synchronize()
        taken.append(cp.cuda.get_elapsed_time(begin, end) / 1e3)
    return statistics.median(taken[1:])  # the first brings the rows to the device
