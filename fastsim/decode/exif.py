"""Read what EXIF says of an image besides its orientation."""

from __future__ import annotations

from typing import Any

from fastsim.decode.libraries import PILLOW_FORMATS, Image, plug_in
from fastsim.inputs.formats import PILLOW_HEIF, PILLOW_JXL, by_suffix

_MAKE, _MODEL, _EXIF_IFD, _GPS_IFD = 0x010F, 0x0110, 0x8769, 0x8825
_TAKEN = (0x9003, 0x9004)
"""DateTimeOriginal, DateTimeDigitized (Exif 3.0, 4.6.6)."""
_LATITUDE, _LONGITUDE = 2, 4


def count_facts(path: str) -> int:
    """Count which of date taken, position and camera the file `path` records: 0 to 3. Pixels are not decoded.

    0 where the file can't be read, or has no EXIF that Pillow finds.
    """
    try:
        with Image.open(path, formats=(*PILLOW_FORMATS, *_plugged_in(path))) as image:
            exif = image.getexif()
            taken, place = exif.get_ifd(_EXIF_IFD), exif.get_ifd(_GPS_IFD)
    except Exception:  # EXIF is an attachment: a damaged one is as good as none
        return 0
    facts = (
        any(_is_there(taken.get(tag)) for tag in _TAKEN),
        _LATITUDE in place and _LONGITUDE in place,
        _is_there(exif.get(_MAKE)) or _is_there(exif.get(_MODEL)),
    )
    return sum(facts)


def _plugged_in(path: str) -> tuple[str, ...]:
    found = by_suffix(path)
    return plug_in(found.reader) if found is not None and found.reader in (PILLOW_HEIF, PILLOW_JXL) else ()


def _is_there(value: Any) -> bool:
    """Whether a text says something: cameras whose clock was never set write blanks and zeros."""
    return bool(value) and str(value).strip(" \0:0/-") != ""
