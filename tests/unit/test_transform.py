"""Alignment: a transform that was put in comes out again, among wrong matches and noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsim import _core
from fastsim.verification.matching import ALIGNMENT


def rotation(degrees: float, scale: float, stretch: float = 1.0) -> np.ndarray:
    turn = np.radians(degrees)
    return scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([stretch, 1.0])


def features(points: np.ndarray, angle: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.column_stack([points, np.mod(angle, 360), size]).astype(np.float32)


NO_WIDTH = np.empty(0, np.int32)


def align(left: np.ndarray, right: np.ndarray, descriptors: np.ndarray, step: int = 1) -> np.void:
    """Align two pictures whose features have the same descriptors in the same order."""
    out = np.zeros(1, ALIGNMENT)
    start = np.array([0, len(left), 2 * len(left)])
    both = np.concatenate([descriptors, descriptors]), np.concatenate([left, right])
    _core.align(*both, start, NO_WIDTH, np.array([0]), np.array([1]), 0.9, 3.0, step, out)
    return out[0]


@given(st.floats(-180, 180), st.floats(0.15, 6), st.floats(0.85, 1.18), st.integers(50, 300), st.floats(0.3, 1),
       st.integers(0, 2**32 - 1))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_a_transform_is_found_among_wrong_matches(  # noqa: PLR0917
    degrees: float, scale: float, stretch: float, count: int, share: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    matrix, shift = rotation(degrees, scale, stretch), draw.uniform(-200, 200, 2)
    points = draw.uniform(0, 256, (count, 2))
    good = np.arange(count) < max(30, round(share * count))
    moved = np.where(good[:, None], points @ matrix.T + shift, draw.uniform(0, 256 * scale, (count, 2)))
    moved += draw.normal(0, 0.5, (count, 2))
    angle, size = draw.uniform(0, 360, count), draw.choice([31, 45, 64], count)
    turn = degrees + draw.normal(0, 4, count)
    found = align(
        features(points, angle, size), features(moved, angle + turn, size * scale * draw.uniform(0.85, 1.18, count)),
        draw.integers(0, 256, (count, 32), np.uint8),
    )  # fmt: skip
    assert found["inliers"] >= 0.8 * good.sum()
    centre = np.array([128.0, 128.0])
    assert np.abs(found["matrix"][:, :2] @ centre + found["matrix"][:, 2] - (matrix @ centre + shift)).max() < 2.5


def test_matches_that_agree_on_nothing_have_few_inliers() -> None:
    draw = np.random.default_rng(1)
    points, others = draw.uniform(0, 256, (2, 100, 2))
    angles = draw.uniform(0, 360, (2, 100))
    size = np.full(100, 31.0)
    found = align(features(points, angles[0], size), features(others, angles[1], size),
                  draw.integers(0, 256, (100, 32), np.uint8))  # fmt: skip
    assert found["matches"] == 100
    assert found["inliers"] < 8


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_features_are_no_trouble(count: int) -> None:
    points = features(np.arange(2 * count).reshape(count, 2) * 20.0, np.zeros(count), np.full(count, 31.0))
    found = align(points, points, np.arange(32 * count, dtype=np.uint8).reshape(count, 32))
    assert found["inliers"] in (0, count)


def test_points_on_one_line_or_at_one_place_are_no_trouble() -> None:
    descriptors = np.random.default_rng(2).integers(0, 256, (40, 32), np.uint8)
    line = features(np.column_stack([np.arange(40) * 6.0, np.full(40, 9.0)]), np.zeros(40), np.full(40, 31.0))
    found = align(line, line, descriptors)
    assert np.isfinite(found["matrix"]).all()
    assert found["inliers"] == 40
    place = features(np.full((40, 2), 5.0), np.zeros(40), np.full(40, 31.0))
    assert align(place, place, descriptors)["inliers"] == 0


def test_values_that_are_not_finite_are_no_trouble() -> None:
    descriptors = np.random.default_rng(3).integers(0, 256, (30, 32), np.uint8)
    points = features(np.random.default_rng(4).uniform(0, 200, (30, 2)), np.zeros(30), np.full(30, 31.0))
    broken = points.copy()
    broken[::3] = np.nan
    broken[1::3, 3] = 0
    broken[2::3, 0] = np.inf
    found = align(points, broken, descriptors)
    assert np.isfinite(found["matrix"]).all()


def test_features_that_do_not_fit_are_refused() -> None:
    points, descriptors = np.zeros((4, 4), np.float32), np.zeros((4, 32), np.uint8)
    start, first, out = np.array([0, 2, 4]), np.array([0]), np.zeros(1, ALIGNMENT)
    wrong = [
        (descriptors[:3], points, start, first, first, out),
        (descriptors, points, np.array([0, 2, 5]), first, first, out),
        (descriptors, points, np.array([0, 3, 2]), first, first, out),
        (descriptors, points, np.array([-1, 2, 4]), first, first, out),
        (descriptors, points, start, np.array([2]), first, out),
        (descriptors, points, start, np.array([-1]), first, out),
        (descriptors, points, start, first, np.array([0, 1]), out),
        (descriptors, points, start, first, first, np.zeros(2, ALIGNMENT)),
        (descriptors, points, np.empty(0, np.int64), first, first, out),
    ]
    for *arrays, result in wrong:
        with pytest.raises(ValueError, match="align"):
            _core.align(*arrays[:3], NO_WIDTH, *arrays[3:], 0.8, 3.0, 1, result)
    for width, step in ((np.zeros(1, np.int32), 1), (NO_WIDTH, 0)):
        with pytest.raises(ValueError, match="align"):
            _core.align(descriptors, points, start, width, first, first, 0.8, 3.0, step, out)


def test_pairs_are_given_up_where_a_part_of_the_features_agrees_on_nothing() -> None:
    draw = np.random.default_rng(5)
    points, others = draw.uniform(0, 256, (2, 100, 2))
    size, descriptors = np.full(100, 31.0), draw.integers(0, 256, (100, 32), np.uint8)
    left = features(points, np.zeros(100), size)
    assert align(left, features(others, draw.uniform(0, 360, 100), size), descriptors, step=4)["matches"] == 0
    found, whole = (align(left, features(points + 9, np.zeros(100), size), descriptors, step) for step in (4, 1))
    assert found == whole
