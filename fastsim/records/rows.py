"""Hold images and rows on their way: batches of pixels, views, embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastsim.records.arrays import Float16Array, Int32Array, Int64Array, Uint8Array
from fastsim.records.files import Content


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
