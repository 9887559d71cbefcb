"""The file of an index: the rows of a set of images, and what is known of each, ready to be memory-mapped.

After MAGIC come the length and the CRC-32 of a JSON header, the header, and arrays ("sections") on page boundaries:
vectors beside a table of paths, so that a million images are opened without being read. Each row has a checksum over all
that is known of it, which is compared when the row is reported or taken over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fastsim.errors import FastsimError, shown
from fastsim.files import owned
from fastsim.records.arrays import Float16Array, Int32Array, Int64Array, Uint8Array
from fastsim.records.files import Content, MediaFile, Snapshot
from fastsim.records.rows import Views

MAGIC = b"fastsim index 1\n"
_LENGTHS = "<u8"
_PAGE = 4096
_MOST_HEADER = 64 * 2**20
_NO_DIGEST = bytes(32)
_SECTIONS = {
    "vectors": ("<f2", 2), "views": ("<f2", 2), "path_end": ("<i8", 1), "paths": ("|u1", 1), "snapshots": ("<i8", 2),
    "digests": ("|u1", 2), "sizes": ("<i4", 2), "contents": ("<i4", 2), "checksums": ("<u4", 1),
}  # fmt: skip
"""Type and number of dimensions of each array."""


class DamagedIndexError(FastsimError):
    """An index that cannot be used: its reason stands in the message, after its path."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}; make it anew with fastsim index INPUT... --out FILE")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entries:
    """What an index knows of its images beside their vectors; n of them.

    paths: as `os.fsencode` gives them, ascending; snapshots: int64[n, 4], size, mtime, ctime (-1: unknown) and inode;
    digests: uint8[n, 32], zeros where the file was not hashed; sizes: int32[n, 2]; contents: int32[n, 4], views, frames,
    frames_total and kind of `Content`; damage: by row.
    """

    paths: Sequence[bytes]
    snapshots: Int64Array
    digests: Uint8Array
    sizes: Int32Array
    contents: Int32Array
    damage: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IndexFile:
    """An open index of n images. network: what made the vectors; vectors: float16[n, d], memory-mapped."""

    path: str
    network: Mapping[str, Any]
    vectors: Float16Array
    damage: Mapping[int, str]
    _sections: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.vectors)

    def views(self) -> Views | None:
        """Return the further rows of images that have several; None if there are none."""
        contents = self._sections["contents"]
        kind, count = np.ascontiguousarray(contents[:, 3]), contents[:, 0].astype(np.int64) - 1
        if not kind.any() and not count.any():
            return None
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
        return Views(kind, start, np.ascontiguousarray(self._sections["views"]))

    def raw_path(self, row: int) -> bytes:
        """Return the path of an image. Raises DamagedIndexError."""
        ends = self._sections["path_end"]
        start, stop = (int(ends[row - 1]) if row else 0), int(ends[row])
        if not 0 <= start <= stop <= len(self._sections["paths"]):
            raise DamagedIndexError(self.path, "the index is damaged")
        return self._sections["paths"][start:stop].tobytes()

    def file(self, row: int) -> MediaFile:
        """Return an image as it was when it was indexed, with `row` as its id. Raises DamagedIndexError."""
        self.check(row)
        path = os.fsdecode(self.raw_path(row))
        return MediaFile(row, path, os.path.dirname(path), replace(self.snapshot(row), digest=self.digest(row)))

    def snapshot(self, row: int) -> Snapshot:
        """Return size, times and inode number of an image when it was indexed."""
        size, mtime_ns, ctime_ns, inode = self._sections["snapshots"][row].tolist()
        return Snapshot(size, mtime_ns, inode, None if ctime_ns < 0 else ctime_ns)

    def raw_paths(self) -> list[bytes]:
        """Return the paths of all images. Raises DamagedIndexError."""
        whole, ends = self._sections["paths"].tobytes(), self._sections["path_end"].tolist()
        starts = [0, *ends][:-1]
        if any(not 0 <= start <= stop <= len(whole) for start, stop in zip(starts, ends, strict=True)):
            raise DamagedIndexError(self.path, "the index is damaged")
        return [whole[start:stop] for start, stop in zip(starts, ends, strict=True)]

    def digest(self, row: int) -> bytes | None:
        """Return BLAKE2b-256 of an image's bytes; None if it was not hashed."""
        digest = self._sections["digests"][row].tobytes()
        return None if digest == _NO_DIGEST else digest

    def size(self, row: int) -> tuple[int, int]:
        """Return width and height of an image in pixels."""
        width, height = self._sections["sizes"][row].tolist()
        return width, height

    def content(self, row: int) -> Content:
        """Return what the decoder learned about an image."""
        views, frames, total, kind = self._sections["contents"][row].tolist()
        return Content(views, frames, total, kind, self.damage.get(row, ""))

    def is_intact(self, row: int) -> bool:
        """Return whether a row has the checksum that it was written with."""
        try:
            return int(self._sections["checksums"][row]) == _checksum(self._row(row))
        except (DamagedIndexError, IndexError):
            return False

    def check(self, row: int) -> None:
        """Raise DamagedIndexError if a row is not as it was written."""
        if not self.is_intact(row):
            raise DamagedIndexError(self.path, "the index is damaged")

    def entry(self, row: int) -> tuple[NDArray[Any], ...]:
        """Return snapshot, digest, size and content of a row, as they are stored."""
        return tuple(self._sections[name][row] for name in ("snapshots", "digests", "sizes", "contents"))

    def view_rows(self, row: int, starts: Int64Array) -> Float16Array:
        """Return the views of a row; starts: `view_starts` of the index."""
        return np.asarray(self._sections["views"][int(starts[row]) : int(starts[row + 1])])

    def view_starts(self) -> Int64Array:
        """Return int64[n + 1]: where the views of each row begin."""
        count = self._sections["contents"][:, 0].astype(np.int64) - 1
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])

    def _row(self, row: int) -> Iterator[bytes]:
        yield self.raw_path(row)
        for part in self.entry(row):
            yield part.tobytes()
        yield self.vectors[row].tobytes()
        yield self.damage.get(row, "").encode("utf-8", "surrogatepass")


