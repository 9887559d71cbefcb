"""Schedule the tiles that a GPU compares, and split those that find more pairs than fit.

This module does not depend on CUDA: a launcher stands for a device, so that the tests run all of it over the C
kernels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from fastsim.records.arrays import Int32Array
from fastsim.records.pairs import PairBlock
from fastsim.run.progress import Bar
from fastsim.similarity import Labels
from fastsim.similarity.cpu import NOTHING, Tile

BLOCK = 128
"""Rows and columns of the smallest tile (SIDE in prefilter_simple.cu): it cannot overflow, because BLOCK**2 pairs fit."""
DEPTH = 3
"""Tiles in flight on each device: one runs, one waits, one is being read."""


class Hits(NamedTuple):
    """The result of a tile: `total` candidates, of which `block` has at most `room`, in rows of the whole matrix."""

    total: int
    block: PairBlock


class Ticket(Protocol):
    """A tile in flight."""

    def result(self) -> Hits:
        """Wait for the tile, and return what it found."""


class Launcher(Protocol):
    """A device that compares tiles. `room`: candidates that one tile can return."""

    room: int

    def launch(self, tile: Tile, row_labels: Int32Array, col_labels: Int32Array) -> Ticket:
        """Start `tile` without waiting for it; pairs with equal labels are left out (both empty: none are)."""
        ...


def tiles(n: int, side: int, panel: int) -> Iterator[Tile]:
    """Yield the upper triangle of n x n in tiles of `side`, panel by panel (a multiple of `side`).

    Two panels of rows are needed at a time, and the left one stays. Tiles on the diagonal are square.
    """
    if side % BLOCK or panel % side:
        raise ValueError(f"tiles: side {side}, panel {panel}")
    for left in range(0, n, panel):
        for right in range(left, n, panel):
            for r0 in range(left, min(left + panel, n), side):
                for c0 in range(max(right, r0), min(right + panel, n), side):
                    yield Tile(r0, min(r0 + side, n), c0, min(c0 + side, n))


def split(tile: Tile) -> list[Tile]:
    """Split `tile` into up to four parts, none below the diagonal; each cut is at a multiple of BLOCK."""
    rows, columns = cut(tile.r0, tile.r1), cut(tile.c0, tile.c1)
    return [Tile(*r, *c) for r in rows for c in columns if tile.r0 != tile.c0 or r[0] <= c[0]]


def cut(start: int, stop: int) -> list[tuple[int, int]]:
    """Split a range into up to two parts, at a multiple of BLOCK from its start."""
    blocks = -(-(stop - start) // BLOCK)
    middle = start + blocks // 2 * BLOCK
    return [(start, middle), (middle, stop)] if blocks > 1 else [(start, stop)]


def pair_blocks(
    launchers: Sequence[Launcher], waiting: Iterator[Tile], *, labels: Labels | None, bar: Bar | None
) -> Iterator[PairBlock]:
    """Compare the tiles, in turn on each launcher.

    A tile that overflows is split and compared again. With `labels`, its first pairs are yielded at once, because they
    join most of the rest; without, they are not, so that nothing is lost and nothing is doubled. `labels` is called in
    the caller's thread while the generator runs.
    """
    if any(launcher.room < BLOCK * BLOCK for launcher in launchers):
        raise ValueError(f"pair_blocks: room for {BLOCK * BLOCK} candidates is needed")
    running: deque[tuple[Tile, Launcher, Ticket]] = deque()
    again: deque[Tile] = deque()
    free = deque(launcher for _ in range(DEPTH) for launcher in launchers)
    while True:
        while free and (tile := again.popleft() if again else next(waiting, None)) is not None:
            known = (labels(tile.r0, tile.r1), labels(tile.c0, tile.c1)) if labels else (NOTHING, NOTHING)
            if labels and _is_joined(*known):
                _advance(bar, tile)
                continue
            launcher = free.popleft()
            running.append((tile, launcher, launcher.launch(tile, *known)))
        if not running:
            return
        tile, launcher, ticket = running.popleft()
        total, block = ticket.result()
        free.append(launcher)
        fits = total <= launcher.room
        if fits:
            _advance(bar, tile)
        else:
            again.extend(split(tile))
        if len(block) and (fits or labels):
            yield block


def _advance(bar: Bar | None, tile: Tile) -> None:
    if bar:
        bar.advance(tile.pairs())


def _is_joined(rows: Int32Array, columns: Int32Array) -> bool:
    return bool((rows == rows[0]).all() and (columns == rows[0]).all())
