"""Packets in the order in which their frames are shown, known before they are decoded.

That is what lets a decoder discard frames that nobody asked for, while the ones that are taken stay the N-th of all
frames. It rests on what containers promise (a packet is a frame; decode times rise; no frame is shown before it is
decoded); where one of the promises is broken, `UnprovenError` is raised, and the video is decoded in full instead.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

from fastsim.decode.video.clock import Clock
from fastsim.decode.video.sampling import Selector

WARM_UP = 48
"""Frames at the start that are all decoded and checked one by one: streams that are cut out of others begin with frames
that can't be decoded, which must not be counted."""

_MOST_WAITING = 512
"""Packets; a stream that leaves its order open for longer does not keep the promises."""

_MOST_REORDERED = 20
"""Frames that may be decoded after one and shown before it; encoders of H.264 and HEVC take 16 at most. With more, the
time stamp of that one is wrong, and so would be the numbers of all frames behind it."""


class UnprovenError(Exception):
    """Which packet is which frame can't be known without decoding all of them."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One frame to come. `pts`: in the stream's time base; `must_come`: it is not to be discarded."""

    pts: int
    index: int
    seconds: float
    wanted: bool
    must_come: bool


class Presentation:
    """Numbers packets in the order of their frames, and checks the decoder's frames against that."""

    def __init__(self, select: Selector, clock: Clock) -> None:
        self._select = select
        self._clock = clock
        self._open: list[tuple[int, int]] = []
        """(time stamp, number in decode order) of packets whose place is not known yet."""
        self._added = 0
        self._last_dts: int | None = None
        self._last_pts: int | None = None
        self._due: deque[Slot] = deque()
        self._slots: dict[int, Slot] = {}
        self.count = 0
        """Frames numbered so far."""

    def add(self, pts: int | None, dts: int | None) -> None:
        """One more packet, in decode order. Raises UnprovenError."""
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
        """No more packets: the order of all is known."""
        self._settle(None)

    def slot(self, pts: int) -> Slot | None:
        """The frame of the packet with this time stamp, or None while its number is not known."""
        return self._slots.get(pts)

    def come(self, pts: int | None) -> Slot:
        """The slot of a frame that the decoder gave. Raises UnprovenError if it, or one before it, is not the expected."""
        while pts is not None and self._due and self._due[0].pts <= pts:
            slot = self._due.popleft()
            del self._slots[slot.pts]
            if slot.pts == pts:
                return slot
            if slot.must_come:
                break
        raise UnprovenError

    def pass_over(self, dropped: set[int], before: int) -> None:
        """The packets with these time stamps are not decoded; no packet that is still to come is shown before `before`."""
        self._settle(before)
        self._due = deque(slot for slot in self._due if slot.pts not in dropped)
        for pts in dropped:
            self._slots.pop(pts, None)

    @property
    def is_over(self) -> bool:
        """The selector wants no later frame, and all that it wanted came."""
        return self._select.done and not any(slot.wanted for slot in self._due)

    def check_end(self) -> None:
        """The decoder has given all it had. Raises UnprovenError if a wanted frame did not come."""
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
