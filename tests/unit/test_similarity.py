"""Similar pairs through Python: threads, buffers, labels, and the public function."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from oracle import assert_same_pairs, make, oracle

from fastsim import _core
from fastsim.grouping.components import Components
from fastsim.records.rows import Embeddings
from fastsim.similarity import cpu, pair_blocks, similar_pairs, sketch
from fastsim.similarity.sketch import choose_sketch, principal_basis


@pytest.fixture(autouse=True)
def a_sketch_for_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch, "FEWEST_ROWS", 1500)


def embeddings(vectors: np.ndarray) -> Embeddings:
    return Embeddings(np.arange(len(vectors)) * 3, vectors, np.ones((len(vectors), 2), np.int32))


def structured(n: int, seed: int, d: int = 128) -> np.ndarray:
    """Rows with a decaying spectrum, and one in twenty a near-duplicate: what a model gives."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5
    twins = draw.choice(n, n // 20, replace=False)
    rows[twins] = rows[draw.integers(0, n, len(twins))] + draw.normal(size=(len(twins), d)) * 0.02
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


class Counter:
    total = 0

    def advance(self, n: int = 1) -> None:
        self.total += n


@pytest.mark.parametrize("isa", _core.isas()[:2])
@pytest.mark.parametrize("thres", [0.5, 0.75, 0.9, 1.0])
def test_pairs_are_those_of_the_oracle_with_a_sketch(isa: str, thres: float) -> None:
    vectors = structured(2200, 1)
    assert choose_sketch(vectors, 0.9, similar_is_free=False) is not None
    found = np.full((2200, 2200), -np.inf, np.float32)
    left, right, score = similar_pairs(vectors, thres, isa=isa)
    found[left, right] = score
    assert_same_pairs(found, oracle(vectors), min(thres, 1 - 1e-6))


@pytest.mark.parametrize(
    "rows",
    [np.zeros((50, 40)), np.ones((50, 40)), np.eye(40)[:3], np.random.default_rng(1).normal(size=(60, 1100))],
    ids=["zero", "of rank one", "fewer than dimensions", "of more dimensions than are decomposed"],
)
def test_a_basis_is_orthonormal_whatever_the_rows(rows: np.ndarray) -> None:
    basis, error = principal_basis(rows.astype(np.float32))
    assert len(basis) % 4 == 0
    assert len(basis) >= min(*rows.shape, 256) // 4 * 4
    assert error < 2e-3


def test_rows_without_structure_are_compared_in_full() -> None:
    rows = np.random.default_rng(2).normal(size=(2000, 64))
    assert choose_sketch((rows / 8).astype(np.float16), 0.1, similar_is_free=False) is None


def test_threads_and_kernels_do_not_change_a_bit() -> None:
    vectors = structured(2500, 2)
    one = similar_pairs(vectors, 0.7, workers=1)
    for workers, isa in [(2, None), (3, None), (7, None), (2, "serial"), (2, _core.isas()[-2])]:
        for a, b in zip(one, similar_pairs(vectors, 0.7, workers=workers, isa=isa), strict=True):
            assert np.array_equal(a, b)


def test_pairs_are_sorted_and_of_the_promised_types() -> None:
    left, right, score = similar_pairs(make(300, 24, 3), 0.3)
    assert (left.dtype, right.dtype, score.dtype) == (np.int64, np.int64, np.float32)
    assert (left < right).all()
    assert (np.diff(left * 300 + right) > 0).all()


def test_a_tiny_buffer_loses_nothing() -> None:
    vectors = make(700, 24, 4)
    blocks = list(cpu.pair_blocks(vectors, 0.2, workers=3, room=1))
    assert len(blocks) > 10
    pairs = sorted((int(a), int(b)) for block in blocks for a, b in zip(block.left, block.right, strict=True))
    left, right, _ = similar_pairs(vectors, 0.2)
    assert pairs == list(zip(left.tolist(), right.tolist(), strict=True))


@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 1024, 1025])
def test_the_bar_counts_every_pair(n: int) -> None:
    bar = Counter()
    components = Components(n)
    for block in pair_blocks(embeddings(make(n, 8, n)), 0.5, workers=2, labels=components.labels, bar=bar):
        components.add(block)
    assert bar.total == n * (n - 1) // 2


@pytest.mark.parametrize("thres", [0.3, 0.75])
def test_labels_leave_the_components_as_they_are(thres: float) -> None:
    vectors = structured(2200, 5)
    with_labels, without = Components(2200), Components(2200)
    for block in pair_blocks(embeddings(vectors), thres, workers=2, labels=with_labels.labels):
        with_labels.add(block)
    for block in pair_blocks(embeddings(vectors), thres, workers=2):
        without.add(block)
    rank = np.arange(2200)
    assert [m.tolist() for m in with_labels.members(rank)] == [m.tolist() for m in without.members(rank)]


def test_stopping_early_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    blocks = cpu.pair_blocks(make(2000, 24, 4), 0.0, workers=2, room=1)
    next(blocks)
    assert set(threading.enumerate()) > before
    blocks.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("shared", [0.0, 1.0], ids=["all alike", "alike but for every 500th"])
def test_twenty_thousand_alike_rows_take_seconds_and_few_pairs(shared: float) -> None:
    n = 20_000
    draw = np.random.default_rng(6)
    rows = draw.normal(size=(1, 256)) + draw.normal(size=(n, 256)) * 0.05
    if shared:
        rows[::500] = draw.normal(size=(n // 500, 256))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    components, pairs = Components(n), 0
    for block in pair_blocks(embeddings(rows.astype(np.float16)), 0.9, workers=2, labels=components.labels):
        pairs += len(block)
        components.add(block)
    assert pairs < 10 * n  # of 2e8
    assert len(components.members(np.arange(n))[0]) == n - (n // 500 if shared else 0)


def test_float32_rows_of_any_length_are_scaled() -> None:
    rows = np.array([[3e30, 0, 0], [1e-30, 1e-32, 0], [0, 0, 0], [0, 1, 0]], np.float32)
    left, right, score = similar_pairs(rows, 0.5)
    assert (left.tolist(), right.tolist()) == ([0], [1])
    assert score[0] == pytest.approx(1, abs=1e-4)


def test_threshold_zero_finds_all_that_are_not_opposed() -> None:
    rows = np.array([[1, 0], [0, 1], [-1, 0], [0, 0]], np.float16)
    left, right, _ = similar_pairs(rows, 0.0)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    ("vectors", "thres", "word"),
    [
        (np.zeros((2, 2), np.float16), 1.5, "thres"),
        (np.zeros((2, 2), np.float16), float("nan"), "thres"),
        (np.zeros((2, 2), np.int32), 0.5, "vectors"),
        (np.zeros(4, np.float16), 0.5, "vectors"),
        ([[1.0, 2.0]], 0.5, "vectors"),
    ],
)
def test_wrong_arguments_are_named(vectors: np.ndarray, thres: float, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        similar_pairs(vectors, thres)
    with pytest.raises(ValueError, match="workers"):
        similar_pairs(np.zeros((2, 2), np.float16), 0.5, workers=0)
