"""Agreement of blocks: the kernel against NumPy, and what a displacement or an edge does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsim import _core
from fastsim.verification.agreement import BLOCK, compare_blocks


def blocks(left: np.ndarray, right: np.ndarray, side: int, reach: int, inside: np.ndarray | None = None) -> np.ndarray:
    height, width = left.shape
    out = np.zeros((height // side, width // side), BLOCK)
    covered = np.full(left.shape, 255, np.uint8) if inside is None else inside
    _core.blocks(left, right, covered, (width, height), side, reach, out)
    return out


def best_correlation(  # noqa: PLR0917
    left: np.ndarray, right: np.ndarray, y: int, x: int, side: int, reach: int
) -> float:
    a, best = left[y : y + side, x : x + side].astype(float), -2.0
    for by in range(max(0, y - reach), min(left.shape[0] - side, y + reach) + 1):
        for bx in range(max(0, x - reach), min(left.shape[1] - side, x + reach) + 1):
            b = right[by : by + side, bx : bx + side].astype(float)
            even = a.std() == 0 or b.std() == 0
            best = max(best, 0.0 if even else float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std())))
    return best


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 17), st.integers(0, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_correlations_are_those_of_numpy_at_odd_sizes(
    width: int, height: int, side: int, reach: int, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    left, right = (draw.integers(0, draw.choice([2, 5, 256]), (height, width)).astype(np.uint8) for _ in range(2))
    found = blocks(left, right, side, reach)
    for row in range(height // side):
        for column in range(width // side):
            expected = best_correlation(left, right, row * side, column * side, side, reach)
            assert found["correlation"][row, column] == pytest.approx(expected, abs=1e-5)
            a = left[row * side : (row + 1) * side, column * side : (column + 1) * side]
            assert found["left"][row, column] == pytest.approx(a.std(), abs=1e-3)
            assert found["mean_left"][row, column] == pytest.approx(a.mean(), abs=1e-3)


def test_a_displacement_is_found_and_not_looked_for_beyond_reach() -> None:
    left = np.random.default_rng(1).integers(0, 256, (80, 96)).astype(np.uint8)
    found = blocks(left, np.roll(left, (2, -3), (0, 1)), 16, 3)[1:-1, 1:-1]
    assert (found["correlation"] == 1).all()
    assert (found["dy"] == 2).all()
    assert (found["dx"] == -3).all()
    assert blocks(left, np.roll(left, (2, -3), (0, 1)), 16, 2)["correlation"].max() < 0.5


def test_blocks_that_are_not_covered_whole_are_not_seen() -> None:
    left = np.random.default_rng(2).integers(0, 256, (64, 64)).astype(np.uint8)
    inside = np.full((64, 64), 255, np.uint8)
    inside[20, 20] = 254
    found = blocks(left, left, 16, 2, inside)
    assert found["seen"].sum() == 15
    assert found["seen"][1, 1] == 0


def test_the_largest_sums_do_not_overflow() -> None:
    left = np.zeros((64, 64), np.uint8)
    left[:, 32:] = 255
    assert blocks(left, left, 64, 8)["correlation"][0, 0] == 1
    assert blocks(left, 255 - left, 64, 0)["correlation"][0, 0] == -1


@pytest.mark.parametrize("wrong", [{"side": 0}, {"side": 65}, {"reach": 9}, {"reach": -1}])
def test_what_does_not_fit_is_refused(wrong: dict[str, int]) -> None:
    picture = np.zeros((128, 128), np.uint8)
    with pytest.raises(ValueError, match="blocks"):
        _core.blocks(
            picture, picture, picture, (128, 128), wrong.get("side", 16), wrong.get("reach", 2), np.zeros((8, 8), BLOCK)
        )
    with pytest.raises(ValueError, match="blocks"):
        _core.blocks(picture[:100], picture, picture, (128, 128), 16, 2, np.zeros((8, 8), BLOCK))


def test_the_transform_is_corrected_by_what_the_blocks_say() -> None:
    draw = np.random.default_rng(3)
    coarse = draw.integers(0, 256, (40, 40)).astype(np.uint8)
    picture = np.kron(coarse, np.ones((6, 6), np.uint8))
    matrix = np.array([[1.0, 0, 2], [0, 1, -2], [0, 0, 1]])
    found = compare_blocks(picture, picture, matrix, side=16, reach=3, blur=1.0)
    corners = np.array([[0.0, 0, 1], [239, 0, 1], [0, 239, 1], [239, 239, 1]])
    moved = corners @ found.matrix.T
    assert np.abs(moved[:, :2] / moved[:, 2:] - corners[:, :2]).max() < 1
