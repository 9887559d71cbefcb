"""Local features of a picture: oriented corners with binary descriptors (ORB; Rublee et al. 2011), and of its mirror image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsim.records import Float32Array, Uint8Array
from fastsim.verification.opencv import cv2

SIDE = 256
"""Long side of a thumbnail in pixels."""
COUNT = 400
"""Features of a picture, at most."""
_LEVELS = 6
_STEP = 1.25
"""Levels of the pyramid, and the factor between them: features are found over a range of scales of 1 : 3."""
_FAST = 7
"""Contrast that a corner needs: low, as copies may be dark or pale."""
_EDGE = 12
"""Pixels along the border without features."""
_UNIT = 64.0
"""Steps of a pixel or degree that keypoints are stored in."""
RECIPE = f"orb {SIDE} {COUNT} {_LEVELS} {_STEP} {_FAST} {_EDGE} {_UNIT}"
"""What stored features depend on, besides the picture and the version of OpenCV."""


@dataclass(frozen=True, slots=True)
class Features:
    """places: uint16[k, 4], x, y, angle in degrees and size in pixels, in steps of 1 / 64; plain, mirrored: uint8[k, 32],
    the descriptors of the picture and of its mirror image (left and right exchanged) at these places; width: of the
    thumbnail in pixels."""

    places: NDArray[np.uint16]
    plain: Uint8Array
    mirrored: Uint8Array
    width: int

    def __len__(self) -> int:
        return len(self.places)

    def keypoints(self) -> Float32Array:
        """float32[k, 4]: x, y, angle in degrees, size in pixels."""
        return self.places.astype(np.float32) / np.float32(_UNIT)

    def mirrored_keypoints(self) -> Float32Array:
        """The keypoints in the mirror image."""
        points = self.keypoints()
        points[:, 0] = self.width - 1 - points[:, 0]
        points[:, 2] = (540.0 - points[:, 2]) % 360.0
        return points


def no_features(width: int = 0) -> Features:
    """The features of an even picture."""
    return Features(np.empty((0, 4), np.uint16), np.empty((0, 32), np.uint8), np.empty((0, 32), np.uint8), width)


def thumbnail(grey: Uint8Array) -> Uint8Array:
    """Scale a picture uint8[h, w] to a long side of SIDE: area averages where it shrinks, cubic where it grows."""
    height, width = grey.shape
    factor = SIDE / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if size == (width, height):
        return grey
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def extract(thumb: Uint8Array) -> Features:
    """Return the features of a thumbnail uint8[h, w]."""
    width = thumb.shape[1]
    orb = cv2.ORB.create(COUNT, _STEP, _LEVELS, edgeThreshold=_EDGE, fastThreshold=_FAST)
    found, plain = orb.detectAndCompute(thumb, None)
    if plain is None:
        return no_features(width)
    places = np.array([(*point.pt, point.angle, point.size) for point in found])
    for number, point in enumerate(found):
        point.pt = (width - 1 - point.pt[0], point.pt[1])
        point.angle = (540.0 - point.angle) % 360.0
        point.class_id = number
    kept, mirrored = orb.compute(cv2.flip(thumb, 1), found)
    if mirrored is None:
        return no_features(width)
    which = np.array([point.class_id for point in kept])
    steps = np.clip(np.rint(places[which] * _UNIT), 0, 65535).astype(np.uint16)
    return Features(steps, np.ascontiguousarray(plain[which]), mirrored, width)
