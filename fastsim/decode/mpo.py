"""Find further images in one JPEG file (MPO): stereo pairs and bursts, but not previews, gain maps and depth maps."""

from __future__ import annotations

import io
from typing import Any

from fastsim.decode.libraries import Image

COPY = 2.0
"""In 8-bit levels: images that differ by less on average are copies of one."""
_MOST = 16
_ENTRIES = 0xB002
_GAIN_MAPS = (b"hdrgm:", b"GainMap", b"urn:iso:std:iso:ts:21496", b"apdi:AuxiliaryImageType", b"GDepth", b"Depth:Data")
_HEADER = 1 << 18


def further_pictures(data: bytes, header: Any) -> list[bytes]:
    """Return the JPEGs after the first one that a viewer would regard as images.

    These are the ones that the file declares as frames (stereo, panorama, burst), and those of an undeclared kind that
    are as large as the first. Previews, gain maps and depth maps are not; viewers show the first image.
    """
    entries = (getattr(header, "mpinfo", None) or {}).get(_ENTRIES) or []
    base = data.find(b"MPF\0", 0, _HEADER) + 4  # the offsets are relative to this
    found = []
    for entry in entries[1:_MOST]:
        kind = str(entry["Attribute"].get("MPType", ""))
        start = int(entry["DataOffset"]) + base
        part = data[start : start + int(entry["Size"])]
        if part[:2] != b"\xff\xd8" or not (kind.startswith("Multi-Frame") or _is_like_first(part, data, header)):
            continue
        found.append(part)
    return found


def _is_like_first(part: bytes, data: bytes, header: Any) -> bool:
    if any(mark in part[:_HEADER] or mark in data[:_HEADER] for mark in _GAIN_MAPS):
        return False
    try:
        return bool(Image.open(io.BytesIO(part), formats=("JPEG",)).size == header.size)
    except OSError:
        return False
