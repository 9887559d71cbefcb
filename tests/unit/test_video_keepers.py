"""Keepers in a stream: the same as a plain loop, however the stream is cut, from an idle camera to a cut every frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsim.embedding import unit_rows
from fastsim.videos.keepers import CHUNK, Decision, Keepers


def reference(rows: np.ndarray, thres: float) -> list[tuple[int, bool]]:
    """One comparison after the other, in float64."""
    wide = rows.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    kept: list[int] = []
    decisions = []
    for n in range(len(wide)):
        cover = next((number for number, k in enumerate(kept) if wide[k] @ wide[n] >= thres), None)
        if cover is None:
            decisions.append((len(kept), True))
            kept.append(n)
        else:
            decisions.append((cover, False))
    return decisions


def stream(count: int, scenes: int, noise: float, seed: int = 0, d: int = 256) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(scenes, d))
    return unit_rows((centres[rng.integers(0, scenes, count)] + noise * rng.normal(size=(count, d))).astype(np.float32))


def in_blocks(keepers: Keepers, rows: np.ndarray, sizes: list[int]) -> list[Decision]:
    decisions, start = [], 0
    while start < len(rows):
        size = sizes[len(decisions) % len(sizes)]
        decisions += keepers.decide(rows[start : start + size])
        start += size
    return decisions


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 120),
    st.integers(1, 40),
    st.floats(0, 0.8),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(0, 99),
)
def test_the_decisions_are_those_of_a_plain_loop_however_the_stream_is_cut(
    count: int, scenes: int, noise: float, sizes: list[int], seed: int
) -> None:
    rows = stream(count, scenes, noise, seed)
    decisions = in_blocks(Keepers(0.8), rows, sizes)
    assert [(one.keeper, one.is_new) for one in decisions] == reference(rows, 0.8)
    assert all(one.score == 1 for one in decisions if one.is_new)
    assert all(one.score >= 0.8 for one in decisions)


def test_an_idle_camera_keeps_one_row_and_no_memory() -> None:
    rows = stream(1, 1, 0)
    keepers = Keepers(0.75)
    for _ in range(3000):
        [decision] = keepers.decide(rows)
    assert (len(keepers), decision.keeper, decision.is_new) == (1, 0, False)
    assert decision.score == pytest.approx(1, abs=1e-6)


def test_a_cut_at_every_frame_keeps_all_rows_beyond_a_chunk() -> None:
    rows = stream(2 * CHUNK + 100, 10**6, 1.0)
    keepers = Keepers(0.75)
    decisions = in_blocks(keepers, rows, [32])
    assert len(keepers) == len(rows)
    assert [one.keeper for one in decisions] == list(range(len(rows)))
    assert (keepers.rows == rows).all()
    again = keepers.decide(rows[-5:])
    assert [(one.keeper, one.is_new) for one in again] == [(len(rows) - 5 + k, False) for k in range(5)]


def test_a_threshold_of_one_finds_equal_rows_and_rows_of_nothing_are_like_nothing() -> None:
    rows = np.concatenate([stream(4, 4, 0.5), np.zeros((2, 256), np.float16)])
    keepers = Keepers(1.0)
    assert [one.is_new for one in keepers.decide(rows)] == [True] * 6
    assert [one.is_new for one in keepers.decide(rows)] == [False] * 4 + [True] * 2


def test_the_best_score_is_that_with_the_nearest_kept_row() -> None:
    rows = stream(50, 5, 0.3)
    keepers = Keepers(0.9)
    assert keepers.best(rows[0]) == 0
    keepers.decide(rows[:40])
    wide = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    kept = keepers.rows.astype(np.float64)
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    assert keepers.best(rows[45]) == pytest.approx((kept @ wide[45]).max(), abs=1e-4)


def test_rows_of_an_earlier_run_count() -> None:
    rows = stream(30, 30, 0.1)
    keepers = Keepers(0.75)
    keepers.add(rows[:20])
    assert not any(one.is_new for one in keepers.decide(rows[:20]))
