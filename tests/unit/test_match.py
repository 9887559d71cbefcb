"""The matcher of binary descriptors: every kernel against plain Python arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastsim import _core
from fastsim.verification.matching import MATCH

ISAS = _core.match_isas()


def draw(count: int, seed: int, spread: float = 1.0) -> np.ndarray:
    """Descriptors around a common one: distances from 0 to 256, many of them equal."""
    rng = np.random.default_rng(seed)
    bits = rng.random((count, 256)) < spread * rng.random((count, 1)) / 2
    return np.packbits(bits ^ (np.arange(256) % 3 == 0), axis=1)


def brute_force(left: np.ndarray, right: np.ndarray) -> list[tuple[int, int, int]]:
    found = []
    for row in left:
        distances = sorted((int(np.unpackbits(row ^ other).sum()), j) for j, other in enumerate(right))
        best = distances[0] if distances else (0xFFFF, -1)
        found.append((best[1], best[0], distances[1][0] if len(distances) > 1 else 0xFFFF))
    return found


def match(left: np.ndarray, right: np.ndarray, isa: str) -> list[tuple[int, int, int]]:
    out = np.zeros(len(left), MATCH)
    _core.match(left, right, out, isa)
    return [tuple(row) for row in out.tolist()]


@pytest.mark.parametrize("isa", ISAS)
@given(st.integers(0, 40), st.integers(0, 70), st.floats(0, 1), st.integers(0, 2**32 - 1))
@example(3, 1, 1.0, 0)
@example(2, 8, 0.0, 1)
@settings(max_examples=60, deadline=None)
def test_matches_are_those_of_brute_force_at_odd_sizes(isa: str, m: int, n: int, spread: float, seed: int) -> None:
    left, right = draw(m, seed, spread), draw(n, seed + 1, spread)
    assert match(left, right, isa) == brute_force(left, right)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n", [511, 512, 513, 1030, 1537])
def test_blocks_are_joined_without_loss(isa: str, n: int) -> None:
    left, right = draw(50, n), draw(n, n + 1)
    right[n - 1] = left[7]
    right[[3, n // 2]] = left[8]  # equal ones in two blocks: the first counts
    expected = match(left, right, "serial")
    assert match(left, right, isa) == expected
    assert expected[7][:2] == (n - 1, 0)
    assert expected[8] == (3, 0, 0)


@pytest.mark.parametrize("isa", ISAS)
def test_the_largest_distance_is_counted(isa: str) -> None:
    assert match(np.zeros((1, 32), np.uint8), np.full((2, 32), 255, np.uint8), isa) == [(0, 256, 256)]


def test_what_does_not_fit_is_refused() -> None:
    left, right = draw(4, 0), draw(5, 1)
    with pytest.raises(ValueError, match="match"):
        _core.match(left, right, np.zeros(3, MATCH))
    with pytest.raises(ValueError, match="match"):
        _core.match(left.tobytes()[:-1], right, np.zeros(4, MATCH))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='no "cray" matcher'):
        _core.match(left, right, np.zeros(4, MATCH), "cray")
