"""Embed a stream of frames: the network works on some while others are still being decoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import numpy as np

from fastsim.embedding import Network, unit_rows
from fastsim.records.arrays import Float16Array
from fastsim.records.rows import FrameBatch
from fastsim.videos.frames import Event, Taken

_MOST_REPEATS = 16
_MOST_BYTES = 64 * 2**20
"""Repeated frames that may wait for the next result of the network; a still scene would otherwise accumulate here."""

Row = Float16Array
"""float16[d], unit length."""


class _Waiting:
    """An event in its place in the order, and its row once that is known."""

    __slots__ = ("event", "repeats", "row")

    def __init__(self, event: Event, repeats: bool) -> None:
        self.event = event
        self.repeats = repeats
        self.row: Row | None = None


def with_rows(events: Iterable[Event], network: Network, batch: int) -> Generator[tuple[Event, Row | None]]:
    """Yield the same events in the same order, each Taken with its row.

    A frame whose pixels equal those of the frame before gets the same row without being sent through the network. Few
    frames are in flight: those of the network's own requests, and one batch that is being filled.
    """
    line: deque[_Waiting] = deque()
    sent: deque[list[_Waiting]] = deque()
    last: list[Row] = []
    for _, raw in network.run(_batches(events, line, sent, batch)):
        for place, row in zip(sent.popleft(), unit_rows(raw), strict=True):
            place.row = row
        yield from _ready(line, last)
    yield from _ready(line, last)


def _batches(
    events: Iterable[Event], line: deque[_Waiting], sent: deque[list[_Waiting]], batch: int
) -> Iterator[FrameBatch]:
    """Fill batches of frames of one size; record in `line` and `sent` which events wait for them."""
    filling: list[_Waiting] = []
    before: Any = None  # uint8[size, size, 3], in NumPy or CuPy
    number = repeats = held = 0

    def full() -> FrameBatch:
        nonlocal filling, number
        taken = [place.event for place in filling if isinstance(place.event, Taken)]
        ids = np.arange(number, number + len(taken), dtype=np.int64)
        number += len(taken)
        sent.append(filling)
        filling = []
        return FrameBatch(ids, np.stack([one.pixels for one in taken]), np.array([one.size for one in taken], np.int32))

    for event in events:
        if not isinstance(event, Taken):
            line.append(_Waiting(event, False))
            continue
        alike = before is not None and before.shape == event.pixels.shape and type(before) is type(event.pixels)
        if not alike and filling:  # of another size, or in another memory
            yield full()
        few = repeats < _MOST_REPEATS and held + event.bytes <= _MOST_BYTES
        place = _Waiting(event, few and alike and bool((before == event.pixels).all()))
        repeats, held = (repeats + 1, held + event.bytes) if place.repeats else (0, 0)
        before = event.pixels
        line.append(place)
        if not place.repeats:
            filling.append(place)
            if len(filling) == batch:
                yield full()
    if filling:
        yield full()


def _ready(line: deque[_Waiting], last: list[Row]) -> Iterator[tuple[Event, Row | None]]:
    """Yield the events at the front whose rows are known. `last`: the row of the frame before, in a list."""
    while line:
        place = line[0]
        if isinstance(place.event, Taken):
            if place.row is None and not place.repeats:
                return
            if place.row is not None:
                last[:] = [place.row]
            line.popleft()
            yield place.event, last[0]
        else:
            line.popleft()
            yield place.event, None
