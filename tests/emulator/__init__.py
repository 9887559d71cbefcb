"""The CUDA kernels on a CPU: their sources as C++, each CUDA thread a fibre (device.hpp).

What it shows, and what it can't, stands at the top of device.hpp. Not emulated: the PTX texts in kernels/ptx*.cu, for which
ptx*.hpp has functions of the same names (nvcc checks their syntax), proxy fences, and NVIDIA's own form of tensor maps.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import numpy as np
import pytest

from fastsim.similarity import kernels

HERE = Path(__file__).parent
LATE, EARLY = 0, 1
"""When asynchronous copies and multiplications are done: when somebody waits for them, or at once."""


class Operands(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("a", "b", "norm_a", "norm_b", "label_a", "label_b", "low_a")),
        *((name, ctypes.c_int) for name in ("na", "nb", "d", "upper")),
        ("low", ctypes.c_float),
    )


class Output(ctypes.Structure):
    _fields_ = (*((name, ctypes.c_void_p) for name in ("count", "left", "right")), ("room", ctypes.c_uint))


class Shape(ctypes.Structure):
    _fields_ = (*((name, ctypes.c_int) for name in ("rows", "columns", "threads")), ("shared_bytes", ctypes.c_long))


class Rows(NamedTuple):
    """float16 rows as the kernels take them: padded, with norms, and labels or None."""

    bits: np.ndarray  # uint16[n, d], d a multiple of kernels.SLAB
    norms: np.ndarray  # float32[n]
    labels: np.ndarray | None = None  # int32[n]
    lows: np.ndarray | None = None  # float32[n]: the least that counts for each row


class Found(NamedTuple):
    """What a kernel wrote; `count` may be more than there was room for."""

    count: int
    left: np.ndarray
    right: np.ndarray


class Emulator:
    """One version of the kernels. Calls raise AssertionError for what the emulator ends: a deadlock, a wrong address."""

    def __init__(self, kernel: kernels.Kernel, library: ctypes.CDLL) -> None:
        self.kernel, self._library = kernel, library

    def _run(self, function: str, *arguments: object) -> None:
        getattr(self._library, function)(*arguments)
        assert not (failure := self._library.last_failure()), failure.decode()

    def rows(self, vectors: np.ndarray, labels: np.ndarray | None = None) -> Rows:
        n, d = vectors.shape
        wide = np.zeros((n, -(-d // kernels.SLAB) * kernels.SLAB), np.float16)
        wide[:, :d] = vectors
        norms = np.empty(n, np.float32)
        self._run("run_norms", _at(wide), n, wide.shape[1], _at(norms))
        return Rows(wide.view(np.uint16), norms, None if labels is None else np.ascontiguousarray(labels, np.int32))

    def prefilter(
        self, a: Rows, b: Rows, low: float, *, upper: int = 0, room: int = 1 << 20, when: int = LATE
    ) -> Found:
        """Return the pairs of rows that may reach `low`."""
        shape = Shape(self.kernel.rows, self.kernel.columns, self.kernel.threads, self.kernel.shared_bytes)
        found, output = _output(room)
        self._run("run_prefilter", _operands(a, b, low, upper), output, shape, when)
        return Found(int(found.count[0]), found.left, found.right)  # type: ignore[index]

    def prefilter_reference(self, a: Rows, b: Rows, low: float, *, upper: int = 0, room: int = 1 << 20) -> Found:
        found, output = _output(room)
        self._run("run_prefilter_reference", _operands(a, b, low, upper), output)
        return Found(int(found.count[0]), found.left, found.right)  # type: ignore[index]

    def rescore(self, a: Rows, b: Rows, found: Found) -> np.ndarray:
        """float32 scores of the pairs that were found."""
        count, score = np.array([found.count], np.uint32), np.full(len(found.left), np.nan, np.float32)
        output = Output(_at(count), _at(found.left), _at(found.right), len(found.left))
        self._run("run_rescore", _operands(a, b, 0, 0), output, _at(score))
        return score[: found.count]


@cache
def emulator(name: str, change: tuple[str, str] | None = None) -> Emulator:
    """Return a version of the kernels, compiled.

    With `change`, a text in its source is replaced by another first. Skips the test if there is no compiler.
    """
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    if not Path("/usr/include/ucontext.h").exists():
        pytest.skip("needs ucontext.h (Linux)")
    kernel = kernels.KERNELS[name]
    folder = Path(mkdtemp(prefix="fastsim-emulator-"))
    headers = ["device.hpp"] + [f"{Path(part).stem}.hpp" for part in kernel.sources if part.startswith("ptx")]
    rest = [part for part in kernel.sources if not part.startswith("ptx")]
    kernel_code = kernels.source(*rest)
    if change:
        assert kernel_code.count(change[0]) == 1, change
        kernel_code = kernel_code.replace(*change)
    text = "\n".join([*((HERE / header).read_text() for header in headers), kernel_code])
    code = folder / f"{name}.cpp"
    code.write_text(text + (HERE / "driver.hpp").read_text())
    options = ["-std=c++17", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-fvisibility=default", "-w"]
    options += [f"-D{kernel.define.replace(' ', '=')}"] if kernel.define else []
    options += ["-DHOPPER"] if kernel.tensor_maps else []
    command = [*compiler.split(), *options, "-o", str(folder / f"{name}.so"), str(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    library = ctypes.CDLL(str(folder / f"{name}.so"))
    shutil.rmtree(folder)
    library.last_failure.restype = ctypes.c_char_p
    library.run_prefilter.argtypes = [Operands, Output, Shape, ctypes.c_int]
    library.run_prefilter_reference.argtypes = [Operands, Output]
    library.run_rescore.argtypes = [Operands, Output, ctypes.c_void_p]
    library.run_norms.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    return Emulator(kernel, library)


def _at(array: np.ndarray | None) -> int | None:
    return None if array is None else array.ctypes.data


def _operands(a: Rows, b: Rows, low: float, upper: int) -> Operands:
    arrays = (a.bits, b.bits, a.norms, b.norms, a.labels, b.labels, a.lows)
    return Operands(*map(_at, arrays), len(a.bits), len(b.bits), a.bits.shape[1], int(upper), low)


def _output(room: int) -> tuple[Found, Output]:
    count, left, right = np.zeros(1, np.uint32), np.full(room, -7, np.int32), np.full(room, -7, np.int32)
    return Found(count, left, right), Output(_at(count), _at(left), _at(right), room)  # type: ignore[arg-type]
