"""Still pictures on the CPU: Pillow reads the header, OpenCV decodes; Pillow decodes what OpenCV does not know.

Every picture ends as RGB uint8[size, size, 3]: EXIF orientation applied, transparency laid over white, 16-bit and
float values scaled to 8 bits, the first frame of an animation. The aspect ratio is not kept: the network was trained
on squeezed pictures, and a copy with another aspect ratio is squeezed to the same square.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

MAX_PIXELS = 512 * 1024 * 1024
"""A picture with more pixels by its header is skipped before any memory is taken for it."""

MAX_BYTES = 2 * 2**30
"""A larger file is skipped: it would have to be held in memory whole."""

# Both libraries read these at import or at use; ours is the one limit. setdefault: a user's own stricter limit stays.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))

import cv2  # noqa: E402
from PIL import Image, UnidentifiedImageError  # noqa: E402

from fastsim.records import Uint8Array  # noqa: E402

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "AVIF", "PPM", "TGA", "ICO", "PSD", "DDS")
"""The formats that Pillow may open (it knows others that start programs or are no pictures); HEIF by plug-in."""

_PLUGINS = ("Jpeg", "Png", "WebP", "Gif", "Bmp", "Tiff", "Jpeg2K", "Avif", "Ppm", "Tga", "Ico", "Psd", "Dds")
"""Pillow's modules for FORMATS; `Image.init()` would import thirty more, which every start would pay for."""

_JPEG = ("JPEG", "MPO")
_OPENCV_KNOWS = frozenset(("JPEG", "MPO", "PNG", "WEBP", "BMP", "TIFF", "JPEG2000", "AVIF", "PPM"))
_MAY_MOVE = frozenset(("PNG", "WEBP", "AVIF"))
_ALPHA_MODES = frozenset(("RGBA", "LA", "PA", "La", "RGBa"))
_ORIENTATION_TAG = 0x0112
_JPEG_SCALES = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))


_BOMB = f"more than {MAX_PIXELS // 2**20} megapixels by its header (the limit against decompression bombs)"


class UnreadableError(Exception):
    """The file is no picture that can be decoded; the text says why, in one line."""


def _set_up() -> tuple[str, ...]:
    """Quiet the libraries, make OpenCV single-threaded (many files are decoded at once), add HEIF if installed."""
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    for plugin in _PLUGINS:
        import_module(f"PIL.{plugin}ImagePlugin")
    try:
        import pillow_heif
    except ImportError:
        return FORMATS
    pillow_heif.register_heif_opener()
    return (*FORMATS, "HEIF")


_formats = _set_up()


def decode_file(path: str, choose_size: Callable[[int, int], int]) -> tuple[Uint8Array, tuple[int, int]]:
    """Read and decode one picture.

    `choose_size(width, height)` gives the side in pixels of the square result. Returns RGB uint8[side, side, 3] and the
    picture's own (width, height) as a viewer shows it. Raises UnreadableError.
    """
    try:
        return _decode(_read(path), choose_size)
    except UnreadableError:
        raise
    except MemoryError:
        raise UnreadableError("not enough memory to decode it") from None
    except Exception as error:  # a decoder met what its authors did not expect: this file is skipped, the run goes on
        raise UnreadableError(f"can't be decoded: {_reason(error)}") from error


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError("not a regular file")
            if status.st_size == 0:
                raise UnreadableError("empty file")
            if status.st_size > MAX_BYTES:
                raise UnreadableError(
                    f"{status.st_size / 2**30:.1f} GiB, more than the limit of {MAX_BYTES // 2**30} GiB"
                )
            return file.read()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadableError(reason[:1].lower() + reason[1:]) from None


