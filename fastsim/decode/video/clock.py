"""Convert the timestamps of a video to seconds that always increase.

Streams that were joined, cut or repaired have clocks that restart, jump or stand still, and raw streams have none.
"""

from __future__ import annotations

from dataclasses import dataclass

_JITTER = 1.0
"""Seconds: a timestamp that falls back by less belongs to a stream whose frames are stamped out of order; by more, to
a clock that was reset.
"""
_GAP = 10.0
"""Seconds: in formats whose clock may be reset anywhere (MPEG-TS and the like), a longer gap is a reset."""
_BEYOND = 10.0
"""Seconds after the end that the container states: a later timestamp is an error."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock of a stream, as its container describes it."""

    time_base: float
    """Seconds per tick."""
    origin: int | None
    """Timestamp of 0 s; None: that of the first frame."""
    step: float = 0.04
    """Seconds between frames where timestamps are missing."""
    may_restart: bool = False
    """Whether the format allows discontinuities of its clock."""
    end: float | None = None
    """Length of the stream in seconds, if it is known."""


class Clock:
    """Assign seconds to frames; call it once per frame, in presentation order."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._zero = timing.origin
        """Timestamp of 0 s, as far as the clock runs on from there."""
        self._last: float | None = None
        self.was_reset = False
        """Whether the clock was reset at least once."""
        self.is_plain = True
        """Whether all timestamps so far were present, increased, and began at the origin or after it."""

    def __call__(self, pts: int | None) -> float:
        """Return the seconds of the next frame, larger than those of the frame before it.

        pts: its timestamp, None if it has none.
        """
        last = self._last
        if last is None:
            self._last = self._first(pts)
        elif pts is None or self._zero is None:
            self._last = self._go_on(pts)
        else:
            seconds = (pts - self._zero) * self._timing.time_base
            if self._is_reset(seconds, last):
                self._last = self._go_on(pts)
            elif seconds <= last or self._is_beyond(seconds):
                self._last = self._go_on(None)
            else:
                self._last = seconds
        return self._last

    def _first(self, pts: int | None) -> float:
        if pts is None:
            self.is_plain = False
            return 0.0
        if self._zero is None:
            self._zero = pts
        elif pts < self._zero:
            self._zero, self.is_plain = pts, False
        return (pts - self._zero) * self._timing.time_base

    def _is_reset(self, seconds: float, last: float) -> bool:
        return seconds < last - _JITTER or (self._timing.may_restart and seconds > last + _GAP)

    def _is_beyond(self, seconds: float) -> bool:
        return self._timing.end is not None and seconds > self._timing.end + _BEYOND

    def _go_on(self, pts: int | None) -> float:
        """Advance by one step after the last frame; with `pts`, the clock runs on from there."""
        assert self._last is not None
        seconds = round(self._last + self._timing.step, 9)  # sums of steps stay at whole steps
        if pts is not None:
            self.was_reset = self.was_reset or self._zero is not None
            self._zero = pts - round(seconds / self._timing.time_base)
        self.is_plain = False
        return seconds
