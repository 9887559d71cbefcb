"""Show progress over videos, and over the frames of the one that is being read."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack

from fastsim.run.progress import Bar, Progress
from fastsim.videos import frames


class Bars:
    """A bar over videos, if there are several, and one over the frames of each."""

    def __init__(self, progress: Progress, videos: int) -> None:
        self._progress = progress
        self._several = videos > 1
        self._total = videos
        self._stack = ExitStack()
        self._videos: Bar | None = None
        self._inner: AbstractContextManager[Bar] | None = None
        self._frames: Bar | None = None
        self._seen = 0

    def __enter__(self) -> Bars:
        if self._several:
            self._videos = self._stack.enter_context(self._progress.bar("videos", self._total, "videos"))
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()
        self._stack.close()

    def pass_over(self, count: int) -> None:
        """Skip videos that an earlier run has done."""
        if self._videos is not None and count:
            self._videos.advance(count)

    def see(self, event: frames.Event) -> None:
        """Update the bars for an event."""
        if isinstance(event, frames.VideoOpened):
            self._close()
            self._inner = self._progress.bar("frames", event.expected, "frames")
            self._frames, self._seen = self._inner.__enter__(), 0
        elif isinstance(event, frames.Taken):
            if self._frames is not None:
                self._frames.advance(event.index + 1 - self._seen)
                self._seen = event.index + 1
        else:
            self._close()
            if self._videos is not None:
                self._videos.advance()

    def _close(self) -> None:
        if self._inner is not None:
            self._inner.__exit__(None, None, None)
            self._inner = self._frames = None