def is_index(path: str) -> bool:
    """Return whether a file begins as an index does."""
    try:
        with open(path, "rb") as file:
            return file.read(len(owned.INDEX.start)) == owned.INDEX.start
    except OSError:
        return False


def open_index(path: str) -> IndexFile:
    """Open the index at `path`. Raises FastsimError: no file, no index, damaged, or of another version."""
    try:
        with open(path, "rb") as file:
            header, at = _read_header(file, path)
            whole = os.fstat(file.fileno()).st_size
        sections = {name: _mapped(path, header, name, at, whole) for name in _SECTIONS}
    except OSError as error:
        raise FastsimError(f"{shown(path)}: {(error.strerror or str(error)).lower()}; name an index") from None
    except (KeyError, TypeError, ValueError):
        raise DamagedIndexError(path, "the index is damaged") from None
    _check_shapes(path, sections)
    if crc32(sections["views"].tobytes()) != header.get("views_checksum"):
        raise DamagedIndexError(path, "the index is damaged")
    damage = {int(row): str(text) for row, text in header["damage"].items()}
    return IndexFile(path, header["network"], sections["vectors"], damage, sections)


def _read_header(file: IO[bytes], path: str) -> tuple[dict[str, Any], int]:
    """Return the header and where the sections begin."""
    magic = file.read(len(MAGIC))
    if magic[: len(owned.INDEX.start)] != owned.INDEX.start:
        raise DamagedIndexError(path, "not an index of fastsim")
    if magic != MAGIC:
        raise DamagedIndexError(path, "an index of another version of fastsim")
    numbers = np.frombuffer(file.read(16), _LENGTHS)
    if len(numbers) < 2 or numbers[0] > _MOST_HEADER:
        raise DamagedIndexError(path, "the index is damaged")
    text = file.read(int(numbers[0]))
    if len(text) != numbers[0] or crc32(text) != numbers[1]:
        raise DamagedIndexError(path, "the index is damaged")
    header = json.loads(text)
    if not isinstance(header, dict) or not isinstance(header["damage"], dict):
        raise DamagedIndexError(path, "the index is damaged")
    return header, _padded(len(MAGIC) + 16 + len(text))