def _decode(data: bytes, choose_size: Callable[[int, int], int]) -> tuple[Uint8Array, tuple[int, int]]:
    try:
        header = Image.open(io.BytesIO(data), formats=_formats)
    except UnidentifiedImageError:
        header = None
    except Image.DecompressionBombError:
        raise UnreadableError(_BOMB) from None
    if header is None:  # some BMP variants are known to OpenCV alone; its own pixel limit (above) holds here
        image = _opencv(data, cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is None:
            raise UnreadableError("not a picture, or of an unknown or broken format")
        height, width = image.shape[:2]
        return _square(image, choose_size(width, height)), (width, height)
    width, height = header.size
    if width * height > MAX_PIXELS:
        raise UnreadableError(_BOMB)
    orientation = _orientation(header)
    turned = orientation >= 5
    original = (height, width) if turned else (width, height)
    size = choose_size(*original)
    image = _with_opencv(data, header, size)
    if image is None:
        image = _with_pillow(header, size)
    return _oriented(_square(image, size), orientation), original


def _with_opencv(data: bytes, header: Image.Image, size: int) -> Uint8Array | None:
    """BGR uint8[h, w, 3] by OpenCV, or None where Pillow has to do it. JPEGs are scaled while they are decoded."""
    if header.format not in _OPENCV_KNOWS or header.mode.startswith(("I", "F")):
        return None
    if header.format in _MAY_MOVE and getattr(header, "is_animated", False):
        return None
    if header.mode in _ALPHA_MODES or "transparency" in header.info:
        if header.format == "TIFF":  # may be premultiplied, which OpenCV does not tell
            return None
        image = _opencv(data, cv2.IMREAD_UNCHANGED)
        return None if image is None or image.dtype not in (np.uint8, np.uint16) else _on_white(image)
    if header.format in _JPEG and header.mode == "CMYK":
        return None
    flags = cv2.IMREAD_COLOR_BGR
    if header.format in _JPEG:
        covered = min(header.size)
        flags = next((flag for scale, flag in _JPEG_SCALES if covered // scale >= size), flags)
    return _opencv(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)


def _opencv(data: bytes, flags: int) -> Any:
    """`cv2.imdecode`, with None for every kind of failure."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _with_pillow(header: Image.Image, size: int) -> Uint8Array:
    """BGR uint8[h, w, 3] by Pillow. Raises what Pillow raises for broken files."""
    if header.mode == "CMYK":
        header.draft("CMYK", (size, size))
    header.load()
    if header.mode.startswith(("I", "F")):
        return cv2.cvtColor(_to_8_bits(np.asarray(header)), cv2.COLOR_GRAY2BGR)
    if header.mode in _ALPHA_MODES or "transparency" in header.info:
        return _on_white(cv2.cvtColor(np.asarray(header.convert("RGBA")), cv2.COLOR_RGBA2BGRA))
    return cv2.cvtColor(np.asarray(header.convert("RGB")), cv2.COLOR_RGB2BGR)


def _to_8_bits(values: np.ndarray[Any, Any]) -> Uint8Array:
    """Grey values of any depth to 8 bits.

    Integers by the bits of their type, or by the bits that they use where that is 12 or fewer: scans of 10 and 12 bits
    stored in 16 would otherwise all be black, and so all alike. Floats by the range that they use.
    """
    if values.dtype.kind != "f" and values.min() >= 0 and values.max() <= 0xFFFF:
        used = int(values.max()).bit_length()
        depth = max(used, 8) if used <= 12 else 16
        return (values.astype(np.uint16) >> (depth - 8)).astype(np.uint8)
    finite = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    return ((finite - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)


def _on_white(image: np.ndarray[Any, Any]) -> Uint8Array:
    """Grey, BGR or BGRA of 8 or 16 bits to BGR uint8, transparent parts white, as on a white page."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if image.shape[2] == 3:
        return image
    alpha = image[..., 3:].astype(np.uint16)
    colour = image[..., :3].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _square(image: Uint8Array, size: int) -> Uint8Array:
    """BGR uint8[h, w, 3] to RGB uint8[size, size, 3]: area averages where a side shrinks, linear where it grows."""
    height, width = image.shape[:2]
    if size < min(width, height) and max(width, height) <= 3.5 * size:
        # To twice the target first, then blocks of 2x2 averaged: OpenCV has SIMD for both, and takes a third of the
        # time of area averages over fractions of pixels, for nearly the same pixels (bench/stages.py). Most pictures
        # come here, as JPEGs were scaled down by the decoder.
        image = cv2.resize(image, (2 * size, 2 * size), interpolation=cv2.INTER_LINEAR)
    shrunk = (min(image.shape[1], size), min(image.shape[0], size))
    if shrunk != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA)
    if shrunk != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _orientation(header: Image.Image) -> int:
    """EXIF orientation 1 to 8 (1 where there is none, it is damaged, or both libraries apply it themselves: TIFF)."""
    if header.format == "TIFF":
        return 1
    try:
        value = header.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # EXIF is an attachment: a damaged one must not cost the picture
        return 1
    return value if value in range(1, 9) else 1


def _oriented(image: Uint8Array, orientation: int) -> Uint8Array:
    """Turn and mirror square pixels as EXIF says: 2-4 flips, 5-8 with the axes exchanged."""
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _reason(error: Exception) -> str:
    """The first line of a library's error text, fit for a list."""
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
