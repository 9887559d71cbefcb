"""Decide whether a file is an image or a video, by its name if that is enough, else by its first bytes."""

from __future__ import annotations

from typing import IO

from fastsim.inputs.archives import open_source
from fastsim.inputs.formats import NEVER_LOOKED_INTO, SHARED_SUFFIXES, Format, Kind, by_content, by_suffix, suffix_of
from fastsim.inputs.signatures import HEAD_BYTES, is_apng, is_apple_double, is_image_sequence

_MOVING = frozenset(("GIF", "PNG", "AVIF", "HEIC"))
"""Image formats that FFmpeg plays if they have several frames."""


def recognise(path: str, name: str, kind: Kind) -> Format | None:
    """Return the format of the file `path`, called `name`, if it is one of `kind`; None for any other file.

    A suffix that only one format has is trusted, and the file is not opened. An animated image is a video, too. Raises
    OSError for a file that has to be opened and cannot be.
    """
    suffix = suffix_of(name)
    found = by_suffix(name)
    if suffix in NEVER_LOOKED_INTO:
        return None
    shadow = name.startswith("._")
    if found is not None and not shadow and suffix not in SHARED_SUFFIXES and not _may_move(found, kind):
        return found if found.kind == kind else None
    with open_source(path) as stream:
        head = stream.read(HEAD_BYTES)
        if is_apple_double(head):
            return None
        if found is None or suffix in SHARED_SUFFIXES:
            found = by_content(head)
        if found is not None and _may_move(found, kind):
            return found if _moves(head, stream) else None
    return found if found is not None and found.kind == kind else None


def _may_move(found: Format, kind: Kind) -> bool:
    return kind == Kind.VIDEO and found.name in _MOVING


def _moves(head: bytes, stream: IO[bytes]) -> bool:
    if head.startswith(b"GIF8"):
        stream.seek(0)
        return _gif_moves(stream)
    return is_apng(head) or is_image_sequence(head)


def _gif_moves(stream: IO[bytes]) -> bool:
    """Return whether a GIF has a second frame; reads no further than that."""
    header = stream.read(13)
    if len(header) < 13:
        return False
    _skip_colours(stream, header[10])
    pictures = 0
    while block := stream.read(1):
        if block == b"\x2c":
            pictures += 1
            place = stream.read(9)
            if pictures == 2:
                return True
            if len(place) < 9:
                return False
            _skip_colours(stream, place[8])
            stream.read(1)
        elif block == b"\x21":
            stream.read(1)
        else:
            return False
        while length := stream.read(1):
            if length == b"\0":
                break
            stream.seek(length[0], 1)
    return False


def _skip_colours(stream: IO[bytes], flags: int) -> None:
    """Skip a GIF's colour table, if `flags` announce one."""
    if flags & 0x80:
        stream.seek(3 << ((flags & 7) + 1), 1)
