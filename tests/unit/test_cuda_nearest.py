"""The nearest neighbours by the cuda backend, over NumPy in CuPy's place: those of the C core, whatever overflows."""

from __future__ import annotations

import importlib
from types import ModuleType

import fake_cupy
import numpy as np
import pytest
from oracle import make

from fastsim.device import Device
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import DeviceRows
from fastsim.similarity import neighbours
from fastsim.similarity.cpu import Tile


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("cupy", reason="needs cupy")
    fake_cupy.install(monkeypatch)
    module = importlib.import_module("fastsim.similarity.neighbours_cuda")
    return importlib.reload(module)


def assert_same(ours: neighbours.Neighbours, exact: neighbours.Neighbours) -> None:
    """Check for the same neighbours, except ties within what NumPy's sums round."""
    assert np.abs(ours.score - exact.score).max() < 2e-6
    other = ours.index != exact.index
    assert np.abs(ours.score - exact.score)[other].max(initial=0) < 2e-6 and other.mean() < 0.02


@pytest.mark.parametrize(("n", "k", "floor"), [(2, 3, -1.0), (300, 5, 0.3), (700, 24, -0.5), (700, 1, 0.9)])
@pytest.mark.parametrize("options", [{}, {"side": 256, "panel": 256, "room": 1 << 14}], ids=["whole", "pieces"])
def test_the_neighbours_are_those_of_the_c_core(
    backend: ModuleType, n: int, k: int, floor: float, options: dict
) -> None:
    vectors = make(n, 40, seed=n)
    if n > 9:
        vectors[3], vectors[5, 0] = 0, np.inf
    exact = neighbours.find_nearest(vectors, k, floor, workers=1)
    assert_same(backend.find_nearest(vectors, k, floor, device=Device.parse("cuda:0"), **options), exact)


def test_rows_on_the_device_stay_there_and_several_devices_share_the_tiles(backend: ModuleType) -> None:
    vectors = make(600, 64, seed=1)
    exact = neighbours.find_nearest(vectors, 4, 0.2, workers=1)
    resident = DeviceRows(0, np.array(vectors).view(fake_cupy.Array))
    for device in ("cuda:0", "cuda:0,1"):
        assert_same(backend.find_nearest(vectors, 4, 0.2, device=device, resident=resident, side=256), exact)


def test_every_pair_of_rows_is_in_one_tile_and_quarters_keep_the_diagonal(backend: ModuleType) -> None:
    n, seen = 700, np.zeros((700, 700), int)
    for tile in backend.tiles(n, 256):
        seen[tile.r0 : tile.r1, tile.c0 : tile.c1] += 1
    assert (seen == 1).all()
    for tile in (Tile(0, 700, 0, 700), Tile(256, 512, 0, 256), Tile(0, 130, 512, 700)):
        parts = backend.quarters(tile)
        seen[:] = 0
        for part in parts:
            seen[part.r0 : part.r1, part.c0 : part.c1] += 1
            assert part.r0 == part.c0 or part.r1 <= part.c0 or part.c1 <= part.r0
        assert (seen[tile.r0 : tile.r1, tile.c0 : tile.c1] == 1).all() and seen.sum() == (tile.r1 - tile.r0) * (
            tile.c1 - tile.c0
        )


@pytest.mark.parametrize("seed", range(30))
def test_lists_keep_the_best_whatever_the_order_of_blocks(backend: ModuleType, seed: int) -> None:
    draw = np.random.default_rng(seed)
    n, k = int(draw.integers(1, 7)), int(draw.integers(1, 5))
    cells = draw.permutation(n * 20)[: int(draw.integers(1, 41))]
    rows, others = (part.astype(np.int64) for part in np.divmod(cells, 20))
    scores = draw.choice(np.array([0.1, 0.3, 0.5, 0.7], np.float32), len(cells))  # ties: the lower index comes first
    ours, cut = backend._Lists(n, k, 0.0), int(draw.integers(0, len(cells) + 1))
    for part in (slice(0, cut), slice(cut, None)):
        if len(rows[part]):
            ours.add(PairBlock(rows[part], others[part], scores[part]))
    result = ours.result()
    for row in range(n):
        own = rows == row
        best = sorted(zip((-scores[own]).tolist(), others[own].tolist(), strict=True))[:k]
        assert result.index[row].tolist() == [index for _, index in best] + [-1] * (k - len(best))
        assert result.score[row].tolist() == [-score for score, _ in best] + [0.0] * (k - len(best))
