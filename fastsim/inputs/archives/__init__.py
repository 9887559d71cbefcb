"""Images inside archives: tar (as WebDataset writes it), zip and cbz, read in place.

A member is named like a file: `shard.tar::000017.jpg`. Its bytes are read from the archive where they are; nothing is
unpacked, and no name of a member is ever a path on disk.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import IO

from fastsim.errors import UsageError, shown
from fastsim.inputs.archives import tar, zip  # noqa: A004
from fastsim.inputs.archives.members import ArchiveError, Member, Members, collected
from fastsim.inputs.formats import suffix_of
from fastsim.records.files import MEMBER

_LISTS = {".tar": tar.members, ".zip": zip.members, ".cbz": zip.members}
_PACKED = (".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".cbr", ".cb7", ".cbt", ".parquet")
_KEPT = 64
"""Archives whose lists of members are remembered."""


def is_archive(path: str) -> bool:
    """Return whether a file is read as an archive, by its name."""
    return suffix_of(os.path.basename(path)) in _LISTS


def unread_archive(path: str) -> str | None:
    """Return why an archive of another kind is not read; None for any other file."""
    suffix = suffix_of(os.path.basename(path))
    if suffix not in _PACKED:
        return None
    if suffix == ".parquet":
        return "Parquet files are not read; write the images to a folder, a tar or a zip"
    return "archives of this kind cannot be read in place; unpack it, or pack it as .tar or .zip"


def list_members(path: str) -> Members:
    """Return the files of an archive. Raises ArchiveError, OSError."""
    status = os.stat(path)
    return _listed(path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(_KEPT)
def _listed(path: str, size: int, mtime_ns: int, inode: int) -> Members:
    """Return the list of an archive; size, time and inode number make another file another list."""
    del size, mtime_ns, inode
    with open(path, "rb") as stream:
        return collected(_LISTS[suffix_of(os.path.basename(path))](stream))


def open_source(path: str) -> IO[bytes]:
    """Open an image for reading and seeking: a file, or a member of an archive. Raises OSError."""
    try:
        return open(path, "rb")
    except (FileNotFoundError, NotADirectoryError):
        if MEMBER not in path:
            raise
    archive, name = split_member(path)
    try:
        member = list_members(archive).found.get(name)
    except ArchiveError as error:
        raise OSError(0, f"its archive: {error}") from None
    if member is None:
        raise FileNotFoundError(2, "no such file in the archive")
    return _opened(archive, member)


def split_member(path: str) -> tuple[str, str]:
    """Return the path of an archive and the name of a file in it. Raises FileNotFoundError if there is no such archive."""
    archive, separator, name = path.partition(MEMBER)
    while separator and not (is_archive(archive) and os.path.isfile(archive)):  # it may stand in the name of a folder
        more, separator, name = name.partition(MEMBER)
        archive += MEMBER + more
    if not separator:
        raise FileNotFoundError(2, "no such file or folder")
    return archive, name


def _opened(archive: str, member: Member) -> IO[bytes]:
    stream = open(archive, "rb", buffering=0)  # noqa: SIM115
    try:
        start = member.offset if member.packed is None else zip.data_offset(stream, member)
        if not member.deflated:
            return io.BufferedReader(_Window(stream, start, member.size))
        stream.seek(start)
        packed = stream.read(member.packed or 0)
        stream.close()
        return io.BytesIO(zip.inflated(packed, member))
    except BaseException:
        stream.close()
        raise


class _Window(io.RawIOBase):
    """The bytes start .. start + size - 1 of a file, as a file of its own."""

    def __init__(self, stream: IO[bytes], start: int, size: int) -> None:
        super().__init__()
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: object) -> int:
        into = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        self._stream.seek(self._start + self._at)
        data = self._stream.read(max(0, min(len(into), self._size - self._at)))
        into[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def refuse_archives(paths: Iterable[str]) -> None:
    """Refuse to copy, move or remove members of archives. Raises UsageError."""
    for path in paths:
        with suppress(FileNotFoundError):
            archive = path if is_archive(path) and os.path.isfile(path) else split_member(path)[0]
            raise UsageError(
                f"{shown(archive)}: an archive, whose files are read and never changed; use --mode list or --dry-run, or "
                "unpack it"
            )
