"""Choose the decoder, the memory it needs, and the pages or frames, for images that Pillow identifies."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from fastsim.decode import frames, gif, jpeg, mpo, png, stills, tiff
from fastsim.decode.colour import to_srgb
from fastsim.decode.damage import held
from fastsim.decode.libraries import MAX_PIXELS, Image, cv2, opencv
from fastsim.decode.picture import ChooseSize, Picture, UnreadableError
from fastsim.decode.shrink import square
from fastsim.records.arrays import Uint8Array
from fastsim.records.files import INTACT_STILL, Content

_COST = {"JPEG2000": 20, "WEBP": 14, "AVIF": 20, "HEIF": 20, "JXL": 20, "GIF": 12, "TIFF": 12}
_USUAL_COST = 8
"""Bytes per pixel needed to decode: Pillow's own pixels take 4, and many formats are unpacked in one piece first."""
LARGE = 8 * 2**20
"""Pixels: larger PNG and WebP images are decoded by Pillow, which takes less memory."""
_RUN_LENGTHS, _RUN = (1, 2), 256
"""Run-length compressions of BMP, and the most pixels that one byte can encode; half of the image must be present."""
_Decode = Callable[[bytes, ChooseSize], Picture]


def cost_of(header: Any) -> int:
    """Return the most bytes of memory that decoding takes, without those of the file."""
    width, height = int(header.width), int(header.height)
    rows = 32 * height  # Pillow keeps a table of rows
    if header.format in ("JPEG", "MPO"):
        small = width * height * 4 // (1 if min(width, height) < 1024 else 4 if min(width, height) < 4096 else 64)
        return rows + small + (6 * width * height if header.info.get("progressive") else 0)
    return rows + _COST.get(header.format, _USUAL_COST) * width * height


def decoder_of(header: Any, names: tuple[str, ...]) -> _Decode:
    """Return the function that decodes the file with this header."""
    if header.format in ("JPEG", "MPO"):
        return lambda data, choose: _jpeg(data, header, choose)
    if header.format == "GIF":
        return _gif
    if header.format == "TIFF":
        return tiff.decode
    return lambda data, choose: _by_pillow(data, names, choose)


def decode_png(data: bytes, choose: ChooseSize) -> Picture:
    """Decode a PNG file, animated or not."""
    chunks = png.read(data)
    header = Image.open(io.BytesIO(chunks.data), formats=("PNG",))
    if getattr(header, "n_frames", 1) > 1:
        return _animated(header, choose, chunks.damage)
    size, original, orientation = _sizes(header, choose)
    header.info["icc_profile"] = chunks.profile or header.info.get("icc_profile")
    damage = chunks.damage
    if damage:
        there = png.rows_there(chunks)
        damage = "" if there == 1.0 and damage.startswith("cut short") else held(damage, there)
    deep = chunks.depth == 16
    if not damage and (deep or (chunks.width * chunks.height <= LARGE and not _is_transparent(header))):
        image = opencv(
            chunks.data, cv2.IMREAD_UNCHANGED if deep else cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION
        )
        if image is not None and deep:
            return _turned(
                tiff.of_bgr(np.asarray(image), size, header.info.get("icc_profile")), orientation, original, ""
            )
        if image is not None:
            rgb = cv2.cvtColor(square(np.asarray(image), size), cv2.COLOR_BGR2RGB)
            return _turned([to_srgb(rgb, "RGB", header.info.get("icc_profile"))], orientation, original, "")
    found = stills.load(header)
    views = stills.views(header, size, "" if damage else found)  # the chunks have shown how much is present
    return _turned(views, orientation, original, damage or found)


