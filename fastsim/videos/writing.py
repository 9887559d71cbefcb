"""Write the output of one video: kept frames at once, on other threads; sheet, table and timeline at its end."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from fastsim.records.arrays import Float16Array
from fastsim.records.files import MediaFile
from fastsim.videos.frames import Taken
from fastsim.videos.journal import SHEET, TABLE, TIMELINE, VideoJournal
from fastsim.videos.pictures import Sheet, Timeline, clock, shrunk, write_picture, write_sheet, write_table
from fastsim.videos.results import Extract, Kept, Settings


class Writer:
    """Work for other threads, in order, with little of it waiting. An exception is raised at the next call."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._running: deque[Future[None]] = deque()

    def submit(self, work: object, *arguments: object) -> Future[None]:
        """Run `work(*arguments)` on another thread."""
        while len(self._running) >= 8 or (self._running and self._running[0].done()):
            self._running.popleft().result()
        future: Future[None] = self._pool.submit(work, *arguments)  # type: ignore[arg-type]
        self._running.append(future)
        return future

    def wait(self) -> None:
        """Wait until all work is done."""
        while self._running:
            self._running.popleft().result()


class Album:
    """The images of one video. `journal` None: nothing is written. The folder is created when it is needed."""

    def __init__(
        self, video: MediaFile, extract: Extract, journal: VideoJournal | None, settings: Settings, threads: Writer
    ) -> None:
        self.extract = extract
        self._video = video
        self._journal = journal
        self._folder: str | None = None
        self._settings = settings
        self._threads = threads
        self._sheet = Sheet()
        self._lock = threading.Lock()
        self._thumbs: dict[int, Any] = {}
        self._added = 0
        self._writing: list[Future[None]] = []
        self.timeline = Timeline() if settings.timeline and journal is not None else None

    def keep(self, frame: Taken) -> Kept:
        """Record a frame that is kept, and have it written if it is there in full size."""
        name = f"frame_{frame.index:07d}_{clock(frame.seconds).replace(':', '-')}.{self._settings.form}"
        kept = Kept(frame.index, round(frame.seconds, 6), name)
        self.extract.kept.append(kept)
        if frame.frame is not None:
            self.write(len(self.extract.kept) - 1, frame.frame)
        return kept

    def write(self, number: int, frame: Any) -> None:
        """Have the image of kept frame `number` written."""
        if self._journal is not None:
            self._folder = self._folder or self._journal.begin(self._video, self.extract.folder)
            self._writing = [one for one in self._writing if not one.done() or one.exception()]
            self._writing.append(self._threads.submit(self._write, number, self.extract.kept[number], frame))

    def give_up(self) -> None:
        """Wait until nothing is being written. The journal still has the video as begun."""
        for one in self._writing:
            one.result()

    def mark(self, seconds: float, score: float, kept: bool) -> None:
        """Record a frame's highest similarity to what was kept before it, for the timeline."""
        if self.timeline is not None:
            self.timeline.add(seconds, score, kept)

    def finish(self, rows: Float16Array | None) -> None:
        """When all frames are written, write the rest, and then record in the journal that the video is done."""
        if self._journal is not None:
            self._folder = self._folder or self._journal.begin(self._video, self.extract.folder)
            self._threads.submit(self._finish, self._journal, self._folder, rows)

    def _write(self, number: int, kept: Kept, frame: Any) -> None:
        picture = frame.picture()
        assert self._folder is not None
        path = os.path.join(self._folder, kept.file)
        write_picture(path, picture, self._settings.form, self._settings.quality)
        with self._lock:  # several threads write: the sheet must be in the order of time
            self._thumbs[number] = (shrunk(picture, 240, 180), clock(kept.seconds))
            while self._added in self._thumbs:
                self._sheet.add(*self._thumbs.pop(self._added))
                self._added += 1

    def _finish(self, journal: VideoJournal, folder: str, rows: Float16Array | None) -> None:
        for one in self._writing:  # they were submitted before this, so none of them waits for a thread
            one.result()
        write_sheet(os.path.join(folder, SHEET), self._sheet)
        if self.timeline is not None:
            write_picture(os.path.join(folder, TIMELINE), self.timeline.draw(self._settings.thres), "png", 0)
        write_table(os.path.join(folder, TABLE), list(table(self.extract)))
        journal.end(self._video, self.extract, rows)


def table(extract: Extract) -> Iterator[str]:
    """Yield index.csv: one line per kept frame. `stands_for` counts the other frames that it covers."""
    yield "frame,seconds,file,stands_for,lowest_score"
    for kept in extract.kept:
        lowest = "" if kept.lowest_score is None else f"{kept.lowest_score:.6f}"
        yield f"{kept.index},{kept.seconds:.6f},{kept.file},{kept.stands_for},{lowest}"
