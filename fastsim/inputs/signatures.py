"""Test a file's first bytes: each test decides whether they begin a file of one format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

HEAD_BYTES = 2048
"""Number of bytes that the tests inspect; a shorter file is tested as it is."""

Signature = Callable[[bytes], bool]

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAKE, _SUB_IFDS, _DNG_VERSION = 0x010F, 0x014A, 0xC612
_RAW_BRANDS = frozenset((b"crx ",))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_HEIC_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2")
)
_AUDIO_BRANDS = frozenset((b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ", b"aax ", b"aaxc"))
_ATOMS = frozenset((b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))


def starts(*prefixes: bytes) -> Signature:
    """Return a test for files that begin with one of `prefixes`."""
    return lambda head: head.startswith(prefixes)


def matches(pattern: bytes) -> Signature:
    """Return a test for files whose beginning matches the regular expression `pattern`."""
    match = re.compile(pattern, re.DOTALL).match
    return lambda head: match(head) is not None


def riff(kind: bytes) -> Signature:
    """Return a test for RIFF files of one `kind`: the four bytes after the length."""
    return lambda head: head[:4] == b"RIFF" and head[8:12] == kind


def is_apple_double(head: bytes) -> bool:
    """Detect a `._` file that macOS writes beside a file on foreign disks: its attributes, never an image."""
    return head.startswith(b"\0\x05\x16\x07")


def is_png(head: bytes) -> bool:
    """Detect a PNG."""
    return head.startswith(b"\x89PNG\r\n\x1a\n")


def is_apng(head: bytes) -> bool:
    """Detect a PNG with an animation: the chunk that announces it comes before the pixels."""
    return is_png(head) and b"acTL" in head.partition(b"IDAT")[0]


def is_image_sequence(head: bytes) -> bool:
    """Detect an AVIF or HEIC file that holds a sequence of images, as a video does."""
    return any(brand in (b"avis", b"hevc", b"hevx", b"msf1") for brand in _brands(head)[:1])


def is_avif(head: bytes) -> bool:
    """Detect an AVIF file."""
    brands = _brands(head)
    return bool(brands) and (
        brands[0] in _AVIF_BRANDS or (brands[0] in (b"mif1", b"msf1") and not _AVIF_BRANDS.isdisjoint(brands))
    )


def is_heic(head: bytes) -> bool:
    """Detect a HEIC file."""
    brands = _brands(head)
    return bool(brands) and not is_avif(head) and (brands[0] in _HEIC_BRANDS or b"heic" in brands)


def is_mp4(head: bytes) -> bool:
    """Detect MP4, QuickTime and their relatives, except images and audio books."""
    brands = _brands(head)
    if not brands:
        return head[4:8] in _ATOMS and (head[:2] == b"\0\0" or head[4:8] == b"mdat")
    still = is_avif(head) or is_heic(head) or brands[0] in _RAW_BRANDS
    return not still and brands[0] not in _AUDIO_BRANDS and brands[0] not in (b"jp2 ", b"jpx ", b"jpm ")


def is_tiff(head: bytes) -> bool:
    """Detect a TIFF file that is not a RAW file of a camera."""
    return head.startswith(_TIFF_STARTS) and not is_raw(head)


def is_raw(head: bytes) -> bool:
    """Detect RAW files of cameras.

    Those that are TIFF files have a DNG version, or a small image first and a sensor's image in a folder below it.
    """
    if head.startswith((b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"\0MRM", b"FOVb", b"ARRI")):
        return True
    if head[6:14] in (b"HEAPCCDR",) or head[8:12] in (b"IIII", b"MMMM"):
        return True
    if any(brand in _RAW_BRANDS for brand in _brands(head)[:1]):
        return True
    if not head.startswith(_TIFF_STARTS):
        return False
    if head[8:10] == b"CR":
        return True
    tags = set(_tags(head))
    return _DNG_VERSION in tags or {_MAKE, _SUB_IFDS} <= tags


def is_ico(head: bytes) -> bool:
    """Detect icons: the first image comes after the list of all of them."""
    count = int.from_bytes(head[4:6], "little")
    offset = int.from_bytes(head[18:22], "little")
    return head.startswith(b"\0\0\1\0") and 0 < count <= 1024 and head[9:10] == b"\0" and offset >= 6 + 16 * count


def is_bmp(head: bytes) -> bool:
    """Detect a BMP: the size of its second header is one of few."""
    sizes = (12, 16, 40, 52, 56, 64, 108, 124)
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in sizes


def is_ogg_video(head: bytes) -> bool:
    """Detect an Ogg file with video."""
    return head.startswith(b"OggS") and any(word in head for word in (b"\x80theora", b"BBCD\0", b"\1video", b"OVP80"))


def is_mpeg_ts(head: bytes) -> bool:
    """Detect MPEG-TS: packets that begin with the same byte.

    They have 188 bytes, 192 on Blu-ray and AVCHD, or 204 with error correction.
    """
    for stride in (188, 192, 204):
        for first in range(stride):
            if head[first : first + 1] == b"G" and head[first::stride].count(b"G") == len(head[first::stride]) > 4:
                return True
    return False


def is_h264(head: bytes) -> bool:
    """Detect a raw H.264 stream: a start code, then an access unit delimiter or parameters."""
    kind = _after_start_code(head)
    return bool(kind) and not kind[0] & 0x80 and kind[0] & 0x1F in (7, 9)


def is_h265(head: bytes) -> bool:
    """Detect a raw HEVC stream: a start code, then an access unit delimiter or parameters."""
    kind = _after_start_code(head)
    return len(kind) > 1 and kind[1] == 1 and not kind[0] & 0x81 and kind[0] >> 1 in (32, 33, 35)


def _after_start_code(head: bytes) -> bytes:
    for code in (b"\0\0\0\1", b"\0\0\1"):
        if head.startswith(code):
            return head[len(code) : len(code) + 2]
    return b""


def _brands(head: bytes) -> list[bytes]:
    """Return the brands of an ISO base media file, the major one first; empty for other files."""
    if head[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]


def _tags(head: bytes) -> Iterator[int]:
    """Yield the tags of a TIFF file's first folder, as far as they are in `head`. None for BigTIFF."""
    order = "little" if head.startswith(b"II") else "big"
    at = int.from_bytes(head[4:8], order)  # type: ignore[arg-type]
    count = int.from_bytes(head[at : at + 2], order)  # type: ignore[arg-type]
    for entry in range(at + 2, min(at + 2 + 12 * count, len(head) - 1), 12):
        yield int.from_bytes(head[entry : entry + 2], order)  # type: ignore[arg-type]
