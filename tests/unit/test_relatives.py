"""Copies of one image become candidates of each other."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsim.records.pairs import PairBlock
from fastsim.verified_pairs import RELATIVES, _relatives


@given(st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda pair: pair[0] < pair[1]), max_size=40))
@settings(max_examples=60, deadline=None)
def test_two_copies_of_one_image_are_candidates_of_each_other(copies: set[tuple[int, int]]) -> None:
    left, right = np.array(sorted(copies), np.int64).reshape(-1, 2).T
    one, other = _relatives(PairBlock(left, right, np.full(len(left), 0.5, np.float32)))
    expected = set()
    for row in range(12):
        own = [b if a == row else a for a, b in copies if row in (a, b)]
        expected |= {tuple(sorted(pair)) for pair in itertools.combinations(own, 2)}
    assert {tuple(sorted(pair)) for pair in zip(one.tolist(), other.tolist(), strict=True)} == expected


def test_an_image_with_many_copies_brings_only_its_best_ones_together() -> None:
    count = 3 * RELATIVES
    score = np.linspace(0.9, 0.4, count).astype(np.float32)
    one, other = _relatives(PairBlock(np.zeros(count, np.int64), np.arange(1, count + 1), score))
    assert len(one) == RELATIVES * (RELATIVES - 1) // 2
    assert max(one.max(), other.max()) == RELATIVES
