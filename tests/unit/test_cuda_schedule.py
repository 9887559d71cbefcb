"""The schedule of the cuda backend over the C kernels: same pairs, whatever the tile, the panel and the room."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import assert_same_pairs, oracle

from fastsim import _core
from fastsim.grouping.components import Components
from fastsim.records.pairs import PairBlock
from fastsim.similarity import cpu, effective, schedule
from fastsim.similarity.cpu import Tile


class CpuLauncher:
    """A device's place taken by the C kernels: counts every pair of a tile, returns the first `room`."""

    def __init__(self, vectors: np.ndarray, thres: float, room: int = schedule.BLOCK**2) -> None:
        self.room, self._rows, self._thres, self.overflows, self.flying = room, _core.Rows(vectors), thres, 0, 0

    def launch(self, tile: Tile, row_labels: np.ndarray, col_labels: np.ndarray) -> CpuLauncher:
        self.flying += 1
        assert self.flying <= schedule.DEPTH
        n = tile.pairs() + _core.ROOM
        left, right, score = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.float32)
        none = np.empty(0, np.int32)
        count, cursor = self._rows.scan(self._thres, tile, none, none, 0, left, right, score)
        assert cursor < 0
        left, right, score = left[:count], right[:count], score[:count]
        if len(row_labels):  # the GPU kernel leaves out what is joined before the launch, and knows no more
            apart = row_labels[left - tile.r0] != col_labels[right - tile.c0]
            left, right, score = left[apart], right[apart], score[apart]
        self.overflows += len(left) > self.room
        launcher, room = self, self.room
        hits = schedule.Hits(len(left), PairBlock(left[:room], right[:room], score[:room]))

        class Ticket:
            def result(self) -> schedule.Hits:
                launcher.flying -= 1
                return hits

        return Ticket()  # type: ignore[return-value]


class Counter:
    done = 0

    def advance(self, n: int = 1) -> None:
        self.done += n


def make(n: int, d: int, seed: int, spread: float = 1.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(1, d)) + spread * draw.normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize(
    ("n", "side", "panel"),
    [(1, 128, 128), (127, 128, 128), (129, 128, 256), (1000, 256, 512), (1025, 256, 1024)],
)
def test_tiles_cover_each_pair_once_and_stay_in_their_panels(n: int, side: int, panel: int) -> None:
    seen = np.zeros((n, n), int)
    for tile in schedule.tiles(n, side, panel):
        assert tile.r0 // panel == (tile.r1 - 1) // panel and tile.c0 // panel == (tile.c1 - 1) // panel
        seen[tile.r0 : tile.r1, tile.c0 : tile.c1] += 1
    assert (seen[np.triu_indices(n, 1)] == 1).all()


@pytest.mark.parametrize(
    "tile", [Tile(0, 1024, 0, 1024), Tile(0, 300, 0, 300), Tile(256, 300, 512, 1000), Tile(0, 129, 256, 300)]
)
def test_the_parts_of_a_tile_hold_its_pairs_once_and_end_at_blocks(tile: Tile) -> None:
    parts, done = [tile], []
    while parts:
        part = parts.pop()
        large = part.r1 - part.r0 > schedule.BLOCK or part.c1 - part.c0 > schedule.BLOCK
        parts.extend(schedule.split(part) if large else [])
        done.extend([] if large else [part])
    assert sum(part.pairs() for part in done) == tile.pairs()


@pytest.mark.parametrize("thres", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("devices", [1, 3])
def test_the_pairs_are_those_of_the_oracle_with_overflows_and_bad_rows(thres: float, devices: int) -> None:
    vectors = make(700, 40, 3)
    vectors[5] = vectors[600]
    vectors[7], vectors[8, 3] = 0, np.inf
    launchers = [CpuLauncher(vectors, effective(thres)) for _ in range(devices)]
    bar, found = Counter(), np.full((700, 700), -np.inf)
    for block in schedule.pair_blocks(launchers, schedule.tiles(700, 256, 512), labels=None, bar=bar):
        assert (found[block.left, block.right] == -np.inf).all(), "a pair was told twice"
        found[block.left, block.right] = block.score
    assert_same_pairs(found, oracle(vectors), effective(thres))
    assert bar.done == 700 * 699 // 2
    assert thres > 0 or sum(launcher.overflows for launcher in launchers)


@pytest.mark.parametrize("spread", [0.0, 0.3, 2.0])
def test_components_are_those_of_the_cpu_backend_and_a_dense_case_stays_small(spread: float) -> None:
    vectors = make(3000, 32, 4, spread)
    expected, found, told = Components(3000), Components(3000), 0
    for block in cpu.pair_blocks(vectors, 0.8, workers=1):
        expected.add(block)
    bar = Counter()
    launcher = CpuLauncher(vectors, 0.8)
    for block in schedule.pair_blocks([launcher], schedule.tiles(3000, 1024, 2048), labels=found.labels, bar=bar):
        found.add(block)
        told += len(block)
    assert same(found, expected)
    assert bar.done == 3000 * 2999 // 2
    if spread == 0.0:
        assert launcher.overflows and told < 3000 * 2999 // 8


def same(a: Components, b: Components) -> bool:
    pairs = np.unique(np.stack([a.of(), b.of()]), axis=1)
    return len(pairs[0]) == len(np.unique(a.of())) == len(np.unique(b.of()))


def test_room_for_less_than_a_block_is_refused() -> None:
    launcher = CpuLauncher(make(10, 16, 1), 0.5, room=100)
    with pytest.raises(ValueError, match="room"):
        list(schedule.pair_blocks([launcher], schedule.tiles(10, 128, 128), labels=None, bar=None))
