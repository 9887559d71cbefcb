"""Make tensor maps for TMA, by which a kernel for sm_90a finds boxes of a matrix. Not yet run on a GPU."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsim.errors import FastsimError

BOX_BYTES = 128
"""Width of a box: 64 halves, the span of the swizzle."""
_BYTES, _ALIGNMENT = 128, 64
_FLOAT16, _NO_INTERLEAVE, _SWIZZLE_128B, _L2_256B, _ZEROS = 6, 0, 3, 3, 0  # cuda.h: CUtensorMapDataType and so on


class Matrix(NamedTuple):
    """float16[rows, d] on a device, without gaps."""

    address: int
    rows: int
    d: int


def tensor_map(matrix: Matrix, box_rows: int) -> NDArray[np.uint64]:
    """Return uint64[16], the CUtensorMap of boxes of `box_rows` rows and 64 columns, swizzled by 128 bytes.

    Rows and columns past the end read as zeros. Raises FastsimError if the driver refuses it.
    """
    room = np.zeros(_BYTES + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    made = room[start : start + _BYTES].view(np.uint64)
    sizes = (ctypes.c_uint64 * 2)(matrix.d, matrix.rows)
    strides = (ctypes.c_uint64 * 1)(2 * matrix.d)
    box, steps = (ctypes.c_uint32 * 2)(BOX_BYTES // 2, box_rows), (ctypes.c_uint32 * 2)(1, 1)
    code = _encode()(
        made.ctypes.data_as(ctypes.c_void_p), _FLOAT16, 2, ctypes.c_void_p(matrix.address), sizes, strides, box, steps,
        _NO_INTERLEAVE, _SWIZZLE_128B, _L2_256B, _ZEROS,
    )  # fmt: skip
    if code:
        raise FastsimError(f"--device cuda: cuTensorMapEncodeTiled returned {code} for {matrix}; use --device cpu")
    return made


@cache
def _encode() -> Any:
    """Return the driver's function."""
    try:
        return ctypes.CDLL("libcuda.so.1").cuTensorMapEncodeTiled
    except (OSError, AttributeError) as error:
        raise FastsimError(f"--device cuda: the driver has no tensor maps ({error}); use --device cpu") from None
