"""Which file of a group is kept: rules as small functions, one order for all files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np

from fastsim.errors import UsageError
from fastsim.records import Int32Array, Int64Array, MediaFile

_Rule = Callable[[Sequence[MediaFile], Int32Array], Int64Array]


def _largest(files: Sequence[MediaFile], sizes: Int32Array) -> Int64Array:
    """Most bytes first."""
    del sizes
    return -np.fromiter((file.snapshot.size for file in files), np.int64, len(files))


def _resolution(files: Sequence[MediaFile], sizes: Int32Array) -> Int64Array:
    """Most pixels first."""
    del files
    return -(sizes[:, 0].astype(np.int64) * sizes[:, 1])


def _newest(files: Sequence[MediaFile], sizes: Int32Array) -> Int64Array:
    """Last modified first."""
    return -_oldest(files, sizes)


def _oldest(files: Sequence[MediaFile], sizes: Int32Array) -> Int64Array:
    """First modified first."""
    del sizes
    return np.fromiter((file.snapshot.mtime_ns for file in files), np.int64, len(files))


def _path(files: Sequence[MediaFile], sizes: Int32Array) -> Int64Array:
    """First by the bytes of the path: the same on every machine, whatever its language."""
    del sizes
    paths = [os.fsencode(file.path) for file in files]
    rank = np.empty(len(files), np.int64)
    rank[sorted(range(len(files)), key=paths.__getitem__)] = np.arange(len(files))
    return rank


POLICIES: dict[str, _Rule] = {
    "largest": _largest,
    "resolution": _resolution,
    "newest": _newest,
    "oldest": _oldest,
    "path": _path,
}
"""Each gives int64[n], the lowest kept first. A tie goes to the rules after it in this order, and `path` ends it."""


def keep_order(files: Sequence[MediaFile], sizes: Int32Array, policy: str) -> Int64Array:
    """The rank of each file, int64[n], a permutation: 0 is kept before all others.

    files: those of the embedding rows, in row order; sizes: int32[n, 2], width and height in pixels; policy: a key of
    `POLICIES`. Raises UsageError for another word.
    """
    if policy not in POLICIES:
        raise UsageError(f"--keep {policy}: {', '.join(POLICIES)} is allowed")
    names = list(POLICIES)
    rules = [POLICIES[name] for name in names[names.index(policy) :]]
    order = np.lexsort([rule(files, sizes) for rule in reversed(rules)])
    rank = np.empty(len(files), np.int64)
    rank[order] = np.arange(len(files))
    return rank
