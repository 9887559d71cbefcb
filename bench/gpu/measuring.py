"""What the parts share: sizes, a clock that runs out, medians, the GPU's busy share, versions."""

from __future__ import annotations

import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

DEVICE = "cuda:0"
PACKAGES = (
    "fastsim-dedup", "cupy-cuda13x", "cupy-cuda12x", "onnxruntime-gpu", "nvidia-dali-cuda130", "nvidia-dali-cuda120", "onnx",
    "torch", "torchvision", "nvidia-ml-py", "numpy", "opencv-python-headless", "av",
)  # fmt: skip
Row = tuple[object, object, object, object]
"""What, how, result, note."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. `SMALL` tries the commands out; its figures mean nothing."""

    rows: tuple[int, ...] = (100_000, 1_000_000)
    valid_rows: int = 20_000
    tile: int = 4096
    """Rows and columns of an oracle's tile."""
    tiles: int = 24
    tile_side: int = 32768
    """Rows and columns of the tile that each version of the kernel is timed on."""
    sides: tuple[int, ...] = (128, 224)
    """Sides of the network's input: fastsim's default, and that of most rivals."""
    side: int = 128
    """Side of the pictures that are decoded."""
    batch: int = 256
    batches: int = 40
    files: int = 20_000
    cpu_files: int = 4000
    frames: int = 600
    frame: tuple[int, int] = (1920, 1080)
    repeats: int = 3


SMALL = Sizes(
    rows=(1000,), valid_rows=800, tile=256, tiles=6, tile_side=256, sides=(64,), side=64, batch=4, batches=2,
    files=30, cpu_files=10, frames=40,
    frame=(160, 120), repeats=1,
)  # fmt: skip


@dataclass(slots=True)
class Clock:
    """Seconds that are left for all parts together."""

    seconds: float = 450.0
    _start: float = field(default_factory=time.perf_counter)

    def left(self) -> float:
        return self.seconds - (time.perf_counter() - self._start)


class Quiet:
    """A bar that shows nothing."""

    def advance(self, n: int = 1) -> None: ...


def timed(work: Callable[[], Any], repeats: int = 3) -> float:
    """Median wall seconds after one warm-up; `work` waits for the device itself."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


class Busy:
    """Samples the share of time in which the GPU ran a kernel, by NVML or nvidia-smi, while the block runs."""

    def __init__(self, index: int = 0) -> None:
        self._index, self._samples, self._stop = index, list[float](), threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Busy:
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(timeout=5)

    def __str__(self) -> str:
        share = steady(self._samples)
        return "GPU busy: not measured" if share is None else f"GPU busy {share:.0f} % in steady state"

    def _sample(self) -> None:
        with suppress(Exception):  # neither way is there: the share is told as not measured
            try:
                import pynvml
            except ImportError:
                self._by_program()
            else:
                self._by_library(pynvml)

    def _by_library(self, nvml: Any) -> None:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByIndex(self._index)
        while not self._stop.wait(0.05):
            self._samples.append(float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))

    def _by_program(self) -> None:
        command = ["nvidia-smi", "-i", str(self._index), "--query-gpu=utilization.gpu"]
        command += ["--format=csv,noheader,nounits", "-lms", "100"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as self._process:
            assert self._process.stdout is not None
            for line in self._process.stdout:  # ends when the program is terminated
                self._samples.append(float(line))


def steady(samples: list[float]) -> float | None:
    """Return the mean without the first and the last fifth, where the work begins and ends; None for too few."""
    if len(samples) < 5:
        return None
    cut = len(samples) // 5
    return statistics.fmean(samples[cut : len(samples) - cut])


def versions() -> dict[str, str]:
    """Of the packages that matter here."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
