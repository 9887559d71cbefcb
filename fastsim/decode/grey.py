"""Decode images in grey with their own aspect ratio, for comparing pixels."""

from __future__ import annotations

import numpy as np

from fastsim.decode.decoder import decode_file
from fastsim.decode.libraries import cv2
from fastsim.decode.picture import UnreadableError
from fastsim.records import Uint8Array


def decode_grey(path: str, longest: int) -> Uint8Array | None:
    """Decode the first view of a file to uint8[h, w] with a long side of at most `longest` pixels.

    Returns None if the file cannot be read (any more).
    """
    try:
        picture = decode_file(path, lambda width, height: max(1, min(longest, max(width, height))))
    except UnreadableError:
        return None
    width, height = picture.size
    factor = min(1.0, longest / max(width, height))
    shape = (max(1, round(width * factor)), max(1, round(height * factor)))
    grey = cv2.cvtColor(picture.squares[0], cv2.COLOR_RGB2GRAY)
    # the decoder has squeezed it to a square
    return cv2.resize(grey, shape, interpolation=cv2.INTER_AREA) if shape != grey.shape[::-1] else grey


def same_pixels(path: str, other: str) -> bool:
    """Return whether two files show the same pixels in full resolution and colour, in all frames that are compared."""
    try:
        left, right = (
            decode_file(name, lambda width, height: min(max(width, height), LARGEST)) for name in (path, other)
        )
    except UnreadableError:
        return False
    if left.size != right.size or max(left.size) > LARGEST or len(left.squares) != len(right.squares):
        return False
    return all(np.array_equal(a, b) for a, b in zip(left.squares, right.squares, strict=True))


LARGEST = 8192
"""Longest side in pixels of images that are compared pixel by pixel; larger ones do not count as equal."""
