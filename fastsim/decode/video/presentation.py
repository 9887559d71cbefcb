"""Determine the presentation order of packets before they are decoded.

This allows a decoder to discard frames that are not needed, while the N-th of all frames stays the N-th. It relies on
what containers promise: a packet is a frame, decode times increase, and no frame is shown before it is decoded. If a
promise is broken, `UnprovenError` is raised, and the video is decoded in full instead.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

from fastsim.decode.video.clock import Clock
from fastsim.decode.video.sampling import Selector

WARM_UP = 48
"""Frames at the start that are all decoded and checked one by one: streams that were cut out of others begin with
frames that cannot be decoded, and these must not be counted.
"""

_MOST_WAITING = 512
"""Packets; a stream that leaves its order open for longer breaks the promises."""

_MOST_REORDERED = 20
"""Frames that may be decoded after a frame and shown before it; encoders of H.264 and HEVC use 16 at most. If there
are more, the timestamp of that frame is wrong, and so would be the numbers of all later frames.
"""


class UnprovenError(Exception):
    """Report that packets cannot be matched to frames without decoding all of them."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An expected frame. `pts`: in the stream's time base; `must_come`: it must not be discarded."""

    pts: int
    index: int
    seconds: float
    wanted: bool
    must_come: bool


class Presentation:
    """Number packets in the order of their frames, and check the decoder's frames against it."""

    def __init__(self, select: Selector, clock: Clock) -> None:
        self._select = select
        self._clock = clock
        self._open: list[tuple[int, int]] = []
        """(timestamp, number in decode order) of packets whose place is not known yet."""
        self._added = 0
        self._last_dts: int | None = None
        self._last_pts: int | None = None
        self._due: deque[Slot] = deque()
        self._slots: dict[int, Slot] = {}
        self.count = 0
        """Frames numbered so far."""

    def add(self, pts: int | None, dts: int | None) -> None:
        """Add the next packet, in decode order. Raises UnprovenError."""
        if pts is None or (dts is not None and dts > pts) or pts in self._slots:
            raise UnprovenError
        if dts is not None:
            if self._last_dts is not None and dts < self._last_dts:
                raise UnprovenError
            self._last_dts = dts
            # Every later packet is shown at its own decode time or after it.
            self._settle(dts)
        heapq.heappush(self._open, (pts, self._added))
        self._added += 1
        if len(self._open) > _MOST_WAITING:
            raise UnprovenError

    def end(self) -> None:
        """Mark the end of the packets, after which the order of all is known."""
        self._settle(None)

    def slot(self, pts: int) -> Slot | None:
        """Return the slot of the packet with this timestamp, or None while its number is not known."""
        return self._slots.get(pts)

    def come(self, pts: int | None) -> Slot:
        """Return the slot of a frame that the decoder returned. Raises UnprovenError if it is not the expected one."""
        while pts is not None and self._due and self._due[0].pts <= pts:
            slot = self._due.popleft()
            del self._slots[slot.pts]
            if slot.pts == pts:
                return slot
            if slot.must_come:
                break
        raise UnprovenError

    def pass_over(self, dropped: set[int], before: int) -> None:
        """Record that the packets with these timestamps are not decoded.

        before: no packet that is still to come is shown before it.
        """
        self._settle(before)
        self._due = deque(slot for slot in self._due if slot.pts not in dropped)
        for pts in dropped:
            self._slots.pop(pts, None)

    @property
    def is_over(self) -> bool:
        """Return whether all wanted frames came, and the selector wants no later one."""
        return self._select.done and not any(slot.wanted for slot in self._due)

    def check_end(self) -> None:
        """Raise UnprovenError if the decoder has ended without a wanted frame."""
        if any(slot.wanted for slot in self._due):
            raise UnprovenError

    def _settle(self, before: int | None) -> None:
        while self._open and (before is None or self._open[0][0] < before):
            pts, added = heapq.heappop(self._open)
            if (self._last_pts is not None and pts <= self._last_pts) or self.count - added > _MOST_REORDERED:
                raise UnprovenError
            self._last_pts = pts
            seconds = self._clock(pts)
            if not self._clock.is_plain:
                raise UnprovenError
            wanted = self._select(self.count, seconds)
            slot = Slot(pts, self.count, seconds, wanted, wanted or self.count < WARM_UP)
            self._due.append(slot)
            self._slots[pts] = slot
            self.count += 1
