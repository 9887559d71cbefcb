"""Which frames of a video are taken: by number or by time, of all of it or of a part."""

from __future__ import annotations

from dataclasses import dataclass

_SLACK = 1e-4
"""Seconds: a frame that lies this little before a moment is at that moment (time bases round)."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Of the frames with start <= seconds < end: every `skip`-th, or with `every` the first one in every so many seconds.

    Counting begins at the first frame of the part, which is always taken. Seconds are since the video's start.
    """

    skip: int = 10
    every: float | None = None
    start: float | None = None
    end: float | None = None

    @property
    def is_sparse(self) -> bool:
        """Some frames are passed over for sure."""
        return self.every is not None or self.skip > 1 or self.start is not None


class Selector:
    """Says of each frame, asked in the order in which they are shown, whether it is taken."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._first: int | None = None
        self._next = sampling.start or 0.0
        self.done = False
        """The part is over: no later frame is taken."""

    def __call__(self, index: int, seconds: float) -> bool:
        what = self._sampling
        if what.end is not None and seconds >= what.end - _SLACK:
            self.done = True
        if self.done or (what.start is not None and seconds < what.start - _SLACK):
            return False
        if what.every is not None:
            if self._first is not None and seconds < self._next - _SLACK:
                return False
            self._first = index
            begin = what.start or 0.0
            self._next = begin + (int((seconds - begin + _SLACK) / what.every) + 1) * what.every
            return True
        if self._first is None:
            self._first = index
        return (index - self._first) % what.skip == 0
