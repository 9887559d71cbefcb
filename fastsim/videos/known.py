"""Look up videos whose frames an earlier run has embedded, by the content of their files."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from fastsim.cache.embeddings import EmbeddingCache
from fastsim.cache.frames import CachedFrames, FrameCache
from fastsim.config import Compute
from fastsim.embedding import RanOn
from fastsim.inputs import equal_files
from fastsim.records.files import MediaFile
from fastsim.run.progress import Progress
from fastsim.videos.embed_frames import Row
from fastsim.videos.frames import Ended, Event, Taken, VideoOpened


class Known:
    """What the cache of `compute` holds of `files`, sampled as `key` says. Without a cache, nothing."""

    def __init__(self, files: Sequence[MediaFile], compute: Compute, key: str, progress: Progress) -> None:
        self.found: list[tuple[MediaFile, CachedFrames]] = []
        self._cache: FrameCache | None = None
        self._digests: dict[int, bytes] = {}
        if compute.cache is None or not files:
            return
        folder = Path(compute.cache)
        self._cache = FrameCache(folder, key, progress.note)
        with closing(EmbeddingCache(folder, key, progress.note)) as digests:
            seen = digests.known_digests(files)
            with progress.bar("hash", len(files), "files") as bar:
                self._digests = equal_files.digests(files, known=seen, workers=compute.workers, bar=bar)
            digests.remember_digests((file for file in files if file.id not in seen), self._digests)
        for file in files:
            digest = self._digests.get(file.id)
            frames = self._cache.get(digest) if digest is not None else None
            if frames is not None:
                self.found.append((file, frames))

    @property
    def ran_on(self) -> RanOn | None:
        """Return where the network ran that computed the cached rows, or None without any."""
        return RanOn(*self.found[0][1].ran_on) if self.found else None

    def remember(self, file: MediaFile, frames: CachedFrames) -> None:
        """Store the frames of a video that was just read."""
        digest = self._digests.get(file.id)
        if self._cache is not None and digest is not None:
            self._cache.put(digest, frames)


def remembering(
    stream: Iterable[tuple[Event, Row | None]], known: Known, ran_on: RanOn
) -> Generator[tuple[Event, Row | None]]:
    """Yield the same events and rows, and let `known` remember the frames of each video that was read to its end."""
    taken: list[tuple[int, float, Row]] = []
    for event, row in stream:
        if isinstance(event, Taken) and row is not None:
            taken.append((event.index, event.seconds, row))
        elif isinstance(event, VideoOpened):
            taken = []
        elif isinstance(event, Ended) and taken:
            known.remember(event.video, _cached(taken, event, ran_on))
        yield event, row


def _cached(taken: Sequence[tuple[int, float, Row]], end: Ended, ran_on: RanOn) -> CachedFrames:
    numbers, seconds, rows = zip(*taken, strict=True)
    ran = (ran_on.device, ran_on.runtime, ran_on.precision)
    return CachedFrames(
        np.array(seconds, np.float64), np.stack(rows), seconds[-1], 0, end.problem, ran, np.array(numbers, np.int64),
        end.frames_read,
    )  # fmt: skip
