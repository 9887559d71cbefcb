"""Read many files into one array, with their headers and digests: little of it in Python, most of it without the GIL.

The decoders do not use it yet; bench/host.py shows what it saves.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fastsim.errors import reason_of
from fastsim.inputs.headers import Header, offsets, read_headers
from fastsim.records.arrays import Int64Array, Uint8Array

Digest = Callable[[memoryview], bytes]
"""Digest of a file's bytes; it releases the GIL, like those of hashlib and blake3."""
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class Arena(NamedTuple):
    """Files one after the other: file k is data[start[k] : start[k + 1]], and `views` has each without a copy.

    reasons: {k: why file k could not be read}; such a file has no bytes, a header of kind 0, and an empty digest.
    """

    data: Uint8Array
    start: Int64Array
    headers: list[Header]
    digests: list[bytes]
    reasons: dict[int, str]

    def views(self) -> list[Uint8Array]:
        """Return uint8[bytes] of each file."""
        ends = self.start.tolist()
        return [self.data[a:b] for a, b in pairwise(ends)]


def groups(sizes: Sequence[int], *, most_files: int, most_bytes: int) -> list[slice]:
    """Group files for one arena each: at most `most_files` of at most `most_bytes` together, or one larger file."""
    runs, first, total = list[slice](), 0, 0
    for k, size in enumerate(sizes):
        if k > first and (k - first == most_files or total + size > most_bytes):
            runs.append(slice(first, k))
            first, total = k, 0
        total += size
    return [*runs, slice(first, len(sizes))] if sizes else []


def read_files(paths: Sequence[str], digest: Digest | None = None) -> Arena:
    """Read whole files into one array; a file that cannot be read does not affect others. `digest` None: no digests."""
    reasons: dict[int, str] = {}
    opened = [_opened(path, k, reasons) for k, path in enumerate(paths)]
    sizes = [size for _, size in opened]
    start = offsets(sizes)
    data = np.empty(int(start[-1]), np.uint8)
    whole, at = data.data, 0
    for k, (descriptor, size) in enumerate(opened):
        if size and not _fill(descriptor, whole[at : at + size], k, reasons):
            sizes[k] = 0
        at += size
    if any(k in reasons for k, (_, size) in enumerate(opened) if size):
        data, start = _without_gaps(data, start, sizes)
    ends, whole = start.tolist(), data.data
    found = [digest(whole[a:b]) if b > a else b"" for a, b in pairwise(ends)] if digest else []
    return Arena(data, start, read_headers(data, start), found, reasons)


def _opened(path: str, k: int, reasons: dict[int, str]) -> tuple[int, int]:
    """Return (descriptor, bytes), or (-1, 0) with the reason if there is nothing to read."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        reasons[k] = reason_of(error)
        return -1, 0
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size:
        return descriptor, status.st_size
    reasons[k] = "empty file" if stat.S_ISREG(status.st_mode) else "not a regular file"
    os.close(descriptor)
    return -1, 0


def _fill(descriptor: int, into: memoryview, k: int, reasons: dict[int, str]) -> bool:
    """Read until `into` is full, and close the file. Return False, with the reason, if it cannot be filled."""
    done = 0
    try:
        while done < len(into):
            count = os.readv(descriptor, [into[done:]]) if hasattr(os, "readv") else _read_copy(descriptor, into[done:])
            if not count:
                raise OSError(0, "it became shorter while it was read")
            done += count
    except OSError as error:
        reasons[k] = reason_of(error)
        return False
    finally:
        os.close(descriptor)
    return True


def _read_copy(descriptor: int, into: memoryview) -> int:
    """Read on systems without readv (Windows)."""
    part = os.read(descriptor, min(len(into), 1 << 24))
    into[: len(part)] = part
    return len(part)


def _without_gaps(data: Uint8Array, start: Int64Array, sizes: list[int]) -> tuple[Uint8Array, Int64Array]:
    """Move the files together if some turned out to have no bytes."""
    kept = [data[at : at + size] for at, size in zip(start.tolist(), sizes, strict=False)]
    return np.concatenate(kept), offsets(sizes)
