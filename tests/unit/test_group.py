"""Keepers and groups against a plain reference, and the promises that users rely on."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import make

from fastsim import _core
from fastsim.grouping.components import Components, find_groups
from fastsim.records.pairs import Group
from fastsim.records.rows import Embeddings
from fastsim.similarity import pair_blocks, similar_pairs


def grouped(
    vectors: np.ndarray, rank: np.ndarray, thres: float, workers: int = 2, isa: str | None = None
) -> list[Group]:
    n = len(vectors)
    embeddings = Embeddings(np.arange(n) * 10 + 5, vectors, np.ones((n, 2), np.int32))
    components = Components(n)
    for block in pair_blocks(embeddings, thres, workers=workers, isa=isa, labels=components.labels):
        components.add(block)
    return find_groups(components, embeddings, rank, thres, workers=workers, isa=isa)


def reference(vectors: np.ndarray, rank: np.ndarray, thres: float) -> oracle.Groups:
    """Return groups by their definition: (id, keeper's id, score) of each member."""
    left, right, score = similar_pairs(vectors, thres)
    table = {(a, b): s for a, b, s in zip(left.tolist(), right.tolist(), score.tolist(), strict=True)}
    return [[(a * 10 + 5, k * 10 + 5, s) for a, k, s in rows] for rows in oracle.grouped(rank, table)]


@given(st.integers(0, 80), st.integers(2, 40), st.sampled_from([0.3, 0.6, 0.8, 0.95]), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_groups_are_those_of_the_reference(n: int, d: int, thres: float, seed: int) -> None:
    vectors, rank = make(n, d, seed), np.random.default_rng(seed).permutation(n)
    assert [list(g.members()) for g in grouped(vectors, rank, thres)] == reference(vectors, rank, thres)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_batches_do_not_change_the_keepers(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, rank = make(400, 10, 1), np.random.default_rng(1).permutation(400)
    whole = [list(g.members()) for g in grouped(vectors, rank, 0.7)]
    monkeypatch.setattr("fastsim.grouping.components.BATCH", batch)
    monkeypatch.setattr("fastsim.grouping.components.SLICE", 7)
    assert [list(g.members()) for g in grouped(vectors, rank, 0.7)] == whole


def test_workers_and_kernels_do_not_change_the_groups() -> None:
    vectors, rank = make(1500, 30, 2), np.random.default_rng(2).permutation(1500)
    one = [list(g.members()) for g in grouped(vectors, rank, 0.6, workers=1)]
    for workers, isa in [(2, None), (5, None), *((2, isa) for isa in _core.isas())]:
        assert [list(g.members()) for g in grouped(vectors, rank, 0.6, workers, isa)] == one


def test_no_two_keepers_are_similar_and_every_member_is_similar_to_its_keeper() -> None:
    vectors, rank = make(3000, 12, 3), np.random.default_rng(3).permutation(3000)
    left, right, _ = similar_pairs(vectors, 0.8)
    similar = set(zip((left * 10 + 5).tolist(), (right * 10 + 5).tolist(), strict=True))
    groups = grouped(vectors, rank, 0.8)
    assert max(len(set(g.keeper.tolist())) for g in groups) > 1
    for g in groups:
        keepers = sorted(set(g.keeper.tolist()))
        assert not any((a, b) in similar for a in keepers for b in keepers)
        for member, keeper, score in g.members():
            assert member == keeper or (min(member, keeper), max(member, keeper)) in similar
            assert score >= np.float32(0.8)


def test_a_chain_never_gives_a_file_to_one_that_it_does_not_look_like() -> None:
    angles = np.radians([0, 30, 60, 90])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16)
    (only,) = grouped(vectors, np.arange(4), 0.8)
    assert only.ids.tolist() == [5, 25, 15, 35]
    assert only.keeper.tolist() == [5, 25, 5, 25]


def test_identical_rows_are_one_group_at_threshold_one() -> None:
    vectors = np.repeat(make(20, 64, 4), 3, axis=0)
    assert sum(len(g) for g in grouped(vectors, np.arange(60), 1.0)) == 60


def test_rows_that_are_zero_or_not_finite_are_in_no_group() -> None:
    vectors = np.zeros((6, 8), np.float16)
    vectors[2:4] = np.nan
    vectors[4:] = 1
    (only,) = grouped(vectors, np.arange(6), 0.0)
    assert only.ids.tolist() == [45, 55]


def test_what_does_not_fit_is_refused() -> None:
    embeddings = Embeddings(np.arange(3), make(3, 8, 1), np.ones((3, 2), np.int32))
    with pytest.raises(ValueError, match="rank"):
        find_groups(Components(3), embeddings, np.arange(2), 0.5, workers=1)
    with pytest.raises(ValueError, match="4 rows"):
        find_groups(Components(4), embeddings, np.arange(3), 0.5, workers=1)
