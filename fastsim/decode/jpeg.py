"""Decode JPEGs with libjpeg-turbo, scaled down while decoding; its warnings count as damage.

OpenCV decodes the same pixels in the same time, but hides the warnings.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import simplejpeg

from fastsim.decode.damage import checked
from fastsim.records.arrays import Uint8Array

_END = b"\xff\xd9"
_HARMLESS = re.compile(r"extraneous bytes before marker 0xd[0-9a]|unknown JFIF revision|unknown Adobe color transform")
"""Warnings that do not mean a wrong pixel."""
_HOLE = bytes(16)
_PREMATURE = "Premature end of JPEG file"


class Decoded(NamedTuple):
    """BGR uint8[h, w, 3], and what is wrong with the file (empty if nothing is)."""

    image: Uint8Array
    damage: str


def decode(data: bytes, width: int, height: int, size: int) -> Decoded | None:
    """Decode a JPEG of `width` x `height` pixels, scaled down by 2, 4 or 8 if it stays at least `size` high and wide.

    Returns None if libjpeg-turbo does not know this kind of JPEG. Raises UnreadableError if too little of it is
    present.
    """
    scale = next((scale for scale in (8, 4, 2) if min(width, height) // scale >= size), 1)
    least = (-(-height // scale), -(-width // scale))
    try:
        return Decoded(_decode(data, least), "")
    except ValueError as error:
        complaint = str(error)
    if complaint == _PREMATURE and data.endswith(_HOLE):
        complaint = "its end is zeros"  # space that a download or a file system reserved
    elif complaint == _PREMATURE:
        # Some cameras and downloads leave out the end marker: is image data missing, too?
        data += _END
        try:
            image = _decode(data, least)
            if not is_coarse(data):
                return Decoded(image, "")
            complaint = "cut short: the finer scans of a progressive JPEG are missing"
        except ValueError as error:
            complaint = f"cut short ({_short(str(error))})"
    try:
        image = _decode(data, least, strict=False)
    except ValueError:
        return None
    if _HARMLESS.search(complaint):
        return Decoded(image, "")
    return Decoded(image, checked(image, _short(complaint)))


def encode(image: Uint8Array, quality: int) -> bytes:
    """Return RGB uint8[h, w, 3] as a JPEG file."""
    data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=quality, colorspace="RGB")
    return data


def decode_grey(data: bytes, least: tuple[int, int]) -> Uint8Array:
    """Decode a JPEG to uint8[h, w, 1], at least `least` (height, width) in size. Raises ValueError for any complaint."""
    image: Uint8Array = simplejpeg.decode_jpeg(data, "GRAY", min_height=least[0], min_width=least[1])
    return image


def is_coarse(data: bytes) -> bool:
    """Return whether a progressive JPEG ends before the last bit of each coefficient was sent."""
    sent: dict[int, list[int]] = {}
    progressive = False
    for marker, body in _segments(data, scans=True):
        if marker == 0xC2:
            progressive = True
            sent = {body[6 + 3 * i]: [99] * 64 for i in range(body[5]) if len(body) > 6 + 3 * i}
        elif marker == 0xDA and progressive and len(body) >= 4:
            count = body[0]
            start, stop, low = body[1 + 2 * count], body[2 + 2 * count], body[3 + 2 * count] & 15
            for i in range(count):
                for k in range(start, min(stop, 63) + 1):
                    sent.setdefault(body[1 + 2 * i], [99] * 64)[k] = low
    return progressive and any(bit for bits in sent.values() for bit in bits)


def _segments(data: bytes, *, scans: bool = False) -> Any:
    """Yield (marker, body) of each segment up to the first scan, or with `scans` of all."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at = data.find(b"\xff", at)
            if at < 0:
                return
            continue
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at + 4 : at + 2 + length]
        if marker == 0xDA and not scans:
            return
        at += 2 + max(length, 2)


def _decode(data: bytes, least: tuple[int, int], *, strict: bool = True) -> Uint8Array:
    image: Uint8Array = simplejpeg.decode_jpeg(data, "BGR", min_height=least[0], min_width=least[1], strict=strict)
    return image


def _short(complaint: str) -> str:
    return complaint.removeprefix("Corrupt JPEG data: ").rstrip(".")
