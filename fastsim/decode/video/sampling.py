"""Select the frames of a video to take: by number or by time, of all of it or of a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

_SLACK = 1e-4
"""Seconds: a frame this little before a moment counts as at that moment (time bases round)."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The frames to take of those with start <= seconds < end.

    Every `skip`-th, or with `every` the first one in each interval of so many seconds. Counting begins at the first
    frame of the part, which is always taken. Seconds are relative to the video's start.
    """

    skip: int = 10
    every: float | None = None
    start: float | None = None
    end: float | None = None

    @property
    def is_sparse(self) -> bool:
        """Return whether some frames are certainly skipped."""
        return self.every is not None or self.skip > 1 or self.start is not None

    @property
    def starts(self) -> tuple[float, ...]:
        """The time before which nothing is taken."""
        return () if self.start is None else (self.start,)

    def selector(self) -> Selector:
        """Start to select."""
        return _Sampler(self)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Frames by their numbers, ascending; `seconds`: their times."""

    numbers: Sequence[int]
    seconds: Sequence[float]

    @property
    def is_sparse(self) -> bool:
        """Whether some frames are skipped."""
        return True

    @property
    def starts(self) -> Sequence[float]:
        """The time of each frame."""
        return self.seconds

    def selector(self) -> Selector:
        """Start to select."""
        return _Picker(self.numbers)


class Selection(Protocol):
    """Which frames are taken: a `Sampling`, or `Chosen` ones."""

    @property
    def is_sparse(self) -> bool:
        """Whether some frames are certainly skipped."""
        ...

    @property
    def starts(self) -> Sequence[float]:
        """Seconds, ascending: nothing is taken before the first, nor between a taken frame and the next of them."""
        ...

    def selector(self) -> Selector:
        """Start to select."""
        ...


class Selector(Protocol):
    """Decide for each frame, in presentation order, whether it is taken."""

    @property
    def done(self) -> bool:
        """Whether no later frame is taken."""
        ...

    def __call__(self, index: int, seconds: float) -> bool:
        """Return whether frame number `index` is taken."""
        ...


class _Picker:
    """A Selector by numbers."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = frozenset(numbers)
        self._last = max(numbers, default=-1)
        self.done = not numbers

    def __call__(self, index: int, seconds: float) -> bool:
        self.done = index >= self._last
        return index in self._numbers


class _Sampler:
    """A Selector by a `Sampling`."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._first: int | None = None
        self._next = sampling.start or 0.0
        self.done = False

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
