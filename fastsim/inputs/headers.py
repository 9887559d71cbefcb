"""Read headers of encoded images in the C core: many at a time, without the GIL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastsim import _core
from fastsim.records.arrays import Int64Array, Uint8Array

JPEG, PNG = 1, 2
"""Kinds. 0 is everything else, and what only a full decoder can judge (damage, unusual EXIF)."""
PROGRESSIVE, ENDS, ALPHA, ANIMATED = 1, 2, 4, 8
"""Flags; ENDS: the end marker is near the end of the file."""


class Header(NamedTuple):
    """The header of an image.

    width, height: as stored, before `orientation` (EXIF, 1 to 8); channels: 1 for a palette.
    """

    kind: int
    width: int
    height: int
    channels: int
    bits: int
    orientation: int
    flags: int

    @property
    def shown(self) -> tuple[int, int]:
        """Return width and height as a viewer shows the image."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_headers(data: Uint8Array, start: Int64Array) -> list[Header]:
    """Return the headers of files that lie one after the other: file k is data[start[k] : start[k + 1]]."""
    out = np.empty((len(start) - 1, len(Header._fields)), np.int32)
    _core.headers(data, start, out)
    return [Header(*row) for row in out.tolist()]


def read_header(data: bytes | Uint8Array) -> Header:
    """Return the header of one file."""
    return read_headers(np.frombuffer(data, np.uint8), np.array([0, len(data)], np.int64))[0]


def offsets(sizes: Sequence[int]) -> Int64Array:
    """Return where files of these sizes begin, one after the other, and the end of the last: int64[n + 1]."""
    start = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=start[1:])
    return start
