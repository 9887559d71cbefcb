"""An image as a person looks at it: with its own aspect ratio, on a checkerboard where it is transparent."""

from __future__ import annotations

import numpy as np

from fastsim.decode.decoder import decode_file
from fastsim.decode.jpeg import encode
from fastsim.decode.libraries import cv2
from fastsim.decode.picture import Picture
from fastsim.records.arrays import Uint8Array

_SQUARE = 8
"""Pixels of a square of the checkerboard."""
_LIGHT, _DARK = 255.0, 214.0


def preview(path: str, longest: int) -> Uint8Array:
    """Decode the first view of a file to RGB uint8[h, w, 3] with a long side of at most `longest` pixels.

    EXIF orientation and colour profiles are applied; 16 bits are scaled to 8. Raises UnreadableError.
    """
    picture = decode_file(path, lambda width, height: max(1, min(longest, max(width, height))))
    width, height = picture.size
    factor = min(1.0, longest / max(width, height))
    shape = (max(1, round(width * factor)), max(1, round(height * factor)))
    squares = [np.asarray(cv2.resize(one, shape, interpolation=cv2.INTER_AREA)) for one in _first_frame(picture)]
    return squares[0] if len(squares) == 1 else _on_checkerboard(squares[0], squares[1])


def preview_jpeg(path: str, longest: int, quality: int = 82) -> bytes:
    """Return `preview` as a JPEG file. Raises UnreadableError."""
    return encode(preview(path, longest), quality)


def _first_frame(picture: Picture) -> list[Uint8Array]:
    """Return the first frame, and the same frame on another background where it is transparent."""
    frames = max(1, picture.content.frames)
    squares = picture.squares
    return [squares[0]] if len(squares) <= frames else [squares[0], squares[frames]]


def _on_checkerboard(one: Uint8Array, other: Uint8Array) -> Uint8Array:
    """Compose an image that is given on black and on white, in either order, with a checkerboard."""
    black, white = (one, other) if int(one.sum(dtype=np.int64)) <= int(other.sum(dtype=np.int64)) else (other, one)
    clear = (white.astype(np.float32) - black.astype(np.float32)).max(axis=2, keepdims=True) / 255.0
    rows, columns = np.indices(black.shape[:2]) // _SQUARE
    board = np.where((rows + columns) % 2 == 0, _LIGHT, _DARK)[..., None]
    composed: Uint8Array = np.clip(black + clear * board + 0.5, 0, 255).astype(np.uint8)
    return composed
