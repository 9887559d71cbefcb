"""Extract local features of an image and of its mirror image: oriented blobs with binary descriptors.

csrc/features.c does the work. Blobs are maxima of the determinant of the Hessian over a pyramid (Lindeberg 1998; Bay et al.
2008), oriented by the centroid of brightness and described by comparisons of smoothed pixels, as in BRIEF and ORB (Calonder et
al. 2010; Rublee et al. 2011). The comparisons come in pairs that mirror each other about the orientation, so the descriptor of
the mirror image is that of the image with the bits of each pair exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fastsim import _core
from fastsim.records.arrays import Float32Array, Uint8Array
from fastsim.verification.opencv import cv2

SIDE = 256
"""Long side of a thumbnail in pixels."""
COUNT = 400
"""Most features of an image."""
_UNIT = 64.0
"""Keypoints are stored in steps of 1 / 64 of a pixel or degree."""
_TURNS, _TESTS = 32, 256
_SPREAD, _REACH = 6.2, 14.0
"""Standard deviation of the points of the pattern in pixels, and the farthest one."""
_FEATURE = np.dtype([("place", np.uint16, 4), ("descriptor", np.uint8, _TESTS // 8)])
"""`struct feature` of csrc/features.h."""


def _pattern() -> NDArray[np.int8]:
    """Return int8[turns, tests, 4], the points (x, y) of each test, turned with the orientation.

    Tests 2 i and 2 i + 1 mirror each other about the orientation.
    """
    draw = np.random.RandomState(1)  # its numbers are the same in every version of NumPy
    tests: list[list[tuple[int, int]]] = []
    while len(tests) < _TESTS // 2:
        a, b = np.rint(draw.normal(0, _SPREAD, (2, 2))).astype(np.int64).tolist()
        inside = np.hypot(*a) <= _REACH and np.hypot(*b) <= _REACH
        if inside and np.hypot(a[0] - b[0], a[1] - b[1]) >= 2 and (a[1], b[1]) != (0, 0):
            tests.append([tuple(a), tuple(b)])
    plain = np.array(tests, np.float64)
    both = np.stack([plain, plain * [1, -1]], axis=1).reshape(_TESTS, 2, 2)
    angle = np.arange(_TURNS) * (2 * np.pi / _TURNS)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(-1, 2, 2)
    turned = np.einsum("tij,kpj->tkpi", turn, both)
    # halves are rounded away from 0 on either side, so that mirrored points still mirror each other
    rounded = np.sign(turned) * np.floor(np.abs(turned) + 0.5 + 1e-9)
    return np.ascontiguousarray(rounded.reshape(_TURNS, _TESTS, 4), np.int8)


PATTERN = _pattern()
RECIPE = f"blobs 1 {SIDE} {COUNT} {_UNIT} {crc32(PATTERN.tobytes()):08x}"
"""What stored features depend on, besides the image."""


@dataclass(frozen=True, slots=True)
class Features:
    """The features of an image.

    places: uint16[k, 4], x, y, angle in degrees and size in pixels, in steps of 1 / 64; descriptors: uint8[k, 32];
    width: of the thumbnail in pixels.
    """

    places: NDArray[np.uint16]
    descriptors: Uint8Array
    width: int

    def __len__(self) -> int:
        return len(self.places)

    def keypoints(self) -> Float32Array:
        """Return float32[k, 4]: x, y, angle in degrees, size in pixels."""
        return self.places.astype(np.float32) / np.float32(_UNIT)

    def mirrored_keypoints(self) -> Float32Array:
        """Return the keypoints in the mirror image (left and right exchanged)."""
        points = self.keypoints()
        points[:, 0] = self.width - 1 - points[:, 0]
        points[:, 2] = (540.0 - points[:, 2]) % 360.0
        return points


def no_features(width: int = 0) -> Features:
    """Return the features of a uniform image."""
    return Features(np.empty((0, 4), np.uint16), np.empty((0, _TESTS // 8), np.uint8), width)


def mirrored(descriptors: Uint8Array) -> Uint8Array:
    """Return the descriptors uint8[k, 32] of the mirror image."""
    return ((descriptors & np.uint8(0x55)) << np.uint8(1)) | ((descriptors >> np.uint8(1)) & np.uint8(0x55))


def thumbnail(grey: Uint8Array) -> Uint8Array:
    """Scale an image uint8[h, w] to a long side of SIDE: area averages where it shrinks, cubic where it grows."""
    height, width = grey.shape
    factor = SIDE / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if size == (width, height):
        return grey
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def extract(thumb: Uint8Array) -> Features:
    """Return the features of a thumbnail uint8[h, w]."""
    height, width = thumb.shape
    found = np.empty(COUNT, _FEATURE)
    found = found[: _core.features(np.ascontiguousarray(thumb), (width, height), PATTERN, found)]
    return Features(np.ascontiguousarray(found["place"]), np.ascontiguousarray(found["descriptor"]), width)
