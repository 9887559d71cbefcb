"""Define the data that stages exchange.

Every record names files by `MediaFile.id`, never by a position in a list.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Float16Array = NDArray[np.float16]
Float32Array = NDArray[np.float32]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
Uint8Array = NDArray[np.uint8]


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
class FrameBatch:
    """Decoded images of one size.

    ids: int64[k]; pixels: uint8[k, height, width, 3], RGB, C-contiguous (a CuPy array if a GPU decoded them); sizes:
    int32[k, 2], the width and height in pixels of each image as a viewer shows it (before resizing, after EXIF
    orientation).

    A file with several views has its id once for each of them, in order, perhaps over several batches.
    """

    ids: Int64Array
    pixels: Uint8Array
    sizes: Int32Array
    contents: Mapping[int, Content] = field(default_factory=dict)
    """By id; files that are not in it have one view and no damage. Each batch with a view of a file names it."""

    def __post_init__(self) -> None:
        n = len(self.ids)
        if (
            self.pixels.ndim != 4
            or self.pixels.shape[0] != n
            or self.pixels.shape[3] != 3
            or self.sizes.shape != (n, 2)
        ):
            raise ValueError(f"FrameBatch: ids {self.ids.shape}, pixels {self.pixels.shape}, sizes {self.sizes.shape}")


@dataclass(frozen=True, slots=True)
class DeviceRows:
    """Rows on a GPU: cupy float16[n, d], C-contiguous, on device number `device`; nothing writes to them any more.

    A row that is zero or not finite is similar to nothing.
    """

    device: int
    rows: Any


@dataclass(frozen=True, slots=True)
class Views:
    """Further rows of files that have more than one: other pages or frames, another background.

    kind: int32[n], `Content.kind` of each file; rows of different kinds are not similar. start: int64[n + 1],
    ascending from 0: row i has the views vectors[start[i] : start[i + 1]]. vectors: float16[start[n], d],
    C-contiguous.
    """

    kind: Int32Array
    start: Int64Array
    vectors: Float16Array

    @classmethod
    def none(cls, embeddings: Embeddings) -> Views:
        """Return views for stills with one row each."""
        n, width = embeddings.vectors.shape
        return cls(np.zeros(n, np.int32), np.zeros(n + 1, np.int64), np.empty((0, width), np.float16))

    def take(self, rows: Int64Array) -> Views:
        """Return the views of `rows`, in that order; a row may be named more than once."""
        count = np.diff(self.start)[rows]
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
        source = np.repeat(self.start[:-1][rows] - start[:-1], count) + np.arange(start[-1])
        return Views(self.kind[rows], start, np.ascontiguousarray(self.vectors[source]))


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Unit rows, one per file.

    ids: int64[n], strictly ascending; vectors: float16[n, d], C-contiguous, unit length (or zero: similar to nothing);
    sizes: int32[n, 2], width and height in pixels of their images; device: the same rows, bit by bit, if a GPU
    computed them and still has all of them.

    The score of two files is that of their rows, or with `views` the lowest of their rows and views.
    """

    ids: Int64Array
    vectors: Float16Array
    sizes: Int32Array
    device: DeviceRows | None = field(default=None, compare=False)
    damage: Mapping[int, str] = field(default_factory=dict)
    """What the decoder reported about damaged files, by id; files that are not in it are intact."""
    views: Views | None = None
    """None if each file has one row only, and all are of one kind."""
    frames: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """(compared, total) of files with several pages or frames, by id."""
    digests: Mapping[int, bytes] = field(default_factory=dict, compare=False)
    """BLAKE2b-256 of the files that were hashed, by id."""

    def __post_init__(self) -> None:
        if self.device is not None and tuple(self.device.rows.shape) != self.vectors.shape:
            raise ValueError(f"Embeddings: vectors {self.vectors.shape}, on the device {self.device.rows.shape}")
        n = len(self.ids)
        if self.vectors.ndim != 2 or self.vectors.shape[0] != n or self.sizes.shape != (n, 2):
            raise ValueError(
                f"Embeddings: ids {self.ids.shape}, vectors {self.vectors.shape}, sizes {self.sizes.shape}"
            )
        if n > 1 and not (np.diff(self.ids) > 0).all():
            raise ValueError("Embeddings: ids must be strictly ascending")
        views = self.views
        if views is not None and (
            views.kind.shape != (n,)
            or views.start.shape != (n + 1,)
            or views.vectors.shape != (int(views.start[-1]), self.vectors.shape[1])
        ):
            raise ValueError(
                f"Embeddings: {n} rows, views {views.kind.shape}, {views.start.shape}, {views.vectors.shape}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Int64Array, ids: Int64Array | None = None) -> Embeddings:
        """Return the files at `rows`, in that order, under `ids` (None: their own); a row may be named more than once."""
        named = self.ids[rows] if ids is None else ids
        pairs = list(zip(named.tolist(), self.ids[rows].tolist(), strict=True)) if self.damage or self.frames else []
        return Embeddings(
            named, np.ascontiguousarray(self.vectors[rows]), self.sizes[rows],
            damage={new: self.damage[old] for new, old in pairs if old in self.damage},
            views=self.views.take(rows) if self.views else None,
            frames={new: self.frames[old] for new, old in pairs if old in self.frames},
        )  # fmt: skip


def joined(a: Embeddings, b: Embeddings) -> Embeddings:
    """Return the files of both, by id. Raises ValueError if both have one of them."""
    views = None
    if a.views or b.views:
        left, right = (part.views or Views.none(part) for part in (a, b))
        views = Views(
            np.concatenate([left.kind, right.kind]),
            np.concatenate([left.start, left.start[-1] + right.start[1:]]),
            np.concatenate([left.vectors, right.vectors]),
        )
    ids = np.concatenate([a.ids, b.ids])
    vectors, sizes = np.concatenate([a.vectors, b.vectors]), np.concatenate([a.sizes, b.sizes])
    order = np.argsort(ids)
    return Embeddings(
        ids[order], np.ascontiguousarray(vectors[order]), sizes[order], damage={**a.damage, **b.damage},
        views=views and views.take(order), frames={**a.frames, **b.frames},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PairBlock:
    """Similar pairs of embedding rows: left int64[k] < right int64[k] (rows of `Embeddings`), score float32[k]."""

    left: Int64Array
    right: Int64Array
    score: Float32Array

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True, slots=True)
class Group:
    """One group of similar images, at least two files.

    ids: int64[m], keepers first, then the others, each part in keep order; keeper: int64[m], the id of the keeper that
    covers each member (its own id for a keeper); score: float32[m], the cosine to that keeper (1 for a keeper).
    """

    ids: Int64Array
    keeper: Int64Array
    score: Float32Array

    def __len__(self) -> int:
        return len(self.ids)

    def members(self) -> Iterator[tuple[int, int, float]]:
        """Yield id, keeper's id and score to it of each member, as Python numbers."""
        return zip(self.ids.tolist(), self.keeper.tolist(), self.score.tolist(), strict=True)


def by_keeper(groups: Sequence[Group]) -> list[Group]:
    """Return a group for each keeper that covers another file, itself first.

    The largest groups come first, ties in the order of `groups`.
    """
    parts: list[Group] = []
    for group in groups:
        place = {keeper: at for at, keeper in enumerate(group.ids.tolist())}
        places = np.array([place[keeper] for keeper in group.keeper.tolist()])
        order = np.argsort(places, kind="stable")  # keepers come first in a group, so each leads its own
        starts = np.flatnonzero(np.diff(places[order]))
        parts += [
            Group(group.ids[rows], group.keeper[rows], group.score[rows])
            for rows in np.split(order, starts + 1)
            if len(rows) > 1
        ]
    return sorted(parts, key=len, reverse=True)


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


class Op(StrEnum):
    """What `apply` can do to one file."""

    COPY = "copy"
    MOVE = "move"
    DELETE = "delete"
    TRASH = "trash"
    LINK_HARD = "link_hard"
    LINK_SYMBOLIC = "link_symbolic"
    LINK_REFLINK = "link_reflink"


LINKS = (Op.LINK_HARD, Op.LINK_SYMBOLIC, Op.LINK_REFLINK)
"""Operations that move a file to the output folder and put a link to its keeper in its place."""
MOVES = (Op.MOVE, *LINKS)
"""Operations that move a file to the output folder."""


def numbered(name: str, k: int) -> str:
    """Return `name` with `_k` before its suffix, for a name that is taken; at most 255 bytes, the usual limit."""
    stem, suffix = os.path.splitext(name)
    while stem and len(os.fsencode(f"{stem}_{k}{suffix}")) > 255:
        stem = stem[:-1]
    return f"{stem}_{k}{suffix}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a plan. `target` is None for delete and trash; `keeper` is the file that stays in its place.

    `keeper` is set in the clean modes only: nothing is removed unless its keeper exists, as `keeper_snapshot` has it.
    """

    op: Op
    source: str
    target: str | None
    snapshot: Snapshot
    keeper: str | None = None
    score: float | None = None
    keeper_snapshot: Snapshot | None = None
    part_of: str | None = None
    """For a sidecar: the source of its image, whose operation comes before it in the plan."""
    why: str | None = None
    """Why `keeper` is kept, in words."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, as pure data: printed by --dry-run, written by --plan, executed by apply."""

    outs: str
    """Absolute path of the output folder, which also holds the journal."""
    operations: tuple[Operation, ...]
    header: dict[str, object] = field(default_factory=dict)
    """Provenance: version, argv, mode, thres, time of creation (ISO 8601)."""


@dataclass(frozen=True, slots=True)
class OpResult:
    """The result of one operation; `reason` says why it was not done."""

    operation: Operation
    done: bool
    reason: str = ""


class Status(StrEnum):
    """Result of verification: a copy; different (in content, or not aligned); or not decidable."""

    COPY = "copy"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Transform:
    """The place of one image in the other.

    scale: pixels of the right image per pixel of the left; rotation: of the left image to the right one, degrees
    clockwise, -180 to 180; mirrored: left and right exchanged before that. rectangle_left, rectangle_right: the box
    (x, y, width, height) in pixels around what both show; share_left, share_right: the fraction of each image's area
    that this is, 0 to 1.
    """

    scale: float
    rotation: float
    mirrored: bool
    rectangle_left: tuple[int, int, int, int]
    rectangle_right: tuple[int, int, int, int]
    share_left: float
    share_right: float


STATUSES = tuple(Status)
"""The statuses by their number in arrays."""


@dataclass(frozen=True, slots=True)
class VerifiedPairs:
    """Candidate pairs and the result of their verification, sorted by (left, right).

    left, right: int64[k], rows of `Embeddings`, left < right; score: float32[k], their cosine; status: int8[k], a
    place in STATUSES; inliers: int32[k], matching features that the transform explains; agreement: float32[k],
    fraction of the blocks with content that agree, 0 to 1. transforms: by place, of the pairs that could be aligned.
    """

    left: Int64Array
    right: Int64Array
    score: Float32Array
    status: NDArray[np.int8]
    inliers: Int32Array
    agreement: Float32Array
    transforms: Mapping[int, Transform] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.left)

    @classmethod
    def undecided(cls, pairs: PairBlock) -> VerifiedPairs:
        """Return pairs of which nothing is known but their score."""
        n = len(pairs)
        unknown = np.full(n, STATUSES.index(Status.UNKNOWN), np.int8)
        return cls(pairs.left, pairs.right, pairs.score, unknown, np.zeros(n, np.int32), np.zeros(n, np.float32))

    def take(self, places: Int64Array) -> VerifiedPairs:
        """Return the pairs at `places`, which ascend."""
        transforms = {new: self.transforms[old] for new, old in enumerate(places.tolist()) if old in self.transforms}
        return VerifiedPairs(
            self.left[places], self.right[places], self.score[places], self.status[places], self.inliers[places],
            self.agreement[places], transforms,
        )  # fmt: skip

    def block(self) -> PairBlock:
        """Return the pairs alone."""
        return PairBlock(self.left, self.right, self.score)

    def having(self, status: Status) -> Int64Array:
        """Return int64[m], the places of the pairs with this status."""
        return np.flatnonzero(self.status == STATUSES.index(status))
