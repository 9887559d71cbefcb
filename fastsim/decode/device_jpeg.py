"""Tell the JPEGs that a device decodes to the same pixels as the cpu backend."""

from __future__ import annotations

import io
from collections.abc import Iterator

from fastsim.decode.colour import changes
from fastsim.decode.libraries import MAX_PIXELS, Image
from fastsim.inputs.headers import ENDS, JPEG, read_header

_PROFILE, _SEVERAL = b"ICC_", b"MPF\0"
"""How the APP2 segments of a colour profile, and of a list of further images in the file, begin."""
_MARK, _APP2, _SCAN = 0xFF, 0xE2, 0xDA
"""Of the markers of a JPEG: their first byte; the second of APP2, and of the start of the image data."""


def device_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height, as a viewer shows them, of a JPEG that the device decodes as the cpu backend would.

    Returns None for all other files: other formats, CMYK, files without an end marker (truncated ones) or with several
    images, profiles that change colours, and headers that only a full decoder can judge.
    """
    header = read_header(data)
    if header.kind != JPEG or not header.flags & ENDS or header.channels not in (1, 3) or header.bits != 8:
        return None
    if header.width * header.height > MAX_PIXELS:
        return None
    more = set(_second_segments(data))
    if _SEVERAL in more or (_PROFILE in more and _changes_colours(data)):
        return None
    return header.shown


def _second_segments(data: bytes) -> Iterator[bytes]:
    """Yield the first bytes of each APP2 segment before the image data."""
    at = 2
    while at + 4 <= len(data) and data[at] == _MARK and data[at + 1] != _SCAN:
        if data[at + 1] == _MARK:  # padding
            at += 1
            continue
        if data[at + 1] == _APP2:
            yield data[at + 4 : at + 8]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _changes_colours(data: bytes) -> bool:
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
    except Exception:  # the cpu backend reports what is wrong with it
        return True
    return changes(image.info.get("icc_profile"), image.mode)
