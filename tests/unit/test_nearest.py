"""Nearest neighbours: every kernel against brute force over the scores of the serial kernel, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracle import make, oracle, scan, sketched

import fastsim
from fastsim import _core
from fastsim.records.rows import Views
from fastsim.similarity import neighbours, sketch
from fastsim.similarity.neighbours import find_nearest, find_nearest_among

ISAS = _core.isas()


def all_scores(vectors: np.ndarray) -> np.ndarray:
    """float32[n, n]: every score with the bits of the kernels, -inf on the diagonal and for rows similar to nothing."""
    upper = scan(_core.Rows(vectors, "serial"), len(vectors), -1.0)
    return np.maximum(upper, upper.T)


def brute_force(vectors: np.ndarray, k: int, floor: float) -> tuple[np.ndarray, np.ndarray]:
    n = len(vectors)
    index, score = np.full((n, k), -1, np.int64), np.zeros((n, k), np.float32)
    for i, row in enumerate(all_scores(vectors)):
        best = [j for j in sorted(range(n), key=lambda j: (-row[j], j)) if row[j] >= np.float32(floor)][:k]
        index[i, : len(best)], score[i, : len(best)] = best, row[best]
    return index, score


def search(rows: _core.Rows, n: int, k: int, floor: float) -> tuple[np.ndarray, np.ndarray]:
    index, score = np.empty((n, k), np.int64), np.empty((n, k), np.float32)
    rows.nearest(floor, k, 0, n, index, score)
    return index, score


def assert_equal(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> None:
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])


@pytest.mark.parametrize("isa", ISAS)
@given(
    st.integers(0, 150), st.integers(1, 100), st.integers(1, 40), st.floats(-1, 1, width=32), st.integers(0, 2**32 - 1)
)
@example(1, 1, 1, 0.0, 0)
@example(65, 16, 64, -1.0, 1)
@example(130, 17, 200, -1.0, 2)
@settings(max_examples=30, deadline=None)
def test_neighbours_are_those_of_brute_force_at_odd_sizes(  # noqa: PLR0917
    isa: str, n: int, d: int, k: int, floor: float, seed: int
) -> None:
    vectors = make(n, d, seed)
    assert_equal(search(_core.Rows(vectors, isa), n, k, floor), brute_force(vectors, k, floor))


@pytest.mark.parametrize("isa", ISAS)
@given(st.integers(1, 150), st.integers(4, 100), st.integers(1, 12), st.integers(1, 30), st.sampled_from([0.3, 1, 5]),
       st.integers(0, 2**32 - 1))  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_the_sketch_loses_no_neighbour(  # noqa: PLR0917
    isa: str, n: int, d: int, k4: int, k: int, spread: float, seed: int
) -> None:
    vectors = make(n, d, seed)
    plain = search(_core.Rows(vectors, isa), n, k, 0.1)
    assert_equal(search(sketched(vectors, isa, min(4 * k4, d // 4 * 4), spread), n, k, 0.1), plain)


@pytest.mark.parametrize("isa", ISAS)
def test_equal_scores_are_ordered_by_row_and_the_lowest_rows_stay(isa: str) -> None:
    vectors = np.repeat(np.eye(4, 16, dtype=np.float16), 50, axis=0)  # 50 equal rows of each kind
    index, score = search(_core.Rows(vectors, isa), 200, 7, 0.5)
    assert index[0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert index[60].tolist() == [50, 51, 52, 53, 54, 55, 56]
    assert (score == 1).all()


@pytest.mark.parametrize("isa", ISAS)
def test_rows_that_are_zero_or_not_finite_have_no_neighbours_and_are_none(isa: str) -> None:
    vectors = make(70, 32, 1)
    vectors[[3, 64]] = 0
    vectors[10, 2] = np.nan
    index, _ = search(_core.Rows(vectors, isa), 70, 69, -1.0)
    assert (index[[3, 10, 64]] == -1).all()
    assert not np.isin(index, [3, 10, 64]).any()
    assert ((index >= 0).sum(axis=1)[[0, 69]] == 66).all()


def across(query: np.ndarray, vectors: np.ndarray, k: int, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """By brute force over the scores of one set of all rows."""
    q, n = len(query), len(vectors)
    index, score = np.full((q, k), -1, np.int64), np.zeros((q, k), np.float32)
    scores = all_scores(np.concatenate([query, vectors]))[:q, q:]
    for i, row in enumerate(scores):
        best = [j for j in sorted(range(n), key=lambda j: (-row[j], j)) if row[j] >= np.float32(floor)][:k]
        index[i, : len(best)], score[i, : len(best)] = best, row[best]
    return index, score


@pytest.mark.parametrize("isa", ISAS)
@given(st.integers(0, 90), st.integers(0, 150), st.integers(1, 60), st.integers(1, 40), st.floats(-1, 1, width=32),
       st.integers(0, 2**32 - 1))  # fmt: skip
@example(1, 130, 256, 10, 0.0, 1)
@example(65, 64, 16, 3, -1.0, 2)
@settings(max_examples=30, deadline=None)
def test_neighbours_in_another_set_are_those_of_brute_force(  # noqa: PLR0917
    isa: str, q: int, n: int, d: int, k: int, floor: float, seed: int
) -> None:
    rows = make(q + n, d, seed)
    query, vectors = rows[:q].copy(), rows[q:].copy()
    expected = across(query, vectors, k, floor)
    for few, part in ((0, 64), (1000, 64), (1000, 100)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(neighbours, "FEW", few)
            patch.setattr(neighbours, "PART", part)
            found = find_nearest_among(query, vectors, k, floor, workers=2, isa=isa)
        assert_equal((found.index, found.score), expected)


@pytest.mark.parametrize("few", [0, 1000])
def test_views_lower_scores_in_another_set_as_in_the_own_one(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "FEW", few)
    draw = np.random.default_rng(4)
    vectors, kind = make(90, 32, 8), draw.choice([0, 0, 3], 90).astype(np.int32)
    counts = draw.choice([0, 1, 2], 90)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    views = Views(kind, start, make(int(start[-1]), 32, 9))
    whole = find_nearest(vectors, 90, -0.999, workers=1, views=views)
    mine, theirs = np.arange(40), np.arange(40, 90)
    found = find_nearest_among(
        vectors[:40], vectors[40:], 90, -0.999, workers=2, query_views=views.take(mine), views=views.take(theirs)
    )
    for row in range(40):
        there = whole.index[row] >= 40
        assert found.index[row][found.index[row] >= 0].tolist() == (whole.index[row][there] - 40).tolist()
        assert found.score[row][found.index[row] >= 0].tolist() == whole.score[row][there].tolist()
    plain = find_nearest_among(vectors[:40], vectors[40:], 90, -0.999, workers=2, query_views=views.take(mine))
    assert (plain.index[kind[:40] == 3] == -1).all()


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_and_sketches_change_nothing(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(1601, 96)) * np.arange(1, 97) ** -0.7
    rows[::9] = rows[1::9] + draw.normal(size=rows[::9].shape) * 0.02
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    plain = search(_core.Rows(vectors), 1601, 24, 0.3)
    monkeypatch.setattr(sketch, "FEWEST_ROWS", 1000)
    used = []
    add = neighbours.add_sketch
    monkeypatch.setattr(neighbours, "add_sketch", lambda *a, **b: used.append(add(*a, **b)))
    found = find_nearest(vectors, 24, 0.3, workers=workers)
    assert_equal((found.index, found.score), plain)
    assert used[0] > 0, "no sketch was tried"


def test_the_public_function_finds_them_and_takes_float32() -> None:
    vectors = make(300, 48, 5)
    index, score = fastsim.nearest(vectors.astype(np.float32), k=5, floor=0.2, workers=2)
    truth = oracle(vectors)
    truth = np.maximum(truth, truth.T)
    assert index.shape == score.shape == (300, 5)
    best = -np.sort(-truth, axis=1)[:, :5]
    assert np.abs(np.where(best >= 0.2, best, 0) - score).max() < 1e-3


@pytest.mark.parametrize("wrong", [{"k": 0}, {"floor": 1.5}, {"floor": float("nan")}, {"workers": 0}])
def test_what_can_not_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        fastsim.nearest(make(10, 8, 0), **wrong)  # type: ignore[arg-type]


def test_buffers_that_do_not_fit_are_refused() -> None:
    rows = _core.Rows(make(100, 16, 1))
    index, score = np.empty((100, 3), np.int64), np.empty((100, 3), np.float32)
    for k, start, stop in [(0, 0, 100), (3, 2, 100), (3, 0, 101), (3, 8, 4), (4, 0, 100), (3, 4, 100)]:
        with pytest.raises(ValueError, match="nearest"):
            rows.nearest(0.1, k, start, stop, index, score)
    with pytest.raises(ValueError, match="nearest"):
        rows.nearest(0.1, 3, 0, 100, index, score[:-1])
    with pytest.raises(ValueError, match="nearest"):
        rows.nearest(0.1, 3, 0, 100, index, score, _core.Rows(make(100, 32, 1)))
