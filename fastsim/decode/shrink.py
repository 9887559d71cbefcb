"""Resize images to the network's square, band by band if they are large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastsim.decode.libraries import cv2
from fastsim.records.arrays import Uint8Array

_LARGE = 4 * 2**20
"""Pixels: a larger image is shrunk in bands first, so that no second copy of it is made."""
_BAND = 1 << 20
"""Pixels of a band."""

Array = np.ndarray[Any, Any]
Band = Callable[[int, int], Uint8Array]
"""band(top, bottom) returns uint8[bottom - top, w, c] (or [.., w]) of an image."""


def square(image: Array, size: int) -> Uint8Array:
    """Resize uint8[h, w, c] or [h, w] to [size, size, c]: area averages where a side shrinks, linear where it grows."""
    height, width = image.shape[:2]
    if size < min(width, height) and max(width, height) <= 3.5 * size:
        # Resize to twice the target, then average blocks of 2x2: OpenCV has SIMD for both, and takes a third of the
        # time of area averages over fractions of pixels, with almost the same pixels (bench/stages.py). Most images
        # come here, because JPEGs were scaled down by the decoder.
        image = cv2.resize(image, (2 * size, 2 * size), interpolation=cv2.INTER_LINEAR)
    shrunk = (min(image.shape[1], size), min(image.shape[0], size))
    if shrunk != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
    if shrunk != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    return image


def in_bands(width: int, height: int, size: int, band: Band, make: Callable[[Uint8Array], Array]) -> Array:
    """Return `make(image)`, shrunk by a whole factor if the image is large; computed and shrunk band by band.

    make: from a band to the values to average (premultiplied colours, for example), of the same height and width.
    """
    factor = max(1, min(width, height) // (2 * size)) if width * height > _LARGE else 1
    if factor == 1:
        return make(band(0, height))
    rows = factor * max(1, _BAND // (width * factor))
    across = -(-width // factor)
    parts = []
    for top in range(0, height, rows):
        part = make(band(top, min(top + rows, height)))
        parts.append(cv2.resize(part, (across, -(-len(part) // factor)), interpolation=cv2.INTER_AREA))
    return np.concatenate(parts)
