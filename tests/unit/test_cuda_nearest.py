"""The nearest neighbours by the cuda backend, over NumPy in CuPy's place: those of the C core, whatever overflows."""

from __future__ import annotations

import importlib
from types import ModuleType

import fake_cupy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import make

from fastsim.records import DeviceRows, PairBlock
from fastsim.similarity import neighbours
from fastsim.similarity.cpu import Tile


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("cupy", reason="needs cupy")
    fake_cupy.install(monkeypatch)
    module = importlib.import_module("fastsim.similarity.neighbours_cuda")
    return importlib.reload(module)


def assert_same(ours: neighbours.Neighbours, exact: neighbours.Neighbours) -> None:
    """The same neighbours, but for ties within what NumPy's sums round."""
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
    assert_same(backend.find_nearest(vectors, k, floor, device="cuda:0", **options), exact)


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


@given(st.data())
def test_lists_keep_the_best_whatever_the_order_of_blocks(data: st.DataObject) -> None:
    pytest.importorskip("cupy", reason="needs cupy")
    lists = importlib.import_module("fastsim.similarity.neighbours_cuda")._Lists
    n, k = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    cells = data.draw(
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, 20)), unique=True, min_size=1, max_size=40)
    )
    scores = data.draw(st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7]), min_size=len(cells), max_size=len(cells)))
    ours, cut = lists(n, k, 0.0), data.draw(st.integers(0, len(cells)))
    for part in (slice(0, cut), slice(cut, None)):
        rows = (
            np.array([cell[0] for cell in cells[part]], np.int64),
            np.array([cell[1] for cell in cells[part]], np.int64),
        )
        if len(rows[0]):
            ours.add(PairBlock(*rows, np.array(scores[part], np.float32)))
    for row in range(n):
        best = sorted(
            (-np.float32(score), cell[1]) for cell, score in zip(cells, scores, strict=True) if cell[0] == row
        )[:k]
        assert ours.index[row].tolist() == [index for _, index in best] + [-1] * (k - len(best))
        assert ours.result().score[row].tolist() == [-float(score) for score, _ in best] + [0.0] * (k - len(best))
