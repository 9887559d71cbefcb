"""prefetch_map: ordered, bounded, and gone when its consumer is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsim.run.prefetch import prefetch_map


@given(st.lists(st.integers(), max_size=50), st.integers(1, 4), st.integers(1, 9))
def test_it_is_map_in_order(items: list[int], workers: int, ahead: int) -> None:
    assert list(prefetch_map(lambda x: x * 2, items, workers=workers, ahead=ahead)) == [x * 2 for x in items]


def test_no_more_than_ahead_items_are_begun_before_they_are_taken() -> None:
    begun = []
    results = prefetch_map(begun.append, range(1000), workers=2, ahead=5)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 6
    results.close()


def test_an_error_is_raised_at_its_place_and_the_threads_end() -> None:
    def work(x: int) -> int:
        if x == 3:
            raise ValueError("three")
        return x

    before = threading.active_count()
    results = prefetch_map(work, range(100), workers=3, ahead=6)
    assert [next(results), next(results), next(results)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert threading.active_count() == before


def test_closing_it_early_ends_the_threads() -> None:
    before = threading.active_count()
    results = prefetch_map(lambda x: x, range(10**9), workers=2, ahead=4)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_work_begins_before_the_first_result_is_asked_for_and_ends_if_none_ever_is() -> None:
    before, begun = threading.active_count(), threading.Event()
    results = prefetch_map(lambda _: begun.set(), range(100), workers=2, ahead=4)
    assert begun.wait(10)
    results.close()
    assert threading.active_count() == before


def test_an_error_of_the_items_ends_the_threads() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("items")

    before = threading.active_count()
    with pytest.raises(ValueError, match="items"):
        list(prefetch_map(lambda x: x, items(), workers=2, ahead=4))
    assert threading.active_count() == before
