"""Define the rules that choose the file of a group to keep, each a pure function of facts about the files."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fastsim.inputs.copy_names import copy_marks
from fastsim.inputs.names import folded_name
from fastsim.records.arrays import Int32Array, Int64Array
from fastsim.records.files import MediaFile


@dataclass(frozen=True, slots=True)
class Candidates:
    """The files to rank, and the facts that rules use. Collections and mappings hold ids of files.

    sizes: int32[n, 2], width and height in pixels of each file.
    """

    files: Sequence[MediaFile]
    sizes: Int32Array
    damaged: Collection[int] = ()
    references: Collection[int] = ()
    in_system: Collection[int] = ()
    """Files in a trash, snapshot or thumbnail folder."""
    with_raw: Collection[int] = ()
    """Files that have the RAW file of their shot."""
    raw: Collection[int] = ()
    """Files that are RAW files themselves."""
    cropped: Collection[int] = ()
    """Files that show a part of another one, by verification."""
    formats: Mapping[int, str] = field(default_factory=dict)
    """Names in `formats.FORMATS`."""
    exif: Mapping[int, int] = field(default_factory=dict)
    """How many of date taken, position and camera a file records, 0 to 3."""
    sharpness: Mapping[int, float] = field(default_factory=dict)
    """`records.files.Quality.sharpness`."""

    def having(self, ids: Collection[int]) -> Int64Array:
        """Return int64[n]: 0 for the files in `ids`, 1 for the others."""
        return np.fromiter((file.id not in ids for file in self.files), np.int64, len(self.files))

    def each(self, key: Callable[[MediaFile], int]) -> Int64Array:
        """Return int64[n]: `key` of each file."""
        return np.fromiter(map(key, self.files), np.int64, len(self.files))


Rule = Callable[[Candidates, str], Int64Array]
"""(the files, the value after the rule's colon) -> int64[n]; the file with the lowest number is kept."""


def by_intact(found: Candidates, _: str) -> Int64Array:
    """Prefer files that decode without a complaint."""
    return 1 - found.having(found.damaged)


def by_reference(found: Candidates, _: str) -> Int64Array:
    """Prefer files of reference folders."""
    return found.having(found.references)


def by_live(found: Candidates, _: str) -> Int64Array:
    """Prefer files outside trash, snapshot and thumbnail folders."""
    return 1 - found.having(found.in_system)


def by_uncropped(found: Candidates, _: str) -> Int64Array:
    """Prefer files that are not a crop of another one."""
    return 1 - found.having(found.cropped)


def by_resolution(found: Candidates, _: str) -> Int64Array:
    """Prefer the most pixels."""
    return -(found.sizes[:, 0].astype(np.int64) * found.sizes[:, 1])


def by_largest(found: Candidates, _: str) -> Int64Array:
    """Prefer the most bytes."""
    return found.each(lambda file: -file.snapshot.size)


def by_raw(found: Candidates, _: str) -> Int64Array:
    """Prefer RAW files, and files that have the RAW file of their shot."""
    return found.having({*found.raw, *found.with_raw})


def by_format(found: Candidates, value: str) -> Int64Array:
    """Prefer files of the formats named in `value`, `NAME>NAME>...`, in that order; all other formats are equal."""
    place = {name: at for at, name in enumerate(value.split(">"))}
    return found.each(lambda file: place.get(found.formats.get(file.id, ""), len(place)))


def by_exif(found: Candidates, _: str) -> Int64Array:
    """Prefer files that record the most of date taken, position and camera."""
    return found.each(lambda file: -found.exif.get(file.id, 0))


def by_sharp(found: Candidates, _: str) -> Int64Array:
    """Put the sharpest first."""
    return found.each(lambda file: -round(found.sharpness.get(file.id, 0.0) * 100))


def by_folder(found: Candidates, value: str) -> Int64Array:
    """Prefer files in a folder that matches the glob `value`."""
    known: dict[tuple[str, str], bool] = {}

    def outside(file: MediaFile) -> int:
        key = os.path.dirname(file.path), file.root
        if key not in known:
            known[key] = _is_in_folder(*key, value)
        return int(not known[key])

    return found.each(outside)


def by_name(found: Candidates, _: str) -> Int64Array:
    """Prefer the name with the fewest marks of a copy."""
    base = [os.path.basename(file.path) for file in found.files]
    names = {folded_name(name) for name in base}
    return np.fromiter((copy_marks(name, names) for name in base), np.int64, len(base))


def by_newest(found: Candidates, _: str) -> Int64Array:
    """Prefer the file that was modified last."""
    return found.each(lambda file: -file.snapshot.mtime_ns)


def by_oldest(found: Candidates, _: str) -> Int64Array:
    """Prefer the file that was modified first."""
    return found.each(lambda file: file.snapshot.mtime_ns)


def by_shortest_path(found: Candidates, _: str) -> Int64Array:
    """Prefer the shortest path."""
    return found.each(lambda file: len(file.path))


def by_path(found: Candidates, _: str) -> Int64Array:
    """Prefer the first by the bytes of the path: the same on every machine, whatever its language."""
    paths = [os.fsencode(file.path) for file in found.files]
    rank = np.empty(len(paths), np.int64)
    rank[sorted(range(len(paths)), key=paths.__getitem__)] = np.arange(len(paths))
    return rank


RULES: Mapping[str, Rule] = {
    "intact": by_intact,
    "reference": by_reference,
    "uncropped": by_uncropped,
    "resolution": by_resolution,
    "largest": by_largest,
    "raw": by_raw,
    "format": by_format,
    "exif": by_exif,
    "sharp": by_sharp,
    "folder": by_folder,
    "name": by_name,
    "newest": by_newest,
    "oldest": by_oldest,
    "shortest-path": by_shortest_path,
    "path": by_path,
    "live": by_live,
}
"""The rules by name; `live` is always applied and cannot be requested."""


def _is_in_folder(folder: str, root: str, glob: str) -> bool:
    """Return whether `folder` or one that holds it matches: by its path, or below `root` by its name or path."""
    glob = glob.rstrip("/") or "/"
    while True:
        names = [folder]
        if folder == root or folder.startswith(root.rstrip(os.sep) + os.sep):
            names += [os.path.basename(folder), os.path.relpath(folder, root)]
        if any(fnmatch.fnmatchcase(name.replace(os.sep, "/"), glob) for name in names):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent
