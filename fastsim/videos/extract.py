"""Run the stages for videos: decode -> embed -> keepers -> write, concurrently, one video after the other.

A video whose frames are cached goes through the keepers first; then the frames that are to be saved are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from fastsim.cache.frames import CachedFrames
from fastsim.decode.video.sampling import Chosen
from fastsim.embed_files import Environment, network_key
from fastsim.model import load_model
from fastsim.records.files import MediaFile, Skipped
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings, stage
from fastsim.videos import frames
from fastsim.videos.bars import Bars
from fastsim.videos.embed_frames import Row
from fastsim.videos.folders import folders
from fastsim.videos.journal import NAME, VideoJournal
from fastsim.videos.keepers import CHUNK, Decision, Keepers
from fastsim.videos.known import Known, remembering
from fastsim.videos.results import Extract, Kept, Settings
from fastsim.videos.source import Source
from fastsim.videos.writing import Album, Writer

_BLOCK = 32
_BLOCK_BYTES = 128 * 2**20
"""Frames that are compared together if many are kept: the kept rows then pass through the cache once for all of them.
"""


@dataclass(slots=True)
class VideoFindings:
    """The result of a run. extracts: in the order of the videos."""

    extracts: list[Extract]
    skipped: list[Skipped]
    environment: Environment
    timings: Timings = field(default_factory=dict)


def extract(
    videos: Sequence[MediaFile], settings: Settings, outs: str | None, progress: Progress, timings: Timings
) -> VideoFindings:
    """Keep the distinct frames of each video, or with settings.across of all together, and write them below `outs`.

    outs: None writes nothing. Raises FastsimError if the network or the disk fails; images written so far are whole
    then, and a later run with the same settings continues from the first video that is not done.
    """
    compute = settings.compute
    with stage("load", timings):
        model = load_model(compute.model)
        identity = settings.identity(model.sha256)
    with ExitStack() as stack:
        journal = stack.enter_context(VideoJournal(outs, identity)) if outs is not None else None
        pool = stack.enter_context(ThreadPoolExecutor(min(4, compute.workers), "fastsim-write"))
        run = _Extraction(settings, videos, journal, Writer(pool))
        with stage("hash", timings):
            key = f"{network_key(model, compute)} {settings.sampling} {settings.crop}"
            known = Known(run.todo, compute, key, progress)
        source = Source(settings, model, progress, timings, with_frames=journal is not None)
        if len(known.found) < len(run.todo) or known.ran_on is None:
            source.network()
        with stage("extract", timings), Bars(progress, len(videos)) as bars:
            bars.pass_over(len(videos) - len(run.todo))
            _take_all(run, source, known, bars)
            run.writer.wait()
    ran_on = known.ran_on or source.network().ran_on
    cached = sum(len(found.rows) for found in run.replayed)
    environment = Environment(ran_on, str(model.path), model.sha256, compute.size, cached, source.traffic)
    return VideoFindings(run.in_order(), run.skipped, environment, timings)


def _take_all(run: _Extraction, source: Source, known: Known, bars: Bars) -> None:
    """Process the videos in order: cached ones from the cache, the others from their files."""
    found = {file.id: frames for file, frames in known.found}

    def read(videos: Sequence[MediaFile]) -> None:
        with closing(source.rows(videos)) as rows:
            for event, row in remembering(rows, known, source.network().ran_on):
                bars.see(event)
                run.take(event, row)

    for is_known, some in groupby(run.todo, key=lambda video: video.id in found):
        if not is_known:
            read(list(some))
            continue
        for video in some:
            if not _replay(run, source, bars, video, found[video.id]):
                read([video])


def _replay(run: _Extraction, source: Source, bars: Bars, video: MediaFile, found: CachedFrames) -> bool:
    """Process a video whose rows are known, and decode the frames that it keeps; return whether they all came."""
    opened, ended = frames.VideoOpened(video, found.frames_read), frames.Ended(video, found.frames_read, found.problem)
    bars.see(opened)
    run.take(opened, None)
    for number, seconds, row in zip(found.numbers.tolist(), found.times.tolist(), found.rows, strict=True):
        run.take(frames.Taken(number, seconds, frames.NO_PIXELS, (0, 0), 0, None), row)
    with closing(source.pictures(video, run.chosen())) as pictures:
        if not run.take_pictures(pictures):
            run.give_up(video)
            return False
    run.replayed.append(found)
    run.take(ended, None)
    bars.see(ended)
    return True


class _Extraction:
    """The state of a run: what is kept so far, and the video that is being read."""

    def __init__(
        self, settings: Settings, videos: Sequence[MediaFile], journal: VideoJournal | None, writer: Writer
    ) -> None:
        self._settings = settings
        self._videos = videos
        self._journal = journal
        self.writer = writer
        self.skipped: list[Skipped] = []
        self.replayed: list[CachedFrames] = []
        """Videos that were read from the cache."""
        self._extracts: dict[int, Extract] = {}
        self._keepers = Keepers(settings.thres)
        self._owners: list[Kept] = []
        """Owner of each kept row; rows of earlier videos come before `_first`."""
        self._first = 0
        self._block: list[tuple[frames.Taken, Row]] = []
        self._album: Album | None = None
        self.todo = self._not_done()
        given = journal.chosen_folders(videos) if journal else {}
        reserved = [NAME, *(set(journal.taken_folders()) - set(given.values()))] if journal else [NAME]
        self._folders: Mapping[int, str] = folders(videos, given, reserved)

    def in_order(self) -> list[Extract]:
        """Return the extracts in the order of the videos."""
        return [self._extracts[video.id] for video in self._videos if video.id in self._extracts]

    def take(self, event: frames.Event, row: Row | None) -> None:
        """Process the next event of the stream."""
        if isinstance(event, frames.Taken):
            assert row is not None
            self._block.append((event, row))
            if len(self._block) >= self._block_size(event.bytes):
                self._decide()
        elif isinstance(event, frames.VideoOpened):
            self._open(event.video)
        else:
            self._decide()
            self._close(event)

    def chosen(self) -> Chosen:
        """Return the frames that the open video keeps so far."""
        self._decide()
        assert self._album is not None
        kept = self._album.extract.kept
        return Chosen([one.index for one in kept], [one.seconds for one in kept])

    def take_pictures(self, pictures: Iterator[frames.Taken]) -> bool:
        """Have the frames of `chosen` written; return whether they all came."""
        album = self._album
        assert album is not None
        if self._journal is None:
            return True
        count = 0
        for count, (kept, picture) in enumerate(zip(album.extract.kept, pictures, strict=False), start=1):
            if picture.index != kept.index:
                return False
            album.write(count - 1, picture.frame)
        return count == len(album.extract.kept)

    def give_up(self, video: MediaFile) -> None:
        """Forget what was read of the open video, so that it may be opened again."""
        assert self._album is not None
        self._album.give_up()
        self._album = None
        self._keepers.keep_first(self._first)
        del self._owners[self._first :], self._extracts[video.id]

    def _not_done(self) -> list[MediaFile]:
        todo = []
        for video in self._videos:
            known = self._journal.finished(video) if self._journal else None
            if known is None:
                todo.append(video)
                continue
            self._extracts[video.id] = known
            if known.problem:
                self.skipped.append(Skipped(video.path, known.problem, video.id))
            rows = self._journal.rows(video) if self._journal and self._settings.across else None
            if rows is not None:
                self._keepers.add(rows)
                self._owners += known.kept
        return todo

    def _block_size(self, frame_bytes: int) -> int:
        if len(self._keepers) < CHUNK:
            return 1
        return max(1, min(_BLOCK, _BLOCK_BYTES // max(1, frame_bytes)))

    def _open(self, video: MediaFile) -> None:
        if not self._settings.across:
            self._keepers, self._owners = Keepers(self._settings.thres), []
        self._first = len(self._keepers)
        self._extracts[video.id] = found = Extract(video.path, self._folders[video.id])
        self._album = Album(video, found, self._journal, self._settings, self.writer)

    def _decide(self) -> None:
        """Decide on the block, one frame after the other."""
        if not self._block:
            return
        album, block = self._album, self._block
        assert album is not None
        self._block = []
        if album.timeline is not None:  # needs each frame's similarity to everything kept before it
            decided = self._one_by_one(block)
        else:
            decided = iter(self._keepers.decide(np.stack([row for _, row in block])))
        for (frame, _), decision in zip(block, decided, strict=True):
            album.extract.frames_taken += 1
            if decision.is_new:
                self._owners.append(album.keep(frame))
            elif decision.keeper < self._first:
                album.extract.seen_elsewhere += 1
            else:
                self._owners[decision.keeper].cover(round(decision.score, 6))

    def _one_by_one(self, block: Sequence[tuple[frames.Taken, Row]]) -> Iterator[Decision]:
        assert self._album is not None
        for frame, row in block:
            best = self._keepers.best(row)
            [decision] = self._keepers.decide(np.stack([row]))
            self._album.mark(frame.seconds, best, decision.is_new)
            yield decision

    def _close(self, event: frames.Ended | frames.Unreadable) -> None:
        album, self._album = self._album, None
        if isinstance(event, frames.Unreadable):
            self.skipped.append(Skipped(event.video.path, event.reason, event.video.id))
            found = self._extracts.get(event.video.id)
            if found is None or not found.frames_taken:  # nothing could be read of it
                self._extracts.pop(event.video.id, None)
                return
            found.problem = event.reason
        elif event.problem:
            self.skipped.append(Skipped(event.video.path, event.problem, event.video.id))
        assert album is not None
        if isinstance(event, frames.Ended):
            album.extract.frames_read, album.extract.problem = event.frames_read, event.problem
        album.finish(self._keepers.rows[self._first :].copy() if self._settings.across else None)
