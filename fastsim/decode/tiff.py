"""TIFF: all pages, with values of any depth and any number of bands."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastsim.decode import backgrounds, frames, stills
from fastsim.decode.colour import to_srgb
from fastsim.decode.libraries import Image
from fastsim.decode.picture import ChooseSize, Picture, UnreadableError, first_line
from fastsim.decode.shrink import square
from fastsim.decode.values import to_8_bits
from fastsim.records import INTACT_STILL, Content, Uint8Array

_BITS, _PHOTOMETRIC, _SAMPLES, _EXTRA, _OFFSETS, _COUNTS = 258, 262, 277, 338, (273, 324), (279, 325)
_WHITE_IS_ZERO, _RGB, _CMYK = 0, 2, 5
_PLAIN_BITS = (1, 2, 4, 8)


def decode(data: bytes, choose: ChooseSize) -> Picture:
    """Decode what Pillow can open as a TIFF. Raises UnreadableError, and what Pillow raises."""
    header: Any = Image.open(io.BytesIO(data), formats=("TIFF",))
    width, height = header.size
    pages = frames.pages_of(header)
    frames.check_work(width, height, len(pages))
    size = choose(width, height)
    if len(pages) == 1:
        views, damage = _page(data, header, pages[0], size)
        content = Content(len(views), damage=damage) if len(views) > 1 or damage else INTACT_STILL
        return Picture(tuple(views), (width, height), content)
    damages: list[str] = []

    def views_of(number: int) -> list[Uint8Array]:
        views, damage = _page(data, header, number, size)
        damages.extend([f"page {number + 1}: {damage}"] if damage else [])
        return views

    numbers = [pages[k] for k in frames.chosen(len(pages))]
    squares, content = frames.views_of_all(numbers, views_of, -len(pages), "")
    damage = content.damage or next(iter(damages), "")
    return Picture(squares, (width, height), replace(content, damage=damage))


def decode_unknown(data: bytes, choose: ChooseSize) -> Picture:
    """Decode a TIFF that Pillow can't open (many bands, rare types). Raises UnreadableError."""
    import tifffile

    try:
        file: Any
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            pages = [page for page in file.pages if not getattr(page, "is_reduced", False)]
            first: Any = pages[0]
            width, height = int(first.imagewidth), int(first.imagelength)
            size = choose(width, height)
            frames.check_work(width, height, len(pages))

            def views_of(number: int) -> list[Uint8Array]:
                return _by_tifffile(pages[number], size)

            if len(pages) == 1:
                views = views_of(0)
                return Picture(tuple(views), (width, height), Content(len(views)))
            squares, content = frames.views_of_all(frames.chosen(len(pages)), views_of, -len(pages), "")
            return Picture(squares, (width, height), content)
    except (tifffile.TiffFileError, ValueError, KeyError, IndexError, TypeError, OSError) as error:
        raise UnreadableError(f"can't be decoded: {first_line(error)}") from error


def _page(data: bytes, header: Any, number: int, size: int) -> tuple[list[Uint8Array], str]:
    """(views, damage) of one page."""
    header.seek(number)
    bits = header.tag_v2.get(_BITS, (1,))
    samples = int(header.tag_v2.get(_SAMPLES, 1))
    if samples > 1 and any(bit not in _PLAIN_BITS for bit in bits):
        return _deep_page(data, number, size), ""
    damage = "" if _strips_are_there(header, len(data)) else "picture data is missing"
    try:
        damage = stills.load(header) or damage
    except UnreadableError:
        if damage:
            raise
        return _deep_page(data, number, size), ""
    return stills.views(header, size, damage), damage


def _strips_are_there(header: Any, count: int) -> bool:
    for offsets, counts in zip(_OFFSETS, _COUNTS, strict=True):
        starts, lengths = header.tag_v2.get(offsets, ()), header.tag_v2.get(counts, ())
        if any(start + length > count for start, length in zip(_many(starts), _many(lengths), strict=False)):
            return False
    return True


def _many(value: Any) -> Sequence[int]:
    return value if isinstance(value, tuple) else (value,)


def _deep_page(data: bytes, number: int, size: int) -> list[Uint8Array]:
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return _by_tifffile(file.pages[number], size)
    except (tifffile.TiffFileError, KeyError, TypeError) as error:
        raise UnreadableError(f"can't be decoded: {first_line(error)}") from error


def _by_tifffile(page: Any, size: int) -> list[Uint8Array]:
    """Views of a page with many bits or bands: grey, the first three bands, or CMYK; alpha where it is declared."""
    values: np.ndarray[Any, Any] = page.asarray()
    if values.ndim == 3 and int(page.planarconfig) == 2:
        values = np.moveaxis(values, 0, -1)
    while values.ndim > 3:  # volumes: their middle is what is shown
        values = values[len(values) // 2]
    mark = getattr(page, "nodata", None)
    no_data = (float(mark),) if isinstance(mark, int | float) and mark else ()
    photometric, bands = int(page.photometric), 1 if values.ndim == 2 else values.shape[2]
    profile = page.iccprofile if isinstance(getattr(page, "iccprofile", None), bytes) else None
    if photometric == _CMYK and bands >= 4:
        return [to_srgb(square(to_8_bits(values[..., :4]), size), "CMYK", profile)]
    if bands >= 4 and tuple(int(extra) for extra in page.extrasamples) in ((1,), (2,)) and photometric == _RGB:
        rgba = np.concatenate([to_8_bits(values[..., :3]), to_8_bits(values[..., 3:4])], axis=2)
        return backgrounds.views(rgba.shape[1], rgba.shape[0], size, lambda top, end: rgba[top:end])
    shown = values if values.ndim == 2 else values[..., :3] if bands >= 3 else values[..., 0]
    views = stills.of_values(shown, size, no_data)
    if photometric == _WHITE_IS_ZERO and shown.ndim == 2:
        return [255 - one for one in views]
    return [to_srgb(one, "RGB", profile) for one in views]
