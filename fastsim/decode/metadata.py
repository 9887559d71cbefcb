"""What a file says of its image in EXIF, in words for a person."""

from __future__ import annotations

from typing import Any

from fastsim.decode.libraries import PILLOW_FORMATS, Image, configured, plug_in
from fastsim.inputs.formats import PILLOW_HEIF, by_suffix

_EXIF, _GPS = 0x8769, 0x8825
_MAIN = {0x010F: "make", 0x0110: "model", 0x0131: "software", 0x0132: "changed"}
_SHOT = {
    0x9003: "taken", 0x829A: "exposure", 0x829D: "aperture", 0x8827: "iso", 0x920A: "focal length", 0xA434: "lens",
}  # fmt: skip
_LONGEST = 80


def read_exif(path: str) -> dict[str, str]:
    """Return what EXIF says: make, model, taken, exposure, aperture, iso, position and the like; empty without EXIF."""
    form = by_suffix(path)
    names = PILLOW_FORMATS
    if form is not None and form.reader == PILLOW_HEIF:
        names = (*names, *plug_in(PILLOW_HEIF))
    try:
        with configured(), Image.open(path, formats=names) as image:
            exif = image.getexif()
            found = {**_words(exif, _MAIN), **_words(exif.get_ifd(_EXIF), _SHOT)}
            gps = exif.get_ifd(_GPS)
            position = _position(gps)
    except Exception:  # an attachment: whatever is wrong with it, the image is shown
        return {}
    if position:
        found["position"] = position
    return found


def _words(tags: Any, names: dict[int, str]) -> dict[str, str]:
    found = {}
    for tag, name in names.items():
        value = tags.get(tag)
        if value in (None, "", b""):
            continue
        if name == "exposure":
            value = f"1/{round(1 / float(value))} s" if 0 < float(value) < 1 else f"{float(value):g} s"
        elif name == "aperture":
            value = f"f/{float(value):g}"
        elif name == "focal length":
            value = f"{float(value):g} mm"
        text = str(value).strip("\0 ")
        if text.isprintable() and text:
            found[name] = text[:_LONGEST]
    return found


def _position(gps: Any) -> str:
    """`48.2082, 16.3738`, or empty."""
    found = []
    for value, sign, negative in ((gps.get(2), gps.get(1), "S"), (gps.get(4), gps.get(3), "W")):
        if value is None:
            return ""
        degrees, minutes, seconds = (float(part) for part in value)
        number = degrees + minutes / 60 + seconds / 3600
        found.append(f"{-number if sign == negative else number:.4f}")
    return ", ".join(found)
