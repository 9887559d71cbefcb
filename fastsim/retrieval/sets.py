"""Sets of images that others are searched in: an index, or images that were embedded just now."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from fastsim.records.arrays import Float16Array
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.rows import Embeddings, Views
from fastsim.retrieval.index_file import IndexFile


class ImageSet(Protocol):
    """Rows of images, and what is known of each image."""

    @property
    def name(self) -> str:
        """What a person calls the set: the path that was named."""

    @property
    def vectors(self) -> Float16Array:
        """float16[n, d]."""

    @property
    def views(self) -> Views | None:
        """Further rows of images that have several."""

    def file(self, row: int) -> MediaFile:
        """Return an image; its snapshot has a digest only if the file is still the one that was embedded."""
        ...

    def size(self, row: int) -> tuple[int, int]:
        """Return width and height of an image in pixels."""
        ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """Images that were embedded in this run. `files[i].id` must be i."""

    name: str
    files: Sequence[MediaFile]
    embeddings: Embeddings

    @property
    def vectors(self) -> Float16Array:
        """float16[n, d]."""
        return self.embeddings.vectors

    @property
    def views(self) -> Views | None:
        """Further rows of images that have several."""
        return self.embeddings.views

    def file(self, row: int) -> MediaFile:
        """Return an image."""
        file_id = int(self.embeddings.ids[row])
        file = self.files[file_id]
        return replace(file, snapshot=replace(file.snapshot, digest=self.embeddings.digests.get(file_id)))

    def size(self, row: int) -> tuple[int, int]:
        """Return width and height of an image in pixels."""
        width, height = self.embeddings.sizes[row].tolist()
        return width, height


class Indexed:
    """The images of an index; their files may be gone by now."""

    def __init__(self, index: IndexFile) -> None:
        self.index = index
        self.name = index.path
        self.vectors = index.vectors
        self.views = index.views()

    def file(self, row: int) -> MediaFile:
        """Return an image; its snapshot has a digest only if the file is still the one that was indexed."""
        file = self.index.file(row)
        try:
            now = Snapshot.from_stat(os.stat(file.path))
        except (OSError, ValueError):
            now = None
        seen = file.snapshot
        if now is None or (now.size, now.mtime_ns, now.ctime_ns) != (seen.size, seen.mtime_ns, seen.ctime_ns):
            return replace(file, snapshot=replace(seen, digest=None))
        return file

    def size(self, row: int) -> tuple[int, int]:
        """Return width and height of an image in pixels."""
        return self.index.size(row)
