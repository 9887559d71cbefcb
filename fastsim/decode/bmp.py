"""Decode BMP files with bit fields of any layout, which neither Pillow nor OpenCV reads."""

from __future__ import annotations

import struct

import numpy as np

from fastsim.decode.picture import UnreadableError
from fastsim.records.arrays import Uint8Array

_FIELDS = (3, 6)
"""Values of `compression`: three masks, or four."""
_WITH_ALPHA = 56
"""Bytes of the smallest header that holds a mask of alpha."""


def size_of(head: bytes) -> tuple[int, int]:
    """Return width and height from the header."""
    if struct.unpack_from("<I", head, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", head, 18)
    else:
        width, height = struct.unpack_from("<ii", head, 18)
    return abs(int(width)), abs(int(height))


def decode_fields(data: bytes) -> Uint8Array | None:
    """Return RGB uint8[h, w, 3] or RGBA uint8[h, w, 4], or None if the file is not a BMP with bit fields.

    Raises UnreadableError if pixels are missing.
    """
    if len(data) < 70 or data[:2] != b"BM":
        return None
    start, header, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
    if header < 40 or compression not in _FIELDS or bits not in (16, 32) or width <= 0 or height == 0:
        return None
    masks = struct.unpack_from("<IIII", data, 54)
    has_alpha = (header >= _WITH_ALPHA or compression == _FIELDS[1]) and masks[3] != 0
    line = -(-width * bits // 32) * 4
    need = line * abs(height)
    if len(data) - start < need:
        raise UnreadableError("damaged: image data is missing")
    lines = np.frombuffer(data, np.uint8, need, start).reshape(abs(height), line)
    values = np.ascontiguousarray(lines[:, : width * bits // 8]).view(f"<u{bits // 8}").astype(np.uint32)
    pixels = np.stack([_field(values, mask) for mask in masks[: 4 if has_alpha else 3]], axis=2)
    return np.ascontiguousarray(pixels[::-1] if height > 0 else pixels)


def _field(values: np.ndarray[tuple[int, ...], np.dtype[np.uint32]], mask: int) -> Uint8Array:
    if mask == 0:
        return np.zeros(values.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    full = mask >> shift
    return (((values & mask) >> shift).astype(np.float32) * (255.0 / full) + 0.5).astype(np.uint8)
