"""Check the chunks of a PNG against the file's size and their checksums, before a decoder allocates memory for them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from fastsim.decode.picture import UnreadableError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND"))
_SHOWN = _CRITICAL | {b"tRNS", b"eXIf", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"acTL", b"fcTL", b"fdAT"}
"""Chunks that affect what is shown; others are dropped if one of them is large or broken."""
_TEXT = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_LONG = 1 << 16
"""Bytes of a chunk that is kept from Pillow, which refuses text longer than a megabyte, once unpacked."""
_MOST_PROFILE = 1 << 24
_DEFLATE = 1032
"""Largest number of bytes that Deflate can make of one."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Chunks:
    """What the chunks say. `data`: the file, without parts that decoders reject."""

    width: int
    height: int
    depth: int
    colour: int
    data: bytes
    damage: str
    profile: bytes | None
    """A colour profile that is too long for Pillow."""


def read(data: bytes) -> Chunks:
    """Inspect all chunks. Raises UnreadableError without a header, or with too few bytes for the image."""
    kept: list[tuple[bytes, memoryview, int]] = []
    damage, packed, ended, changed = "", 0, False, False
    header: tuple[int, ...] | None = None
    profile: bytes | None = None
    at = len(SIGNATURE)
    while at + 8 <= len(data) and not ended:
        length, name = struct.unpack_from(">I4s", data, at)
        body = memoryview(data)[at + 8 : at + 8 + length]
        if len(body) < length or at + 12 + length > len(data):
            reason = "longer than the file" if length > len(data) else "cut short"
            damage = damage or f"{reason}: its chunk {_name(name)}"
            if len(body) < length and name not in (b"IDAT", b"fdAT"):
                changed = True
                break
        crc = zlib.crc32(body, zlib.crc32(name))
        stored = data[at + 8 + length : at + 12 + length]
        if stored != struct.pack(">I", crc):
            damage = damage or f"wrong checksum in its chunk {_name(name)}"
            changed = True
            if name == b"IHDR" or not name.isalpha():
                break
        if header is None:
            if name != b"IHDR" or len(body) != 13:
                break
            header = struct.unpack(">IIBBBBB", body)
        packed += len(body) if name == b"IDAT" else 0
        ended = name == b"IEND"
        if _is_left_out(name, body):
            changed = True
            profile = _unpacked(body, _MOST_PROFILE) if name == b"iCCP" else profile
        else:
            kept.append((name, body, crc))
        at += 12 + length
    if header is None or 0 in header[:2]:
        raise UnreadableError("damaged: its header is broken")
    if not ended and damage == "" and at < len(data):
        damage = "cut short"
    if not ended:
        kept.append((b"IEND", memoryview(b""), zlib.crc32(b"IEND")))
        changed = True
    width, height, depth, colour = header[:4]
    _check_data(width, height, depth * _CHANNELS.get(colour, 4), packed)
    return Chunks(width, height, depth, colour, _written(kept) if changed else data, damage, profile)


def _written(chunks: list[tuple[bytes, memoryview, int]]) -> bytes:
    parts: list[bytes | memoryview] = [SIGNATURE]
    for name, body, crc in chunks:
        parts += [struct.pack(">I4s", len(body), name), body, struct.pack(">I", crc)]
    return b"".join(parts)


def rows_there(chunks: Chunks) -> float:
    """Return the fraction of the image's bytes that can be unpacked; an estimate for interlaced images."""
    unpacker, count, at = zlib.decompressobj(), 0, len(SIGNATURE)
    data = chunks.data
    try:
        while at + 8 <= len(data):
            length, name = struct.unpack_from(">I4s", data, at)
            if name == b"IDAT":
                packed = data[at + 8 : at + 8 + length]
                while packed and not unpacker.eof:
                    count += len(unpacker.decompress(packed, 1 << 20))
                    packed = unpacker.unconsumed_tail
            at += 12 + length
    except zlib.error:
        pass
    line = -(-chunks.width * chunks.depth * _CHANNELS.get(chunks.colour, 4) // 8) + 1
    return min(1.0, count / (line * chunks.height))


def _check_data(width: int, height: int, bits: int, packed: int) -> None:
    """Raise UnreadableError if `packed` bytes cannot hold half of the image."""
    need = (-(-width * bits // 8) + 1) * height
    there = packed * _DEFLATE / need
    if there < _ENOUGH:
        raise UnreadableError(
            f"damaged: {width}x{height} pixels by its header, and data for {min(100 * there, 99):.0f} % of them at most"
        )


def _is_left_out(name: bytes, body: memoryview) -> bool:
    """Return whether a chunk is text or a profile that is too long for Pillow, once unpacked."""
    if name in _TEXT:
        return len(body) > _LONG or (name != b"tEXt" and _unpacked(body, _LONG * 8) is None)
    if name == b"iCCP":
        return _unpacked(body, _LONG * 8) is None
    return name not in _SHOWN and len(body) > _LONG


def _unpacked(body: memoryview, most: int) -> bytes | None:
    """Unpack a compressed text or profile; return None if it is longer than `most`."""
    data = bytes(body)
    start = data.find(b"\0") + 2
    for at in (start, data.find(b"\x78", start)):  # iTXt has flags and a language before its text
        if at <= 0:
            continue
        try:
            unpacker = zlib.decompressobj()
            out = unpacker.decompress(data[at:], most)
        except zlib.error:
            continue
        return None if unpacker.unconsumed_tail else out
    return b""


def _name(name: bytes) -> str:
    return name.decode("ascii") if name.isalpha() else name.hex()