def _jpeg(data: bytes, header: Any, choose: ChooseSize) -> Picture:
    size, original, orientation = _sizes(header, choose)
    if header.mode != "CMYK":
        found = jpeg.decode(data, header.width, header.height, size)
        if found is not None:
            rgb = cv2.cvtColor(square(found.image, size), cv2.COLOR_BGR2RGB)
            profile = header.info.get("icc_profile")
            main = stills.oriented(_profiled(rgb, header.mode, profile), orientation)
            if header.format != "MPO":
                return Picture((main,), original, Content(damage=found.damage) if found.damage else INTACT_STILL)
            more = [jpeg_square(part, size, orientation) for part in mpo.further_pictures(data, header)]
            return _several(main, more, original, found.damage)
    header = Image.open(io.BytesIO(data), formats=("JPEG",))
    if header.mode == "CMYK":
        header.draft("CMYK", (size, size))
    damage = stills.load(header)
    return _turned(stills.views(header, size, damage), orientation, original, damage)


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG."""
    width, height = Image.open(io.BytesIO(data), formats=("JPEG",)).size
    return width, height


def jpeg_square(data: bytes, size: int, orientation: int | None = None) -> Uint8Array:
    """Decode a JPEG inside another file to RGB uint8[size, size, 3].

    It is turned by its own EXIF orientation, or by `orientation` if that is given.
    """
    header = Image.open(io.BytesIO(data), formats=("JPEG",))
    own = stills.orientation_of(header)
    found = jpeg.decode(data, *header.size, size)
    if found is None:
        raise UnreadableError("can't be decoded: a JPEG of an unknown kind inside it")
    rgb = cv2.cvtColor(square(found.image, size), cv2.COLOR_BGR2RGB)
    turn = own if own != 1 or orientation is None else orientation
    return stills.oriented(_profiled(rgb, header.mode, header.info.get("icc_profile")), turn)


def _profiled(rgb: Uint8Array, mode: str, profile: bytes | None) -> Uint8Array:
    if not profile:
        return rgb
    return to_srgb(np.ascontiguousarray(rgb[..., 0]), "L", profile) if mode == "L" else to_srgb(rgb, "RGB", profile)


def _several(main: Uint8Array, more: list[Uint8Array], original: tuple[int, int], damage: str) -> Picture:
    """Return a JPEG with its further images, except copies of the first."""
    different = [one for one in more if float(np.abs(one.astype(np.int16) - main).mean()) > mpo.COPY]
    if not different:
        return Picture((main,), original, Content(damage=damage) if damage else INTACT_STILL)
    squares, n = (main, *more), 1 + len(more)
    return Picture(squares, original, Content(n, n, n, -n, damage))


def _gif(data: bytes, choose: ChooseSize) -> Picture:
    blocks = gif.read(data)
    if blocks.width * blocks.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    frames.check_work(blocks.width, blocks.height, blocks.frames)
    header: Any = Image.open(io.BytesIO(data), formats=("GIF",))
    return _animated(header, choose, blocks.damage) if header.n_frames > 1 else _still(header, choose, blocks.damage)


def _by_pillow(data: bytes, names: tuple[str, ...], choose: ChooseSize) -> Picture:
    header: Any = Image.open(io.BytesIO(data), formats=names)
    if header.format in ("WEBP", "AVIF", "HEIF", "JXL") and getattr(header, "n_frames", 1) > 1:
        return _animated(header, choose, "")
    if header.format == "WEBP" and not _is_transparent(header) and header.width * header.height <= LARGE:
        image = opencv(data, cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is not None:
            size, original, orientation = _sizes(header, choose)
            rgb = cv2.cvtColor(square(np.asarray(image), size), cv2.COLOR_BGR2RGB)
            return _turned([to_srgb(rgb, "RGB", header.info.get("icc_profile"))], orientation, original, "")
    if header.info.get("compression") in _RUN_LENGTHS and header.width * header.height > _RUN * len(data):
        raise UnreadableError(
            f"damaged: {header.width}x{header.height} pixels by its header, and data for a few of them"
        )
    if header.format == "JPEG2000":
        return _jpeg_2000(data, header, choose)
    return _still(header, choose, "")


def _jpeg_2000(data: bytes, header: Any, choose: ChooseSize) -> Picture:
    """Decode JPEG 2000 without the finest resolutions if the file has more than are needed."""
    size, original, orientation = _sizes(header, choose)
    steps = max(0, min(5, (min(header.size) // size).bit_length() - 1))
    while steps:
        reduced: Any = Image.open(io.BytesIO(data), formats=("JPEG2000",))
        reduced.reduce = steps
        try:
            reduced.load()
            return _turned(stills.views(reduced, size), orientation, original, "")
        except (OSError, ValueError):
            steps -= 1  # it has fewer resolutions, or is damaged
    return _still(header, choose, "")


def _still(header: Any, choose: ChooseSize, damage: str) -> Picture:
    size, original, orientation = _sizes(header, choose)
    damage = stills.load(header) or damage
    return _turned(stills.views(header, size, damage), orientation, original, damage)


def _animated(header: Any, choose: ChooseSize, damage: str) -> Picture:
    size, original, orientation = _sizes(header, choose)
    total = header.n_frames
    frames.check_work(header.width, header.height, total)

    def views_of(number: int) -> list[Uint8Array]:
        header.seek(number)
        header.load()
        return [stills.oriented(one, orientation) for one in stills.views(header, size)]

    squares, content = frames.views_of_all(
        frames.chosen(total), views_of, -total if header.format == "HEIF" else total, damage
    )
    return Picture(squares, original, content)


def _sizes(header: Any, choose: ChooseSize) -> tuple[int, tuple[int, int], int]:
    """Return the side of the square, the size as a viewer shows it, and the EXIF orientation."""
    orientation = stills.orientation_of(header)
    width, height = header.size
    original = (height, width) if orientation >= 5 else (width, height)
    return choose(*original), original, orientation


def _turned(views: list[Uint8Array], orientation: int, original: tuple[int, int], damage: str) -> Picture:
    squares = tuple(stills.oriented(one, orientation) for one in views)
    plain = len(squares) == 1 and not damage
    return Picture(squares, original, INTACT_STILL if plain else Content(len(squares), damage=damage))


def _is_transparent(header: Any) -> bool:
    return header.mode in stills.ALPHA_MODES or "transparency" in header.info
