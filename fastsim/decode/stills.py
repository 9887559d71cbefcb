"""Decode one image, page or frame with Pillow, and handle damage, alpha, depth and colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastsim.decode import backgrounds, colour
from fastsim.decode.damage import checked
from fastsim.decode.picture import UnreadableError, first_line
from fastsim.decode.shrink import in_bands, square
from fastsim.decode.values import to_8_bits
from fastsim.records.arrays import Uint8Array

ALPHA_MODES = frozenset(("RGBA", "LA", "PA", "La", "RGBa"))
_ORIENTATION_TAG = 0x0112
_NO_DATA_TAG = 42113
"""GDAL_NODATA: the value, as text, of pixels that were not measured."""


def load(image: Any) -> str:
    """Decode what is present of `image`, and return what is wrong with it.

    Raises UnreadableError if nothing is present.
    """
    try:
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        if getattr(image, "_im", None) is None:
            raise UnreadableError(f"can't be decoded: {first_line(error)}") from error
        image.tile = []  # what was decoded so far stays
        try:
            image.load()
        except (OSError, SyntaxError, ValueError, EOFError) as again:
            raise UnreadableError(f"can't be decoded: {first_line(error)}") from again
        return first_line(error)
    return ""


def views(image: Any, size: int, damage: str = "") -> list[Uint8Array]:
    """Return RGB uint8[size, size, 3] of a loaded Pillow image, not turned: one, or two if it is transparent.

    damage: what is wrong with it, if anything. Raises UnreadableError if too little of a damaged image is present.
    """
    width, height = image.size
    mode, profile = image.mode, image.info.get("icc_profile")
    if mode.startswith(("I", "F")):
        return of_values(np.asarray(image), size, no_data_of(image))
    if mode in ALPHA_MODES or "transparency" in image.info:
        found = backgrounds.views(width, height, size, lambda top, end: _band(image, top, end, "RGBA"))
        checked(found[-1], damage)
        return [colour.to_srgb(one, "RGB", profile) for one in found]
    kept = mode if mode in ("L", "CMYK", "LAB") and (profile or mode != "L") else "RGB"
    small = in_bands(width, height, size, lambda top, end: _band(image, top, end, kept), np.ascontiguousarray)
    checked(small, damage)
    return [colour.to_srgb(square(small, size), kept, profile)]


def of_values(values: np.ndarray[Any, Any], size: int, no_data: Sequence[float] = ()) -> list[Uint8Array]:
    """Return RGB uint8[size, size, 3] of grey or RGB values [h, w] or [h, w, 3] of any type."""
    small = square(to_8_bits(values, no_data), size)
    return [np.repeat(small[..., None], 3, axis=2) if small.ndim == 2 else small]


def orientation_of(image: Any) -> int:
    """Return the EXIF orientation, 1 to 8: 1 if there is none, it is damaged, or Pillow applies it itself (TIFF).

    Of an AVIF only what its boxes say counts, which Pillow gives as EXIF; the format has no orientation by XMP.
    """
    if image.format == "TIFF":
        return 1
    try:
        if image.format == "AVIF":
            image.info.pop("xmp", None)
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged EXIF must not make the image unreadable
        return 1
    return value if value in range(1, 9) else 1


def oriented(image: Uint8Array, orientation: int) -> Uint8Array:
    """Turn and mirror square pixels by an EXIF orientation: 2-4 flip, 5-8 also exchange the axes."""
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def no_data_of(image: Any) -> tuple[float, ...]:
    """Return the values that a GeoTIFF declares as no data."""
    text = getattr(image, "tag_v2", {}).get(_NO_DATA_TAG)
    try:
        return (float(str(text).strip("\0 ")),)
    except ValueError:
        return ()


def _band(image: Any, top: int, end: int, mode: str) -> Uint8Array:
    part = image if (top, end) == (0, image.height) else image.crop((0, top, image.width, end))
    if "transparency" in image.info:
        part.info["transparency"] = image.info["transparency"]
    return np.asarray(part if part.mode == mode else part.convert(mode))
