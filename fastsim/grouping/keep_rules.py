"""Which file of a group is kept: rules as small functions, one order for all files, and the rule that decided."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fastsim.errors import UsageError
from fastsim.inputs.copy_names import copy_marks
from fastsim.inputs.names import folded_name
from fastsim.records import Group, Int32Array, Int64Array, MediaFile

_Rule = Callable[[Sequence[MediaFile], Int32Array], Int64Array]

DEFAULT = "largest"


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


def _original(files: Sequence[MediaFile], sizes: Int32Array) -> Int64Array:
    """The name with the fewest marks of a copy first."""
    del sizes
    base = [os.path.basename(file.path) for file in files]
    names = {folded_name(name) for name in base}
    return np.fromiter((copy_marks(name, names) for name in base), np.int64, len(files))


def _shortest(files: Sequence[MediaFile], sizes: Int32Array) -> Int64Array:
    """The shortest path first."""
    del sizes
    return np.fromiter((len(file.path) for file in files), np.int64, len(files))


def _equal(files: Sequence[MediaFile], sizes: Int32Array) -> Int64Array:
    """No file before another one: what is a crop of another file, verification knows."""
    del sizes
    return np.zeros(len(files), np.int64)


UNCROPPED = "uncropped"
"""The policy that needs verification: of a picture and its crop, the picture stays."""

POLICIES: dict[str, _Rule] = {
    "largest": _largest,
    "resolution": _resolution,
    "newest": _newest,
    "oldest": _oldest,
    "path": _path,
    UNCROPPED: _equal,
}
"""The values of --keep. Each rule gives int64[n], the lowest kept first."""

_TIES: tuple[tuple[str, _Rule], ...] = (
    ("largest", _largest),
    ("resolution", _resolution),
    ("original", _original),
    ("oldest", _oldest),
    ("shortest", _shortest),
    ("path", _path),
)
"""What decides between files that the chosen policy takes for equal, in this order."""

REASONS = {
    "intact": "intact, and the others are damaged",
    "live": "not in a folder of the system",
    "raw": "it has its RAW file",
    "largest": "most bytes",
    "resolution": "most pixels",
    UNCROPPED: "the others are crops of it",
    "newest": "newest",
    "oldest": "oldest",
    "original": "name of the original",
    "shortest": "shortest path",
    "path": "first by path",
}
"""The rule that decided, in words."""

ALONE = "similar to no other file that stays"
"""Why a keeper that no file is removed for stays."""


@dataclass(frozen=True, slots=True)
class KeepOrder:
    """An order of n files with no ties in it.

    rank: int64[n], a permutation, 0 is kept before all others; rules: what decided, (name, int64[n]), first to last.
    """

    rank: Int64Array
    rules: tuple[tuple[str, Int64Array], ...]

    def decided(self, kept: int, other: int) -> str:
        """The rule that puts row `kept` before row `other`."""
        return next(name for name, keys in self.rules if keys[kept] != keys[other])


def keep_order(
    files: Sequence[MediaFile],
    sizes: Int32Array,
    policy: str,
    *,
    damaged: Collection[int] = (),
    with_raw: Collection[int] = (),
    in_system: Collection[int] = (),
    cropped: Collection[int] = (),
) -> KeepOrder:
    """The order in which `policy` keeps files.

    files: those of some embedding rows; sizes: int32[n, 2], width and height in pixels of each; policy: a key of
    `POLICIES`. Whatever the policy, a file with its id in `damaged` comes after all that are intact, and one that has a
    RAW file of the same shot (`with_raw`) before one that has none; a file in a trash, snapshot or thumbnail folder
    (`in_system`) comes after all intact files outside. `cropped`: the ids that "uncropped" puts last. Raises UsageError
    for another policy.
    """
    if policy not in POLICIES:
        raise UsageError(f"--keep must be one of {', '.join(POLICIES)} (got {policy!r})")
    ids = np.fromiter((file.id for file in files), np.int64, len(files))
    chosen = [("intact", np.isin(ids, list(damaged)).astype(np.int64))] if damaged else []
    chosen += [("live", np.isin(ids, list(in_system)).astype(np.int64))] if in_system else []
    chosen += [("raw", -np.isin(ids, list(with_raw)).astype(np.int64))] if with_raw else []
    rule = POLICIES[policy](files, sizes)
    chosen.append((policy, np.isin(ids, list(cropped)).astype(np.int64) if policy == UNCROPPED else rule))
    if policy != "path":
        chosen += [(name, rule(files, sizes)) for name, rule in _TIES if name != policy]
    order = np.lexsort([keys for _, keys in reversed(chosen)])
    rank = np.empty(len(files), np.int64)
    rank[order] = np.arange(len(files))
    return KeepOrder(rank, tuple(chosen))


def reasons(groups: Sequence[Group], row_of: dict[int, int], order: KeepOrder) -> dict[int, str]:
    """Why each keeper of `groups` stays, by id: the rule that puts it before the best of the files that it covers.

    row_of: the row in `order` of each id.
    """
    found: dict[int, str] = {}
    for group in groups:
        for member, keeper, _ in group.members():  # keepers first, then the others, each part in keep order
            if member == keeper:
                found[keeper] = ALONE
            elif found[keeper] == ALONE:
                found[keeper] = REASONS[order.decided(row_of[keeper], row_of[member])]
    return found
