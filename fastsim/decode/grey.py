"""Decode images in grey with their own aspect ratio, for comparing pixels."""

from __future__ import annotations

import numpy as np

from fastsim.decode import jpeg, stills
from fastsim.decode.decoder import AT_ONCE, decode_file, opened
from fastsim.decode.libraries import MAX_PIXELS, cv2
from fastsim.decode.memory import BUDGET
from fastsim.decode.picture import UnreadableError
from fastsim.inputs.headers import JPEG, PROGRESSIVE, read_header
from fastsim.records.arrays import Uint8Array

_JPEG = b"\xff\xd8\xff"
_ENOUGH, _SMALL = 0.9, 512
"""Share of the wanted size, up to _SMALL, at which a JPEG scaled down by the decoder is enlarged, not decoded in full."""


def decode_grey(path: str, longest: int) -> Uint8Array | None:
    """Decode the first view of a file to uint8[h, w] with a long side of at most `longest` pixels.

    JPEGs are decoded to grey directly and scaled down on the way. Returns None if the file cannot be read (any more).
    """
    try:
        grey = _of_jpeg(path, longest)
        return _of_any(path, longest) if grey is None else grey
    except UnreadableError:
        return None


def _of_jpeg(path: str, longest: int) -> Uint8Array | None:
    """Return None for other files, and for JPEGs that libjpeg-turbo complains about or does not decode to grey."""
    try:
        with opened(path) as file:
            head = file.read(len(_JPEG))
            data = head + file.read(AT_ONCE) if head == _JPEG else b""
        if not data or len(data) > AT_ONCE:
            return None
        header = read_header(data)
        width, height = header.width, header.height
        if header.kind != JPEG or header.channels not in (1, 3) or width * height > MAX_PIXELS:
            return None
        factor = min(1.0, longest / max(width, height))
        shape = max(1, round(width * factor)), max(1, round(height * factor))
        enough = longest * (_ENOUGH if longest <= _SMALL else 1.0)
        scale = next((scale for scale in (8, 4, 2) if max(width, height) >= scale * enough), 1)
        with BUDGET.take(width * height * (7 if header.flags & PROGRESSIVE else 1)):
            grey = jpeg.decode_grey(data, (-(-height // scale), -(-width // scale)))
        return stills.oriented(_to(grey, shape)[..., None], header.orientation)[..., 0]
    except (OSError, ValueError, MemoryError):
        return None  # decode_file says what is wrong


def _of_any(path: str, longest: int) -> Uint8Array:
    picture = decode_file(path, lambda width, height: max(1, min(longest, max(width, height))))
    width, height = picture.size
    factor = min(1.0, longest / max(width, height))
    # the decoder has squeezed it to a square
    grey = cv2.cvtColor(picture.squares[0], cv2.COLOR_RGB2GRAY)
    return _to(grey, (max(1, round(width * factor)), max(1, round(height * factor))))


def _to(grey: Uint8Array, size: tuple[int, int]) -> Uint8Array:
    """Resize uint8[h, w] or [h, w, 1] to `size` (width, height)."""
    height, width = grey.shape[:2]
    grey = grey.reshape(height, width)
    if size == (width, height):
        return grey
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if size[0] <= width else cv2.INTER_LINEAR)


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
