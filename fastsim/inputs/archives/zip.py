"""List and read the members of a zip (or cbz): stored and deflated ones. Nothing is unpacked to disk."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import IO, cast

from fastsim.inputs.archives.members import ArchiveError, Member

_LOCAL = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1
_MOST_LIST = 96 * 2**20
"""Bytes of the list of members: zipfile reads it whole, and takes about eight times as much memory."""


class _Bounded:
    """The stream of an archive as zipfile reads it. A list of members that is too long is refused before it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or all. Raises ArchiveError."""
        if size > _MOST_LIST:
            raise ArchiveError(
                f"its list of members says that it has {size:,} bytes, more than the limit of {_MOST_LIST:,}"
            )
        return self._stream.read(size)


def members(stream: IO[bytes]) -> Iterator[Member | tuple[str, str]]:
    """Yield the files of a zip, and (name, reason) of what is refused. Raises ArchiveError, OSError."""
    try:
        with zipfile.ZipFile(cast(IO[bytes], _Bounded(stream))) as archive:
            entries = [one for one in archive.infolist() if not one.filename.endswith("/")]  # is_dir needs a name
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise ArchiveError(f"not a zip archive, or damaged ({str(error) or type(error).__name__})") from None
    places = sorted((one.header_offset, one.compress_size) for one in entries)
    if any(at + _LOCAL.size + size > after for (at, size), (after, _) in pairwise(places)):
        raise ArchiveError("its members lie over each other, as in a bomb")
    for one in entries:
        if one.flag_bits & _ENCRYPTED:
            yield one.filename, "encrypted"
        elif one.external_attr >> 28 == 0xA:
            yield one.filename, "a symbolic link in an archive"
        elif one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield one.filename, "compressed by another method than deflate; pack the archive anew"
        else:
            deflated = one.compress_type == zipfile.ZIP_DEFLATED
            yield Member(one.filename, one.file_size, one.header_offset, one.compress_size, deflated, one.CRC)


def data_offset(stream: IO[bytes], member: Member) -> int:
    """Return where the bytes of a member begin. Raises OSError."""
    stream.seek(member.offset)
    local = stream.read(_LOCAL.size)
    if len(local) < _LOCAL.size or not local.startswith(b"PK\3\4"):
        raise OSError(0, "damaged: a member of the archive is not where its list says")
    _, name, extra = _LOCAL.unpack(local)
    return member.offset + _LOCAL.size + int(name) + int(extra)


def inflated(packed: bytes, member: Member) -> bytes:
    """Return the bytes of a deflated member, never more than its list says. Raises OSError."""
    try:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.size + 1)
    except zlib.error as error:
        raise OSError(0, f"damaged in the archive ({error})") from None
    if len(data) != member.size or zlib.crc32(data) != member.checksum:
        raise OSError(0, "damaged in the archive: not the bytes that its list tells of")
    return data
