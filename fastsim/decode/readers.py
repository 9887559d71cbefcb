"""Decode formats that Pillow does not identify, or not completely, and state the memory that this needs."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from fastsim.decode import backgrounds, bmp, containers, psd, stills, tiff
from fastsim.decode.libraries import MAX_PIXELS, TOO_LARGE, cv2, opencv
from fastsim.decode.picture import ChooseSize, Picture, UnreadableError, first_line
from fastsim.decode.shrink import square
from fastsim.records.files import Content

NO_PICTURE = "not an image, or of an unknown or broken format"
Decode = Callable[[bytes, ChooseSize], Picture]
_GAMMA = 1 / 2.2
_LIGHT = 99.0
"""Percentage of the values of a light image that are not brighter than its white."""
_PREVIEW = 0.1
"""A preview narrower than this fraction of the sensor's width is a thumbnail; the raw image is developed instead."""
_FLIPS = {3: 3, 5: 8, 6: 6}
"""LibRaw's turns as EXIF orientations."""
_RAW_COST = 300 * 2**20


def plan(name: str, head: bytes) -> tuple[Decode, tuple[int, int], int] | None:
    """Return (decoder, width and height, bytes of memory) for the format `name`, or None if Pillow reads it."""
    if name == "PNG" and len(head) >= 29:
        width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
        deep, large = head[24] == 16, width * height > containers.LARGE
        return (
            containers.decode_png,
            (width, height),
            width * height * (30 if deep else 7 if large else 14) + 32 * height,
        )
    if name in ("PSD", "PSB") and len(head) >= 26 and psd.is_ours(head):
        width, height, channels, depth = psd.size_of(head)
        return psd.decode, (width, height), width * height * channels * (depth // 8 * 3 + 1)
    if name == "Radiance HDR":
        return _light, (0, 0), 0
    if name == "Sun raster" and len(head) >= 12:
        width, height = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big")
        return unknown, (width, height), width * height * 8
    if name == "RAW":
        return _raw, (0, 0), _RAW_COST
    return None


def unknown(data: bytes, choose: ChooseSize) -> Picture:
    """Decode what only OpenCV or tifffile knows: some BMP variants, TIFF with many bands."""
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return tiff.decode_unknown(data, choose)
    fields = bmp.decode_fields(data)
    if fields is not None:
        height, width, channels = fields.shape
        size = choose(width, height)
        if channels == 4:
            views = backgrounds.views(width, height, size, lambda top, end: fields[top:end])
            return Picture(tuple(views), (width, height), Content(len(views)))
        return Picture((square(fields, size),), (width, height))
    image = opencv(data, cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise UnreadableError(NO_PICTURE)
    height, width = image.shape[:2]
    return Picture(
        (cv2.cvtColor(square(np.asarray(image), choose(width, height)), cv2.COLOR_BGR2RGB),), (width, height)
    )


def cost_of_unknown(head: bytes) -> int:
    """Return the bytes of memory that `unknown` needs. Raises UnreadableError for more pixels than are allowed."""
    if head[:2] != b"BM" or len(head) < 26:
        return 0
    width, height = bmp.size_of(head)
    if width * height > MAX_PIXELS:
        raise UnreadableError(TOO_LARGE)
    return width * height * 12


def _light(data: bytes, choose: ChooseSize) -> Picture:
    """Decode Radiance HDR: amounts of light, of which the brightest become white."""
    image = opencv(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise UnreadableError("can't be decoded: a broken Radiance HDR file")
    light = np.asarray(image, np.float32)[..., ::-1]
    height, width = light.shape[:2]
    white = max(float(np.percentile(light[:: max(1, height // 512), :: max(1, width // 512)], _LIGHT)), 1e-9)
    shown = (np.clip(light / white, 0.0, 1.0) ** _GAMMA * 255.0 + 0.5).astype(np.uint8)
    return Picture((square(shown, choose(width, height)),), (width, height))


def _raw(data: bytes, choose: ChooseSize) -> Picture:
    """Decode a RAW file of a camera: its preview if that is large enough, else the developed image."""
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            turn = _FLIPS.get(raw.sizes.flip, 1)
            width, height = raw.sizes.width, raw.sizes.height
            original = (height, width) if turn >= 5 else (width, height)
            size = choose(*original)
            preview = _preview(raw, size, turn, width)
            if preview is not None:
                return Picture((preview,), original)
            pixels = raw.postprocess(half_size=min(width, height) >= 2 * size, use_camera_wb=True, user_flip=0)
            return Picture((stills.oriented(square(pixels, size), turn),), original)
    except (rawpy.NotSupportedError, rawpy.LibRawError) as error:
        if data[:4] in (b"II*\0", b"MM\0*"):  # a finished image with a camera's tags
            return tiff.decode(data, choose)
        raise UnreadableError(f"can't be decoded: {first_line(error)}") from error


def _preview(raw: Any, size: int, turn: int, width: int) -> Any:
    import rawpy

    try:
        thumb = raw.extract_thumb()
    except rawpy.LibRawError:
        return None
    if thumb.format == rawpy.ThumbFormat.JPEG:
        shape = containers.jpeg_size(thumb.data)
        if min(shape) >= size and max(shape) >= _PREVIEW * width:
            return containers.jpeg_square(thumb.data, size, turn)
        return None
    bitmap = np.asarray(thumb.data)
    return stills.oriented(square(bitmap, size), turn) if min(bitmap.shape[:2]) >= size else None
