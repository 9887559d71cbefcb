"""The kernels: every ISA of this machine against a float64 oracle, and against each other bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracle import assert_same_pairs, make, oracle, scan, sketched
from scipy.sparse.csgraph import connected_components

from fastsim import _core

ISAS = _core.isas()


@pytest.mark.parametrize("isa", ISAS)
@given(st.integers(0, 200), st.integers(1, 300), st.floats(0, 1), st.integers(0, 2**32 - 1))
@example(1, 1, 0.0, 0)
@example(65, 256, 0.75, 1)
@example(130, 16, 1.0, 2)
@settings(max_examples=40, deadline=None)
def test_pairs_are_those_of_the_oracle_at_odd_sizes(isa: str, n: int, d: int, thres: float, seed: int) -> None:
    vectors = make(n, d, seed)
    thres = min(thres, 1 - 1e-6)
    assert_same_pairs(scan(_core.Rows(vectors, isa), n, thres), oracle(vectors), thres)


@pytest.mark.parametrize("isa", ISAS)
@given(st.integers(1, 200), st.integers(4, 300), st.integers(1, 40), st.floats(0, 1), st.sampled_from([0.3, 1, 5]),
       st.integers(0, 2**32 - 1))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_sketch_loses_no_pair(  # noqa: PLR0917
    isa: str, n: int, d: int, k4: int, thres: float, spread: float, seed: int
) -> None:
    vectors = make(n, d, seed)
    thres = min(thres, 1 - 1e-6)
    plain = scan(_core.Rows(vectors, isa), n, thres)
    assert np.array_equal(scan(sketched(vectors, isa, min(4 * k4, d // 4 * 4), spread), n, thres), plain)


def awkward_rows() -> np.ndarray:
    """Rows made to break a filter: see the comments."""
    draw = np.random.default_rng(7)
    d = 64
    rows = [np.eye(d)[0], np.zeros(d), np.full(d, np.nan), np.full(d, 65504.0), np.full(d, 6e-8), np.eye(d)[0] * 6e-8]
    rows += [np.where(np.arange(d) == 3, value, np.eye(d)[0]) for value in (np.inf, -np.inf, np.nan)]
    for angle in np.arccos(0.75 + np.array([-1e-3, -1e-6, 0, 1e-6, 1e-3])):  # at the threshold
        rows.append(np.cos(angle) * np.eye(d)[0] + np.sin(angle) * np.eye(d)[1])
    lead = draw.normal(size=(40, 4)) * 3
    rows += list(np.hstack([lead, draw.normal(size=(40, d - 4)) * 1e-4]))  # all energy in few dimensions
    rows += list(np.hstack([lead * 1e-3, draw.normal(size=(40, d - 4))]))  # nearly all of it outside
    rows += [rows[20]] * 5 + [rows[70]] * 5 + [-rows[20], 3 * rows[20]]  # duplicates, opposites, multiples
    return np.array(rows).astype(np.float16)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("thres", [0.0, 0.5, 0.75, 0.9, 1 - 1e-6])
@pytest.mark.parametrize("k", [0, 4, 8, 32, 64])
def test_awkward_rows_are_compared_like_any_other(isa: str, thres: float, k: int) -> None:
    vectors = awkward_rows()
    rows = sketched(vectors, isa, k) if k else _core.Rows(vectors, isa)
    assert_same_pairs(scan(rows, len(vectors), thres), oracle(vectors), thres)


@pytest.mark.parametrize("d", [1, 15, 16, 17, 100, 256, 1000, 1024, 1040, 4096])
def test_every_kernel_gives_the_same_bits(d: int) -> None:
    vectors = make(70, d, d)
    serial = scan(_core.Rows(vectors, "serial"), 70, 0.0)
    for isa in ISAS:
        assert np.array_equal(scan(_core.Rows(vectors, isa), 70, 0.0), serial)
        if 4 <= d <= 256 or d == 4096:
            assert np.array_equal(scan(sketched(vectors, isa, min(d, 64) // 4 * 4), 70, 0.0), serial)


@pytest.mark.parametrize("isa", ISAS)
def test_a_score_does_not_depend_on_place_or_order(isa: str) -> None:
    vectors = make(150, 48, 3)
    shuffled = np.random.default_rng(4).permutation(150)
    plain = scan(_core.Rows(vectors, isa), 150, 0.0)
    moved = scan(_core.Rows(np.ascontiguousarray(vectors[shuffled]), isa), 150, 0.0)
    full = np.maximum(plain, plain.T)
    again = np.maximum(moved, moved.T)
    assert np.array_equal(again, full[np.ix_(shuffled, shuffled)])


@pytest.mark.parametrize("isa", ISAS)
def test_identical_rows_score_one(isa: str) -> None:
    vectors = np.repeat(make(50, 256, 5), 2, axis=0)
    found = scan(_core.Rows(vectors, isa), 100, 1 - 1e-6)
    pairs = found[np.arange(0, 100, 2), np.arange(1, 100, 2)]
    assert (np.abs(pairs - 1) <= 1e-6).all()
    assert found.max() <= 1


@pytest.mark.parametrize("room", [_core.ROOM, _core.ROOM + 1, 1000, 1 << 16])
def test_no_pair_is_lost_when_the_buffer_is_small(room: int) -> None:
    vectors = make(190, 20, 6)
    assert np.array_equal(scan(_core.Rows(vectors), 190, 0.1, room), scan(_core.Rows(vectors), 190, 0.1, 1 << 18))


@pytest.mark.parametrize("k", [0, 16])
def test_pairs_inside_a_component_are_left_out_and_the_rest_is_a_spanning_forest(k: int) -> None:
    vectors = make(190, 20, 8)
    labels = np.random.default_rng(9).integers(0, 40, 190).astype(np.int32)
    labels[64:128] = 2  # a panel of one component
    rows = sketched(vectors, "", k) if k else _core.Rows(vectors)
    found = scan(rows, 190, 0.8, room=1 << 16, labels=labels) > -np.inf
    every = scan(_core.Rows(vectors), 190, 0.8) > -np.inf
    same = labels[:, None] == labels[None, :]
    assert not (found & (same | ~every)).any()
    before, _ = connected_components(same, directed=False)
    after, component = connected_components(found | same, directed=False)
    assert np.array_equal(component, connected_components(every | same, directed=False)[1])
    assert found.sum() == before - after > 0


def test_what_does_not_fit_is_refused() -> None:
    vectors = make(100, 16, 1)
    rows, none = _core.Rows(vectors), np.empty(0, np.int32)
    out = np.empty(_core.ROOM, np.int64), np.empty(_core.ROOM, np.int64), np.empty(_core.ROOM, np.float32)
    for tile in [
        (2, 100, 0, 100),
        (0, 101, 0, 100),
        (0, 100, 32, 100),
        (0, 100, 0, 1000),
        (8, 4, 0, 64),
        (0, -4, 0, 64),
    ]:
        with pytest.raises(ValueError, match="do not fit"):
            rows.scan(0.5, tile, none, none, 0, *out)
    with pytest.raises(ValueError, match="do not fit"):
        rows.scan(0.5, (0, 100, 0, 100), np.zeros(99, np.int32), np.zeros(100, np.int32), 0, *out)
    with pytest.raises(ValueError, match="do not fit"):
        rows.scan(0.5, (0, 100, 0, 100), none, none, 0, *(a[:-1] for a in out))
    with pytest.raises(ValueError, match="float16"):
        _core.Rows(vectors.astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='no "cray" kernel'):
        _core.Rows(vectors, "cray")
    with pytest.raises(ValueError, match="after sketch"):
        rows.encode(0, 100)
    with pytest.raises(ValueError, match="multiple of 4"):
        rows.sketch(np.zeros((6, 16), np.float16), 1.0, 1.0, 0.0)
