"""Hold the CUDA kernels as sources, and the versions of the one that finds pairs. None has run on a GPU yet.

`prefilter_simple.cu`, `prefilter_strips.cu` and `prefilter_hopper.cu` compute the same; pairs.cu has their plain reference and
shared code, ptx*.cu the instructions for which CUDA C++ has no name. tests/emulator runs all of them on a CPU.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fastsim.errors import UsageError

DEFAULT = "simple"
"""The version that runs unless VARIABLE names another: the safest one, until a faster one has been verified on a GPU.
"""
VARIABLE = "FASTSIM_CUDA_KERNEL"
"""Environment variable that selects a version, for trying them on a GPU."""
SLAB = 32
"""Rows are padded with zeros to a multiple of this many values."""
UPPER, OFF_DIAGONAL = 1, 2
"""Which pairs of a tile count, as in pairs.cu: row < col, or row != col; 0: all."""
HOPPER_BOX_ROWS = (64, 256)
"""Rows that one copy of prefilter_hopper.cu brings, of the left and of the right operand (ROWS and COLS there)."""
_FOLDER = Path(__file__).parent


class Kernel(NamedTuple):
    """A version of `prefilter`. Its grid is (columns of a tile / columns, rows of a tile / rows), rounded up."""

    name: str
    sources: tuple[str, ...]
    rows: int
    columns: int
    threads: int
    shared_bytes: int
    """Bytes of dynamic shared memory."""
    arch: str = ""
    """The only architecture on which it runs, such as sm_90a; empty: sm_80 and newer."""
    most_d: int = 1 << 30
    """Widest rows that it takes."""
    tensor_maps: bool = False
    """Whether it takes tensor maps in place of the rows' addresses."""
    define: str = ""
    """A macro with which its source is compiled."""

    @property
    def code(self) -> str:
        """Return its source, with that of `prefilter_reference`, `norms` and `rescore`."""
        return (f"#define {self.define}\n" if self.define else "") + source(*self.sources)

    def grid(self, columns: int, rows: int) -> tuple[int, int]:
        """Return the blocks for a tile."""
        return -(-columns // self.columns), -(-rows // self.rows)


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel("simple", ("ptx.cu", "pairs.cu", "prefilter_simple.cu"), 128, 128, 256, 2 * 3 * 128 * (32 + 8) * 2),
        Kernel("strips", ("ptx.cu", "pairs.cu", "prefilter_strips.cu"), 128, 8 * 256, 256, 4 * (128 + 256) * (32 + 8) * 2),
        Kernel(
            "strips3", ("ptx.cu", "pairs.cu", "prefilter_strips.cu"), 128, 8 * 256, 256, 3 * (128 + 256) * (32 + 8) * 2,
            define="STAGES_THAT_FIT 3",
        ),
        Kernel(
            "hopper", ("ptx.cu", "ptx_hopper.cu", "pairs.cu", "prefilter_hopper.cu"), 64 * 64, 256, 384,
            1024 + 2 * (4 * 256 * 64 + 8 * 64 * 64) + 8 * (1 + 2 * 8), arch="sm_90a", most_d=256, tensor_maps=True,
        ),
    )
}  # fmt: skip


def source(*names: str) -> str:
    """Return the text of some files of this folder, one after the other."""
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


class Limits(NamedTuple):
    """Limits of a device: its compute capability ("90"), and the bytes of shared memory of a block."""

    capability: str
    shared_bytes: int


def chosen(device: Limits, d: int, environment: Mapping[str, str] = os.environ) -> Kernel:
    """Return the version for a device and rows of d values.

    Raises UsageError if VARIABLE names a version that does not exist, or that the device or d excludes.
    """
    name = environment.get(VARIABLE, "") or DEFAULT
    kernel = KERNELS.get(name)
    if kernel is None:
        raise UsageError(f"{VARIABLE} must be one of {', '.join(KERNELS)} (got {name!r})")
    if kernel.arch and kernel.arch != f"sm_{device.capability}a":
        raise UsageError(
            f"{VARIABLE}={name} needs a GPU of {kernel.arch} (this one has sm_{device.capability}); unset it"
        )
    if kernel.shared_bytes > device.shared_bytes:
        needed, here = kernel.shared_bytes // 1024, device.shared_bytes // 1024
        raise UsageError(
            f"{VARIABLE}={name} needs {needed} KB of shared memory a block (this GPU has {here}); unset it"
        )
    if d > kernel.most_d:
        raise UsageError(f"{VARIABLE}={name} takes vectors of up to {kernel.most_d} values (these have {d}); unset it")
    return kernel
