"""Find the nearest neighbours of each row with CUDA: the kernels of cuda.py, with a threshold per row.

Not yet run on a GPU.

The threshold of a row is its k-th best score so far, so that later tiles return only what changes a list; the lists
are kept on the host. Scores have the bits of the C kernels, so the result equals that of neighbours.find_nearest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from fastsim.device import Device
from fastsim.records.arrays import Float16Array, Float32Array
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import DeviceRows
from fastsim.run.progress import Bar
from fastsim.run.traffic import Traffic
from fastsim.similarity import schedule
from fastsim.similarity.cpu import NOTHING, Tile
from fastsim.similarity.cuda import ROOM, SIDE, CudaLauncher, CudaTicket, open_launchers
from fastsim.similarity.neighbours import Neighbours

DEPTH = 2
"""Tiles in flight on each device: one runs while the lists take in another."""


class _Lists:
    """The k best of each row so far, sorted; score -inf and index -1 if there are fewer."""

    def __init__(self, n: int, k: int, floor: float) -> None:
        self.index, self.score = np.full((n, k), -1, np.int64), np.full((n, k), -np.inf, np.float32)
        self._k, self._floor = k, np.float32(floor)

    def lows(self, start: int, stop: int) -> Float32Array:
        """Return the score that changes the list of each row."""
        lows: Float32Array = np.maximum(self.score[start:stop, -1], self._floor)
        return lows

    def add(self, block: PairBlock) -> None:
        """Add pairs (left: the row, right: its neighbour), each new."""
        order = np.lexsort((block.right, -block.score, block.left))
        left, right, score = block.left[order], block.right[order], block.score[order]
        rows, first = np.unique(left, return_index=True)
        rank = np.arange(len(left)) - np.repeat(first, np.diff([*first, len(left)]))
        best = rank < self._k
        slot = np.repeat(np.arange(len(rows)), np.diff([*first, len(left)]))[best], self._k + rank[best]
        index = np.concatenate([self.index[rows], np.full((len(rows), self._k), -1, np.int64)], axis=1)
        scores = np.concatenate([self.score[rows], np.full((len(rows), self._k), -np.inf, np.float32)], axis=1)
        index[slot], scores[slot] = right[best], score[best]
        order = np.lexsort((index, -scores), axis=1)[:, : self._k]
        self.index[rows] = np.take_along_axis(index, order, 1)
        self.score[rows] = np.take_along_axis(scores, order, 1)

    def result(self) -> Neighbours:
        return Neighbours(self.index, np.where(self.index < 0, np.float32(0), self.score))


def find_nearest(
    vectors: Float16Array, k: int, floor: float, *, device: Device, bar: Bar | None = None,
    resident: DeviceRows | None = None, traffic: Traffic | None = None, side: int = SIDE, panel: int | None = None,
    room: int = ROOM, kernel: str = "",
) -> Neighbours:  # fmt: skip
    """Return the nearest neighbours, see `neighbours.find_nearest`. `bar` counts rows.

    resident: the same rows on a device. The last four are for tests.
    """
    n = len(vectors)
    lists = _Lists(n, k, floor)
    if n < 2:
        return lists.result()
    launchers, panel = open_launchers(
        vectors, floor, device=device, resident=resident, traffic=traffic, side=side, panel=panel, room=room,
        kernel=kernel,
    )  # fmt: skip
    free = deque(launcher for _ in range(DEPTH) for launcher in launchers)
    waiting, again, running = tiles(n, side), deque[Tile](), deque[tuple[Tile, CudaLauncher, CudaTicket]]()
    while True:
        while free and (tile := again.popleft() if again else next(waiting, None)) is not None:
            launcher = free.popleft()
            running.append((tile, launcher, launcher.launch(tile, NOTHING, NOTHING, lists.lows(tile.r0, tile.r1))))
            if bar and tile.r0 == tile.c0 and tile.r1 - tile.r0 in (side, n % side):
                bar.advance(tile.r1 - tile.r0)
        if not running:
            return lists.result()
        tile, launcher, ticket = running.popleft()
        hits = ticket.result()
        free.append(launcher)
        if hits.total > launcher.room:
            again.extendleft(reversed(quarters(tile)))
        elif len(hits.block):
            lists.add(hits.block)


def tiles(n: int, side: int) -> Iterator[Tile]:
    """Yield all of n x n, strip by strip; first the tile on the diagonal, whose columns are the strip's own rows."""
    for r0 in range(0, n, side):
        for c0 in (r0, *(c for c in range(0, n, side) if c != r0)):
            yield Tile(r0, min(r0 + side, n), c0, min(c0 + side, n))


def quarters(tile: Tile) -> list[Tile]:
    """Split `tile` into up to four parts; each either is on the diagonal or has no row among its columns."""
    rows, columns = schedule.cut(tile.r0, tile.r1), schedule.cut(tile.c0, tile.c1)
    return [Tile(*part, *other) for part in rows for other in columns]
