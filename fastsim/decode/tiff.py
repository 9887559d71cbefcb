"""Decode TIFF: all pages, with values of any depth and any number of bands."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastsim.decode import backgrounds, frames, stills
from fastsim.decode.colour import to_srgb
from fastsim.decode.libraries import Image, cv2
from fastsim.decode.picture import ChooseSize, Picture, UnreadableError, first_line
from fastsim.decode.shrink import square
from fastsim.decode.values import to_8_bits
from fastsim.records.arrays import Uint8Array
from fastsim.records.files import INTACT_STILL, Content

_BITS, _COMPRESSION, _SAMPLES, _OFFSETS, _COUNTS = 258, 259, 277, (273, 324), (279, 325)
_PHOTOMETRIC, _PLANES, _EXTRA = 262, 284, 338
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_ASSOCIATED = 1
"""Colours are premultiplied by alpha."""
_PLAIN_BITS = (1, 2, 4, 8)


def decode(data: bytes, choose: ChooseSize) -> Picture:
    """Decode a TIFF that Pillow can open. Raises UnreadableError, and what Pillow raises."""
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
    """Decode a TIFF that Pillow cannot open (many bands, rare types). Raises UnreadableError."""
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
    """Return the views and the damage of one page."""
    header.seek(number)
    bits = header.tag_v2.get(_BITS, (1,))
    samples = int(header.tag_v2.get(_SAMPLES, 1))
    if samples > 1 and any(bit not in _PLAIN_BITS for bit in bits):
        try:
            return _deep_page(data, header, number, size), ""
        except UnreadableError:
            pass  # Pillow reads the upper 8 bits
    damage = "" if _data_is_there(header, len(data)) else "image data is missing"
    try:
        damage = stills.load(header) or damage
    except UnreadableError:
        if damage:
            raise
        return _deep_page(data, header, number, size), ""
    return stills.views(header, size, damage), damage


def _data_is_there(header: Any, count: int) -> bool:
    """Return whether all compressed strips or tiles are inside the file; Pillow checks uncompressed ones."""
    if header.tag_v2.get(_COMPRESSION, 1) == 1:
        return True
    for offsets, counts in zip(_OFFSETS, _COUNTS, strict=True):
        starts, lengths = _many(header.tag_v2.get(offsets, ())), _many(header.tag_v2.get(counts, ()))
        if any(start + length > count for start, length in zip(starts, lengths, strict=False)):
            return False
    return True


def _many(value: Any) -> Sequence[int]:
    return value if isinstance(value, tuple) else (value,)


def _deep_page(data: bytes, header: Any, number: int, size: int) -> list[Uint8Array]:
    """Return the views of a page that Pillow cannot read, or would reduce to 8 bits.

    OpenCV decodes it, which knows more compressions, or tifffile, which knows more kinds of values.
    """
    photometric = header.tag_v2.get(_PHOTOMETRIC)
    together = header.tag_v2.get(_PLANES, 1) == 1  # OpenCV mixes up planes of 16 bits
    if together and photometric in (_BLACK_IS_ZERO, _RGB) and _ASSOCIATED not in _many(header.tag_v2.get(_EXTRA, ())):
        image = opencv_page(data, number)
        if image is not None and image.dtype in (np.uint16, np.float32, np.uint8):
            profile = header.info.get("icc_profile")
            return of_bgr(image, size, profile, stills.no_data_of(header))
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return _by_tifffile(file.pages[number], size)
    except (tifffile.TiffFileError, KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"can't be decoded: {first_line(error)}") from error


def opencv_page(data: bytes, number: int) -> np.ndarray[Any, Any] | None:
    """Decode one page with OpenCV, in its own depth; return None if OpenCV does not know it."""
    try:
        found, pages = cv2.imdecodemulti(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED, range=(number, number + 1)
        )
    except cv2.error:
        return None
    return np.asarray(pages[0]) if found and len(pages) == 1 else None


def of_bgr(
    image: np.ndarray[Any, Any], size: int, profile: bytes | None, no_data: Sequence[float] = ()
) -> list[Uint8Array]:
    """Return the views of grey, BGR or BGRA values of any type, as OpenCV decodes them."""
    if image.ndim == 3 and image.shape[2] == 4:
        alpha = image[..., 3:]
        full = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
        opacity = np.clip(alpha * (255.0 / full) + 0.5, 0, 255).astype(np.uint8)
        bgra = np.concatenate([to_8_bits(image[..., :3], no_data), opacity], axis=2)
        found = backgrounds.views(image.shape[1], image.shape[0], size, lambda a, b: bgra[a:b], (2, 1, 0, 3))
        return [to_srgb(one, "RGB", profile) for one in found]
    shown = image[..., ::-1] if image.ndim == 3 and image.shape[2] == 3 else image
    return [to_srgb(one, "RGB", profile) for one in stills.of_values(shown, size, no_data)]


def _by_tifffile(page: Any, size: int) -> list[Uint8Array]:
    """Return the views of a page with many bits or bands.

    They show grey, the first three bands, or CMYK, with alpha if it is declared.
    """
    values: np.ndarray[Any, Any] = page.asarray()
    if values.ndim == 3 and int(page.planarconfig) == 2:
        values = np.moveaxis(values, 0, -1)
    while values.ndim > 3:  # volumes: show the middle
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
