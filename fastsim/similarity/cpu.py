"""Compare all pairs on the CPU.

Threads take tiles of the n x n triangle, which the kernels in csrc/ compute without the GIL.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fastsim import _core
from fastsim.records.arrays import Float16Array, Int32Array
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import Views
from fastsim.rows import core_rows
from fastsim.run.progress import Bar
from fastsim.similarity import Labels
from fastsim.similarity.sketch import add_sketch

STRIP = 1024
"""Most rows of a tile: their codes and the float16 rows themselves share a core's L2 cache."""
SPAN = 8192
"""Columns of a tile: some milliseconds of work, so that threads end together and Ctrl-C is prompt."""

NOTHING: Int32Array = np.empty(0, np.int32)


class Tile(NamedTuple):
    """Rows r0..r1 against columns c0..c1; c0 is r0 on the diagonal, and beyond r1 elsewhere."""

    r0: int
    r1: int
    c0: int
    c1: int

    def pairs(self) -> int:
        """Return the number of pairs above the diagonal."""
        rows, columns = self.r1 - self.r0, self.c1 - self.c0
        return rows * columns - (rows * (rows + 1) // 2 if self.c0 == self.r0 else 0)


class Found(NamedTuple):
    """The pairs that one call found in a tile, and where the next call continues (-1: the tile is done)."""

    block: PairBlock
    cursor: int


def tiles(n: int, workers: int) -> Iterator[Tile]:
    """Yield the triangle in tiles, strip by strip; strips are narrower for small n, so that every worker has some."""
    strip = min(STRIP, max(64, n // (8 * workers) // 64 * 64))
    for r0 in range(0, n, strip):
        for c0 in range(r0, n, SPAN):
            yield Tile(r0, min(r0 + strip, n), c0, min(c0 + SPAN, n))


def pair_blocks(
    vectors: Float16Array, thres: float, *, workers: int, isa: str | None = None, labels: Labels | None = None,
    bar: Bar | None = None, room: int | None = None, views: Views | None = None,
) -> Iterator[PairBlock]:  # fmt: skip
    """Yield similar pairs, see `similarity.pair_blocks`; thres is the effective one.

    `room`: most pairs that one call returns.

    `labels` is called in the caller's thread only, while the generator runs; a tile then returns less than one pair
    per row and column.
    """
    room = max(_core.ROOM, room or 1 << 20)
    rows = core_rows(vectors, views, isa)
    pool = ThreadPoolExecutor(workers, "fastsim-pairs")
    try:
        add_sketch(rows, vectors, thres, similar_is_free=labels is not None, pool=pool)
        running: deque[tuple[Tile, Future[Found]]] = deque()

        def start(tile: Tile, cursor: int) -> bool:
            known = (labels(tile.r0, tile.r1), labels(tile.c0, tile.c1)) if labels else (NOTHING, NOTHING)
            if labels and _is_joined(*known):
                return False
            running.append((tile, pool.submit(_scan, rows, thres, tile, known, cursor, room)))
            return True

        waiting = tiles(len(vectors), workers)
        while True:
            while len(running) < 2 * workers + 1 and (tile := next(waiting, None)) is not None:
                if not start(tile, 0) and bar:
                    bar.advance(tile.pairs())
            if not running:
                return
            tile, future = running.popleft()
            block, cursor = future.result()
            if len(block):
                yield block
            if (cursor < 0 or not start(tile, cursor)) and bar:
                bar.advance(tile.pairs())
    finally:
        pool.shutdown(cancel_futures=True)


def _is_joined(rows: Int32Array, columns: Int32Array) -> bool:
    return bool((rows == rows[0]).all() and (columns == rows[0]).all())


def _scan(  # noqa: PLR0917
    rows: _core.Rows, thres: float, tile: Tile, known: tuple[Int32Array, Int32Array], cursor: int, room: int
) -> Found:
    left, right, score = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float32)
    count, cursor = rows.scan(thres, tile, *known, cursor, left, right, score)
    return Found(PairBlock(left[:count].copy(), right[:count].copy(), score[:count].copy()), cursor)
