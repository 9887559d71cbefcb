"""Union-find against SciPy's connected components."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from fastsim.grouping.components import Components
from fastsim.records.pairs import PairBlock


def block(left: np.ndarray, right: np.ndarray) -> PairBlock:
    return PairBlock(left.astype(np.int64), right.astype(np.int64), np.ones(len(left), np.float32))


def first_occurrence(labels: np.ndarray) -> np.ndarray:
    """Return the same partition, named by order of appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse]


@given(st.integers(1, 300), st.integers(0, 600), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_components_are_those_of_scipy(n: int, edges: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    left, right = draw.integers(0, n, edges), draw.integers(0, n, edges)
    components = Components(n)
    joined = sum(components.add(block(left[i : i + 50], right[i : i + 50])) for i in range(0, edges, 50))
    count, oracle = connected_components(coo_matrix((np.ones(edges), (left, right)), shape=(n, n)), directed=False)
    assert np.array_equal(first_occurrence(components.of()), first_occurrence(oracle))
    assert n - joined == count


def test_the_order_of_pairs_does_not_matter() -> None:
    draw = np.random.default_rng(1)
    left, right = draw.integers(0, 1000, 800), draw.integers(0, 1000, 800)
    shuffled = draw.permutation(800)
    one, two = Components(1000), Components(1000)
    one.add(block(left, right))
    two.add(block(right[shuffled], left[shuffled]))
    assert np.array_equal(first_occurrence(one.of()), first_occurrence(two.of()))


def test_a_long_chain_needs_no_deep_recursion() -> None:
    n = 200_000
    components = Components(n)
    assert components.add(block(np.arange(n - 1), np.arange(1, n))) == n - 1
    assert len(np.unique(components.of())) == 1


def test_labels_of_a_range_are_those_of_the_whole() -> None:
    components = Components(10)
    components.add(block(np.array([1, 7]), np.array([7, 3])))
    assert np.array_equal(components.labels(2, 8), components.of()[2:8])


def test_members_are_largest_first_and_in_keep_order() -> None:
    components = Components(8)
    components.add(block(np.array([0, 1, 5, 6]), np.array([4, 2, 6, 7])))
    rank = np.array([7, 6, 5, 4, 3, 2, 1, 0], np.int64)
    assert [part.tolist() for part in components.members(rank)] == [[7, 6, 5], [4, 0], [2, 1]]


def test_nothing_and_nobody() -> None:
    assert Components(0).of().shape == (0,)
    assert Components(0).members(np.empty(0, np.int64)) == []
    assert Components(3).members(np.arange(3)) == []


@pytest.mark.parametrize("index", [-1, 5, 2**40])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="inside parent"):
        Components(5).add(block(np.array([0]), np.array([index])))
