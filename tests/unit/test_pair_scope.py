"""Groups, keepers and neighbours over the allowed pairs only, against a plain reference."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import make

from fastsim.choices import Scope
from fastsim.config import Scan, check_scope
from fastsim.errors import UsageError
from fastsim.grouping.components import Components, find_groups, group_pairs
from fastsim.grouping.pair_scope import PairScope, freed
from fastsim.inputs.references import References
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.pairs import Group, PairBlock
from fastsim.records.rows import Embeddings
from fastsim.similarity import pair_blocks, similar_pairs
from fastsim.similarity.neighbours_within import find_allowed


def scope_of(n: int, seed: int, scope: Scope) -> PairScope:
    random = np.random.default_rng(seed)
    side, reference = random.integers(0, 3, n).astype(np.int32), random.random(n) < 0.3
    return PairScope(scope, side, reference & (side == 0) if scope != Scope.WITHIN else np.zeros(n, np.bool_))


def may(scope: PairScope, a: int, b: int) -> bool:
    if scope.reference[a] and scope.reference[b]:
        return False
    if scope.scope == Scope.ALL:
        return True
    return bool(scope.side[a] == scope.side[b]) == (scope.scope == Scope.WITHIN)


def plain(vectors: np.ndarray, rank: np.ndarray, thres: float, scope: PairScope) -> oracle.Groups:
    """Return components and greedy keepers of the allowed pairs, in loops."""
    left, right, score = similar_pairs(vectors, thres)
    pairs = zip(left.tolist(), right.tolist(), score.tolist(), strict=True)
    return oracle.grouped(rank, {(a, b): s for a, b, s in pairs if may(scope, a, b)})


@given(
    st.integers(0, 60), st.integers(2, 30), st.sampled_from([0.3, 0.6, 0.9]), st.sampled_from(list(Scope)),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_groups_and_keepers_are_those_of_the_allowed_pairs(
    n: int, d: int, thres: float, scope: Scope, seed: int
) -> None:
    vectors, rank, limit = make(n, d, seed), np.random.default_rng(seed).permutation(n), scope_of(n, seed, scope)
    embeddings = Embeddings(np.arange(n), vectors, np.ones((n, 2), np.int32))
    components = Components(n)
    blocks = [limit.filtered(block) for block in pair_blocks(embeddings, thres, workers=2)]
    for block in blocks:
        components.add(block)
    expected = plain(vectors, rank, thres, limit)
    found = find_groups(components, embeddings, rank, thres, workers=2, scope=limit)
    assert [list(group.members()) for group in found] == expected
    if blocks:
        joined = PairBlock(
            *(np.concatenate([getattr(one, name) for one in blocks]) for name in ("left", "right", "score"))
        )
        found = group_pairs(components, embeddings, rank, joined)
        assert [list(group.members()) for group in found] == expected


@given(st.integers(1, 50), st.integers(1, 6), st.sampled_from(list(Scope)), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_neighbours_are_the_best_of_the_allowed_rows(n: int, k: int, scope: Scope, seed: int) -> None:
    vectors, limit = make(n, 16, seed), scope_of(n, seed, scope)
    embeddings = Embeddings(np.arange(n), vectors, np.ones((n, 2), np.int32))
    near = find_allowed(embeddings, k, 0.3, allowed=limit.allowed, workers=1)
    left, right, score = similar_pairs(vectors, 0.3)
    for row in range(n):
        mine = [
            (s, b if a == row else a)
            for a, b, s in zip(left.tolist(), right.tolist(), score.tolist(), strict=True)
            if row in (a, b) and may(limit, a, b)
        ]
        best = sorted((s for s, _ in mine), reverse=True)[:k]
        found = near.score[row][near.index[row] >= 0]
        clear = all(abs(s - 0.3) > 1e-5 for s, _ in mine)  # scores at the floor may round to either side
        assert not clear or np.allclose(found, best, atol=2e-6)
        assert {int(i) for i in near.index[row] if i >= 0} <= {i for _, i in mine} or not clear


def test_a_reference_stands_for_itself_whatever_covers_it() -> None:
    group = Group(np.array([3, 1, 2]), np.array([3, 3, 3]), np.array([1, 0.9, 0.8], np.float32))
    found = freed(group, np.array([False, False, True]))
    assert found.ids.tolist() == [3, 2, 1]
    assert found.keeper.tolist() == [3, 2, 3]
    assert found.score.tolist() == [1, 1, pytest.approx(0.9)]
    assert freed(group, np.array([True, False, False])) is group


def test_the_inner_folder_decides_whether_a_file_is_a_reference(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for name in ("photos/originals", "photos/originals/new"):
        (tmp_path / name).mkdir(parents=True)
    photos, originals, new = (str(tmp_path / name) for name in ("photos", "photos/originals", "photos/originals/new"))
    marks = References([originals], [photos, new])
    assert marks.holds(f"{originals}/a.jpg")
    assert not marks.holds(f"{photos}/a.jpg")
    assert not marks.holds(f"{new}/a.jpg")
    files = [MediaFile(i, path, originals, Snapshot(1, 1, i)) for i, path in enumerate([f"{originals}/a", f"{new}/a"])]
    assert [(one.root, one.reference) for one in marks.marked(files)] == [(originals, True), (new, False)]
    with pytest.raises(UsageError, match=r"it is an INPUT as well; leave it out of one of them"):
        References([f"{photos}/"], [photos])
    with pytest.raises(UsageError, match=r"--reference .*: no such folder"):
        References([f"{photos}/none"], [photos])
    assert not References([], [photos]).holds(f"{photos}/a.jpg")


def test_what_cannot_be_compared_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert check_scope(Scope.BETWEEN, Scan((a, b))) == Scope.BETWEEN
    assert check_scope(Scope.BETWEEN, Scan((a,), references=(b,))) == Scope.BETWEEN
    assert check_scope(Scope.WITHIN, Scan((a,))) == Scope.WITHIN
    for scope, scan, said in (
        (Scope.BETWEEN, Scan((a, a)), "name another INPUT"),
        (Scope.BETWEEN, Scan((a, f"{a}/sub")), "name inputs that lie apart"),
        (Scope.WITHIN, Scan((a, f"{a}/sub")), "name inputs that lie apart"),
        (Scope.WITHIN, Scan((a,), references=(b,)), "exclude each other"),
    ):
        with pytest.raises(UsageError, match=said):
            check_scope(scope, scan)
