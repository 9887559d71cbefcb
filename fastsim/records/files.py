"""Describe the files of the input: what they are, what belongs to them, and which take no part."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

PART_PREFIX = ".fastsim-part-"
"""Prefix of unfinished copies; a run that was killed may leave one."""
MEMBER = "::"
"""Separates the path of an archive from the name of a file in it, in the path of that file."""
ASIDE_PREFIX = ".fastsim-aside-"
"""Prefix of files that are about to be removed; after a kill, such a file may be the only copy."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Properties of a file when it was discovered; a file whose snapshot has changed is left alone."""

    size: int
    """Bytes."""
    mtime_ns: int
    """Nanoseconds since the epoch."""
    inode: int
    ctime_ns: int | None = field(default=None, compare=False)
    """Nanoseconds since the epoch; changes with every change of the content, even if the mtime is set back, and with
    the name, the mode and the number of hard links. None if the system has none (Windows) or an old record held none.
    """
    digest: bytes | None = field(default=None, compare=False)
    """BLAKE2b-256 of the content, for files that were hashed."""

    @classmethod
    def of(cls, path: str) -> Snapshot:
        """Return the snapshot of `path`; of a symbolic link, that of its target. Raises OSError."""
        return cls.from_stat(os.stat(path))

    @classmethod
    def from_stat(cls, stat: os.stat_result) -> Snapshot:
        """Return the snapshot of a file with this status."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino, None if os.name == "nt" else stat.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file of the input.

    `id` is its identity throughout the run. `path` and `root` are str as `os.fsdecode` returns them (bytes that are
    not UTF-8 become surrogates and are restored by `os.fsencode`); `relative` is the path below `root`, the input in
    which it was found.
    """

    id: int
    path: str
    root: str
    snapshot: Snapshot
    reference: bool = False
    """Whether it is in a reference folder: it is compared against, and stays where it is."""

    @property
    def relative(self) -> str:
        """Return the path below its input folder or in its archive, or the file's name if the input was the file itself."""
        if self.path.startswith(self.root + MEMBER):
            return self.path[len(self.root + MEMBER) :]
        return os.path.relpath(self.path, self.root) if self.path != self.root else os.path.basename(self.path)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that took no part, and the reason in one line."""

    path: str
    reason: str
    id: int | None = None
    """None if the file never got an id (it could not even be listed)."""

    def as_json(self) -> dict[str, str]:
        """Return the entry of reports."""
        return {"path": self.path, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Content:
    """What the decoder reports about one file besides its first view."""

    views: int = 1
    """Images that the network gets of the file: frames or pages, and each again on another background if it is
    transparent.
    """
    frames: int = 1
    """Pages or frames that are compared."""
    frames_total: int = 1
    """Pages or frames that the file has."""
    kind: int = 0
    """Files of different kinds are not compared: 0 for stills, n for animations of n frames, -n for documents of n
    pages.
    """
    damage: str = ""
    """The decoder's complaint, in one line; empty for an intact file."""


INTACT_STILL = Content()
"""The content of most files."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What discovery saw and deliberately did not read."""

    system: Mapping[str, int] = field(default_factory=dict)
    """Number of system folders that were not entered, by kind, in the singular (`trash folder`)."""
    unread: Mapping[str, int] = field(default_factory=dict)
    """Number of files of each format, by its name in `formats.FORMATS`, without an installed reader."""
    inside: Mapping[str, str] = field(default_factory=dict)
    """Inputs inside a system folder, which are read because they were named: {path: kind of that folder}."""
    earlier: tuple[str, ...] = ()
    """Output folders of earlier runs, which were not entered."""
    filtered: Mapping[str, int] = field(default_factory=dict)
    """How many files each filter left out, by its option."""
    ignored: tuple[int, int] = (0, 0)
    """How many (files, folders) `.fastsimignore` left out; those folders were not entered."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Measures of one image, at a long side of 512 pixels (`decode.quality`)."""

    sharpness: float
    """Variance of the Laplacian of the grey values, 0 to 255."""
    low: float
    """5th percentile of the grey values, 0 to 1."""
    high: float
    """99th percentile of the grey values, 0 to 1."""
    entropy: float
    """Of the grey values, 0 to 8 bits."""


class Flagged(NamedTuple):
    """What was flagged of an image, and its measures."""

    flags: tuple[str, ...]
    """Words of `choices.Flag`."""
    quality: Quality


class Role(StrEnum):
    """Kind of a file that belongs to an image."""

    RAW = "RAW file"
    FILM = "film"
    EDITS = "edits"
    SOUND = "voice note"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Companion:
    """A file that goes with its image: a sidecar, the film of a Live Photo, the RAW file of a shot."""

    path: str
    snapshot: Snapshot
    role: Role
