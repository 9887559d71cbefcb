"""Files with several rows: a pair scores as low as the least alike of its views, in pairs and keepers alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsim import _core, embedding
from fastsim.grouping.components import Components, find_groups
from fastsim.records.files import Content
from fastsim.records.rows import Embeddings, Views, joined
from fastsim.similarity import all_scores, pair_blocks

D = 24
"""No multiple of 16, so that the core pads."""


def drawn(seed: int, n: int, most_views: int = 3, kinds: int = 3) -> Embeddings:
    """Return n files around a few centres, with 0 to `most_views` views each."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, D))

    def rows(count: int) -> np.ndarray:
        raw = centres[rng.integers(0, 4, count)] + 0.3 * rng.normal(size=(count, D))
        return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float16)

    count = rng.integers(0, most_views + 1, n)
    start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    views = Views(rng.integers(0, kinds, n).astype(np.int32), start, rows(int(start[-1])))
    return Embeddings(np.arange(n, dtype=np.int64), rows(n), np.ones((n, 2), np.int32), views=views)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def score(e: Embeddings, a: int, b: int) -> float:
    """Return the score by its definition, in plain Python."""
    assert e.views is not None
    if e.views.kind[a] != e.views.kind[b]:
        return -1.0
    ours, theirs = (e.views.vectors[e.views.start[i] : e.views.start[i + 1]] for i in (a, b))
    pairs = zip([e.vectors[a], *ours], [e.vectors[b], *theirs], strict=False)
    return min(cosine(x, y) for x, y in pairs)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 150), thres=st.sampled_from([0.5, 0.8, 0.95]))
@settings(max_examples=25, deadline=None)
def test_pairs_are_those_of_the_definition_on_every_kernel(seed: int, n: int, thres: float) -> None:
    e = drawn(seed, n)
    scores = np.array([[score(e, a, b) if a < b else -2.0 for b in range(n)] for a in range(n)])
    if (np.abs(scores - thres) < 1e-4).any():
        return
    expected = set(zip(*(part.tolist() for part in np.nonzero(scores >= thres)), strict=True))
    for isa in _core.isas():
        blocks = list(pair_blocks(e, thres, workers=2, isa=isa))
        found = {
            (int(a), int(b)): s
            for block in blocks
            for a, b, s in zip(block.left, block.right, block.score, strict=True)
        }
        assert set(found) == expected
        assert all(abs(value - scores[pair]) < 1e-3 for pair, value in found.items())


@given(seed=st.integers(0, 10**6), n=st.integers(2, 120))
@settings(max_examples=25, deadline=None)
def test_labels_join_the_same_components_and_every_member_is_similar_to_its_keeper(seed: int, n: int) -> None:
    e, thres = drawn(seed, n), 0.8
    plain, labelled = Components(n), Components(n)
    for block in pair_blocks(e, thres, workers=2):
        plain.add(block)
    for block in pair_blocks(e, thres, workers=2, labels=labelled.labels):
        labelled.add(block)
    assert (plain.of()[:, None] == plain.of()).tolist() == (labelled.of()[:, None] == labelled.of()).tolist()
    rank = np.random.default_rng(seed).permutation(n).astype(np.int64)
    for group in find_groups(labelled, e, rank, thres, workers=2):
        keepers = [i for i, keeper, _ in group.members() if i == keeper]
        for i, keeper, value in group.members():
            assert i == keeper or (score(e, i, keeper) >= thres - 1e-3 and abs(value - score(e, i, keeper)) < 1e-3)
        assert all(score(e, a, b) < thres + 1e-3 for a in keepers for b in keepers if a != b)


def test_all_scores_agree_with_the_definition() -> None:
    e = drawn(3, 40)
    scores = all_scores(e)
    assert all(abs(scores[a, b] - score(e, a, b)) < 1e-3 for a in range(40) for b in range(40) if a < b)


def test_a_view_that_is_zero_is_similar_to_nothing() -> None:
    one = np.eye(D, dtype=np.float16)[:1]
    views = Views(np.zeros(2, np.int32), np.array([0, 1, 2]), np.concatenate([one, 0 * one]))
    e = Embeddings(np.arange(2), np.concatenate([one, one]), np.ones((2, 2), np.int32), views=views)
    assert sum(map(len, pair_blocks(e, 0.0, workers=1))) == 0


def test_rows_of_a_file_are_put_together_whatever_the_order_of_the_files() -> None:
    ids = np.array([7, 7, 7, 2, 5, 5])
    rows = np.arange(6 * D).reshape(6, D).astype(np.float16)
    contents = {7: Content(3, 3, 9, 9), 5: Content(2, damage="cut short"), 2: Content(damage="wrong checksum")}
    e = embedding.with_views(ids, rows, np.ones((6, 2), np.int32), contents)
    assert e.ids.tolist() == [2, 5, 7]
    assert (e.vectors == rows[[3, 4, 0]]).all()
    assert e.views is not None
    assert e.views.kind.tolist() == [0, 0, 9]
    assert e.views.start.tolist() == [0, 0, 1, 3]
    assert (e.views.vectors == rows[[5, 1, 2]]).all()
    assert e.damage == {5: "cut short", 2: "wrong checksum"}
    assert e.frames == {7: (3, 9)}


def test_files_are_taken_repeated_and_joined_with_their_views() -> None:
    e = drawn(5, 12)
    parts = e.take(np.array([1, 4, 9])), e.take(np.array([0, 2, 11]))
    both = joined(*parts)
    assert both.ids.tolist() == [0, 1, 2, 4, 9, 11]
    twice = e.take(np.array([4, 4]), np.array([4, 12]))
    assert score(twice, 0, 1) == pytest.approx(1.0)
    rows = {file_id: row for row, file_id in enumerate(both.ids.tolist())}
    for a, b in ((0, 1), (4, 9), (2, 11)):
        assert score(both, rows[a], rows[b]) == pytest.approx(score(e, a, b))


@pytest.mark.parametrize("start", [[0, 1], [1, 1, 1], [0, 2, 1], [0, 1, 2]])
def test_views_that_do_not_fit_are_refused(start: list[int]) -> None:
    rows = _core.Rows(np.ones((2, D), np.float16))
    with pytest.raises(ValueError, match="views"):
        rows.views(np.zeros(2, np.int32), np.array(start, np.int64), np.ones((1, D), np.float16))
