"""List the members of an uncompressed tar: ustar, pax and GNU names. Nothing is unpacked.

Every header has a checksum, the next one lies behind the data, and what a header says is held against the size of the
file, so that a list ends and takes bounded memory whatever the bytes are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO

from fastsim.inputs.archives.members import ArchiveError, Member

_BLOCK = 512
_MOST_EXTENSION = 2**20
"""Bytes of a pax header or a long name."""
_KINDS = {
    b"1": "a hard link in an archive", b"2": "a symbolic link in an archive", b"3": "a device in an archive",
    b"4": "a device in an archive", b"6": "a FIFO in an archive", b"S": "a sparse file in an archive",
}  # fmt: skip
"""Types of members that are refused, and what is said of them."""


def members(stream: IO[bytes]) -> Iterator[Member | tuple[str, str]]:
    """Yield the files of a tar, and (name, reason) of what is refused. Raises ArchiveError, OSError."""
    end = stream.seek(0, os.SEEK_END)
    at, long_name, pax = 0, b"", dict[bytes, bytes]()
    while at + _BLOCK <= end:
        stream.seek(at)
        header = stream.read(_BLOCK)
        if header.count(0) == _BLOCK:
            return
        if not _is_header(header):
            raise ArchiveError("not a tar archive" if at == 0 else f"damaged at byte {at:,}")
        kind, data, size = header[156:157], at + _BLOCK, _size(header, pax)
        at = data + -(-size // _BLOCK) * _BLOCK
        if kind in (b"x", b"g", b"L", b"K"):
            extension = _extension(stream, data, size)
            if kind == b"x":
                pax = _records(extension)
            elif kind == b"L":
                long_name = extension.rstrip(b"\0")
            continue
        name = os.fsdecode(pax.get(b"path") or long_name or _own_name(header)).removeprefix("./").rstrip("/")
        sparse = any(key.startswith(b"GNU.sparse") for key in pax)
        long_name, pax = b"", {}
        if kind in (b"0", b"\0", b"7") and not sparse:
            yield Member(name, size, data) if data + size <= end else (name, "cut short: the archive ends in it")
        elif kind != b"5":
            yield name, _KINDS.get(b"S" if sparse else kind, "no plain file in an archive")
    if at > end or end - at < _BLOCK <= end:
        return  # without the zeros that mark the end, as some programs write it
    raise ArchiveError("empty" if end == 0 else "not a tar archive")


def _is_header(header: bytes) -> bool:
    """Return whether the checksum of a header is right; old programs added signed bytes."""
    try:
        told = int(header[148:156].strip(b" \0") or b"0", 8)
    except ValueError:
        return False
    blank = header[:148] + b" " * 8 + header[156:]
    return told in (sum(blank), sum(blank) - 256 * sum(byte > 127 for byte in blank))


def _size(header: bytes, pax: dict[bytes, bytes]) -> int:
    """Return how many bytes a member has. Raises ArchiveError."""
    field = header[124:136]
    try:
        if b"size" in pax and header[156:157] not in b"xgLK":
            size = int(pax[b"size"])
        elif field[0] & 0x80:  # base 256, for 8 GiB and more
            size = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        else:
            size = int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise ArchiveError("damaged: a size that is no number") from None
    if not 0 <= size < 2**63:
        raise ArchiveError("damaged: a size that cannot be")
    return size


def _extension(stream: IO[bytes], at: int, size: int) -> bytes:
    if size > _MOST_EXTENSION:
        raise ArchiveError(f"a header of {size:,} bytes, more than the limit of {_MOST_EXTENSION:,}")
    stream.seek(at)
    return stream.read(size)


def _records(extension: bytes) -> dict[bytes, bytes]:
    """Return the records of a pax header: `LENGTH KEY=VALUE` and a newline each. Raises ArchiveError."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(extension):
        digits, space, _ = extension[at : at + 12].partition(b" ")
        if not space or not digits.isdigit() or not len(digits) + 1 < int(digits) <= len(extension) - at:
            raise ArchiveError("damaged: a header that cannot be read")
        key, _, value = extension[at + len(digits) + 1 : at + int(digits) - 1].partition(b"=")
        found[key] = value
        at += int(digits)
    return found


def _own_name(header: bytes) -> bytes:
    name, prefix = header[:100].split(b"\0", 1)[0], header[345:500].split(b"\0", 1)[0]
    return prefix + b"/" + name if header[257:262] == b"ustar" and header[263:265] == b"00" and prefix else name