def _mapped(path: str, header: Mapping[str, Any], name: str, base: int, whole: int) -> NDArray[Any]:
    offset, shape = header["sections"][name]
    kind, dimensions = _SECTIONS[name]
    shape = tuple(int(one) for one in shape)
    bytes_ = int(np.prod(shape, dtype=object)) * np.dtype(kind).itemsize
    if len(shape) != dimensions or min(shape, default=0) < 0 or not 0 <= offset <= offset + bytes_ <= whole - base:
        raise DamagedIndexError(path, "the index is cut short or damaged")
    if not bytes_:
        return np.empty(shape, kind)
    return np.memmap(path, kind, "r", base + int(offset), shape).view(np.ndarray)


def _check_shapes(path: str, sections: Mapping[str, NDArray[Any]]) -> None:
    n, width = sections["vectors"].shape
    expected = {
        "path_end": (n,), "snapshots": (n, 4), "digests": (n, 32), "sizes": (n, 2), "contents": (n, 4), "checksums": (n,),
    }  # fmt: skip
    count = sections["contents"][:, 0] - 1 if n else np.zeros(0, np.int32)
    fits = all(sections[name].shape == shape for name, shape in expected.items())
    if not fits or bool((count < 0).any()) or sections["views"].shape != (int(count.sum(dtype=np.int64)), width):
        raise DamagedIndexError(path, "the index is damaged")


def write_index(
    stream: IO[bytes],
    network: Mapping[str, object],
    entries: Entries,
    vectors: Iterable[Float16Array],
    views: Float16Array,
) -> None:
    """Write an index.

    vectors: float16[k, d] each, together those of all images, in order; none of them is copied as a whole.
    """
    n, width = len(entries.paths), views.shape[1]
    paths = b"".join(entries.paths)
    small: dict[str, NDArray[Any]] = {
        "path_end": np.cumsum([len(path) for path in entries.paths], dtype=np.int64) if n else np.empty(0, np.int64),
        "paths": np.frombuffer(paths, np.uint8), "snapshots": entries.snapshots, "digests": entries.digests,
        "sizes": entries.sizes, "contents": entries.contents, "views": views,
    }  # fmt: skip
    shapes = {"vectors": (n, width), **{name: array.shape for name, array in small.items()}, "checksums": (n,)}
    sections: dict[str, tuple[int, tuple[int, ...]]] = {}
    at = 0
    for name, shape in shapes.items():
        sections[name] = (at, shape)
        at = _padded(at + int(np.prod(shape)) * np.dtype(_SECTIONS[name][0]).itemsize)
    header = {
        "note": owned.NOTE, "network": network, "sections": sections, "views_checksum": crc32(_bytes("views", views)),
        "damage": {str(row): text for row, text in entries.damage.items()},
    }  # fmt: skip
    text = json.dumps(header).encode("ascii")
    stream.write(MAGIC + np.array([len(text), crc32(text)], _LENGTHS).tobytes() + text)
    _pad(stream)
    checksums = np.empty(n, np.uint32)
    row = 0
    for part in vectors:
        stream.write(np.ascontiguousarray(part, "<f2").tobytes())
        for one in part:
            known = (entries.snapshots[row], entries.digests[row], entries.sizes[row], entries.contents[row])
            damage = entries.damage.get(row, "").encode("utf-8", "surrogatepass")
            checksums[row] = _checksum((entries.paths[row], *(b.tobytes() for b in known), one.tobytes(), damage))
            row += 1
    for name, array in (*small.items(), ("checksums", checksums)):
        _pad(stream)
        stream.write(_bytes(name, array))


def _bytes(name: str, array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array, _SECTIONS[name][0]).tobytes()


def _checksum(parts: Iterable[bytes]) -> int:
    value = 0
    for part in parts:
        value = crc32(part, value)
    return value


def _padded(length: int) -> int:
    return -(-length // _PAGE) * _PAGE


def _pad(stream: IO[bytes]) -> None:
    stream.write(bytes(-stream.tell() % _PAGE))
