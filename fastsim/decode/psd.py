"""Decode Photoshop files that Pillow does not read: 16 and 32 bits per channel, and PSB, the large variant.

The merged image is decoded, as viewers show it. Source: Adobe Photoshop File Formats Specification.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

from fastsim.decode.colour import to_srgb
from fastsim.decode.picture import ChooseSize, Picture, UnreadableError
from fastsim.decode.shrink import square
from fastsim.decode.stills import of_values
from fastsim.decode.values import to_8_bits
from fastsim.records.files import INTACT_STILL, Content

_HEADER = ">4sHxxxxxxHIIHH"
_GREY, _RGB, _CMYK, _MULTI, _DUOTONE = 1, 3, 4, 7, 8
_PROFILE = 1039
_CHANNELS = {_GREY: 1, _RGB: 3, _CMYK: 4, _MULTI: 3, _DUOTONE: 1}


def size_of(head: bytes) -> tuple[int, int, int, int]:
    """Return width, height, channels and bits from the header."""
    _, _, channels, height, width, depth, _ = struct.unpack_from(_HEADER, head)
    return width, height, channels, depth


def is_ours(head: bytes) -> bool:
    """Return whether Pillow does not read the file, so that this module has to."""
    version, depth = struct.unpack_from(">4sH", head)[1], size_of(head)[3]
    return version == 2 or depth > 8


def decode(data: bytes, choose: ChooseSize) -> Picture:
    """Decode the merged image. Raises UnreadableError."""
    _, version, channels, height, width, depth, mode = struct.unpack_from(_HEADER, data)
    count = min(_CHANNELS.get(mode, 0), channels)
    if not count or depth not in (8, 16, 32):
        raise UnreadableError(f"can't be decoded: a Photoshop file of mode {mode} with {depth} bits")
    at = 26
    at += 4 + int.from_bytes(data[at : at + 4], "big")  # colour table
    resources, at = (
        data[at + 4 : at + 4 + int.from_bytes(data[at : at + 4], "big")],
        at + 4 + int.from_bytes(data[at : at + 4], "big"),
    )
    wide = 8 if version == 2 else 4
    at += wide + int.from_bytes(data[at : at + wide], "big")  # layers
    planes, damage = _planes(data, at, (channels, count, height, width), depth, version)
    pixels = np.moveaxis(planes, 0, -1)
    size = choose(width, height)
    profile = _profile(resources)
    if mode == _CMYK and count == 4:
        views = [to_srgb(square(255 - to_8_bits(pixels), size), "CMYK", profile)]  # stored with white as full
    else:
        views = of_values(pixels[..., 0] if count < 3 else pixels[..., :3], size)
        views = [to_srgb(one, "RGB", profile) for one in views]
    return Picture(tuple(views), (width, height), Content(damage=damage) if damage else INTACT_STILL)


def _planes(
    data: bytes, at: int, shape: tuple[int, int, int, int], depth: int, version: int
) -> tuple[np.ndarray[Any, Any], str]:
    """Return the first `count` channels as [count, height, width] in native byte order, and what is missing."""
    channels, count, height, width = shape
    compression = int.from_bytes(data[at : at + 2], "big")
    at += 2
    line = width * depth // 8
    need = count * height * line
    if compression == 0:
        raw = data[at : at + need]
    elif compression == 1:
        raw = _run_lengths(data, at, channels * height, count * height, line, 4 if version == 2 else 2)
    elif compression in (2, 3):
        raw = zlib.decompressobj().decompress(data[at:], need)
    else:
        raise UnreadableError(f"can't be decoded: a Photoshop file of compression {compression}")
    if len(raw) < need // 2:
        raise UnreadableError("damaged: less than half of its image data is there")
    damage = "image data is missing" if len(raw) < need else ""
    kind = {8: ">u1", 16: ">u2", 32: ">f4"}[depth]
    planes = np.frombuffer(raw.ljust(need, b"\0"), kind).reshape(count, height, width)
    planes = planes.astype(planes.dtype.newbyteorder("="))
    if compression == 3:
        if depth == 32:
            raise UnreadableError("can't be decoded: a Photoshop file with predicted floats")
        planes = np.cumsum(planes, axis=2, dtype=planes.dtype)
    return planes, damage


def _run_lengths(data: bytes, at: int, lines: int, wanted: int, line: int, wide: int) -> bytes:  # noqa: PLR0917
    """Unpack PackBits, line by line; a table of packed lengths comes first."""
    lengths = np.frombuffer(data[at : at + lines * wide], f">u{wide}").astype(np.int64)
    at += lines * wide
    out = bytearray()
    for length in lengths[:wanted].tolist():
        packed, at = data[at : at + length], at + length
        out += _unpacked(packed, line)
    return bytes(out)


def _unpacked(packed: bytes, line: int) -> bytes:
    out, at = bytearray(), 0
    while at < len(packed) and len(out) < line:
        count = packed[at]
        if count < 128:
            out += packed[at + 1 : at + 2 + count]
            at += 2 + count
        elif count > 128:
            out += packed[at + 1 : at + 2] * (257 - count)
            at += 2
        else:
            at += 1
    return bytes(out[:line]).ljust(line, b"\0")


def _profile(resources: bytes) -> bytes | None:
    at = 0
    while at + 12 <= len(resources):
        number = int.from_bytes(resources[at + 4 : at + 6], "big")
        name = resources[at + 6] + 1
        at += 6 + name + name % 2
        length = int.from_bytes(resources[at : at + 4], "big")
        if number == _PROFILE:
            return resources[at + 4 : at + 4 + length]
        at += 4 + length + length % 2
    return None
