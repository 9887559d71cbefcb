"""Keep policies: one order for all files, with no ties left in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsim.errors import UsageError
from fastsim.keep import POLICIES, keep_order
from fastsim.records import MediaFile, Snapshot

#         bytes, mtime, width, height, path
FILES = [(500, 30, 10, 10, "/d"), (500, 20, 20, 10, "/b"), (900, 40, 5, 5, "/c"), (100, 10, 100, 100, "/a")]


def order(rows: list[tuple[int, int, int, int, str]], policy: str) -> list[str]:
    """The paths, the one that is kept first leading."""
    files = [MediaFile(i, path, "/", Snapshot(size, mtime, i)) for i, (size, mtime, _, _, path) in enumerate(rows)]
    sizes = np.array([[width, height] for _, _, width, height, _ in rows], np.int32).reshape(-1, 2)
    rank = keep_order(files, sizes, policy)
    assert rank.dtype == np.int64
    assert sorted(rank.tolist()) == list(range(len(rows)))
    return [rows[row][4] for row in np.argsort(rank)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("largest", ["/c", "/b", "/d", "/a"]),  # /b and /d tie in bytes: /b has more pixels
        ("resolution", ["/a", "/b", "/d", "/c"]),
        ("newest", ["/c", "/d", "/b", "/a"]),
        ("oldest", ["/a", "/b", "/d", "/c"]),
        ("path", ["/a", "/b", "/c", "/d"]),
    ],
)
def test_each_policy_keeps_what_it_says(policy: str, expected: list[str]) -> None:
    assert order(FILES, policy) == expected


def test_a_tie_goes_to_the_next_rules_and_at_last_to_the_path() -> None:
    assert order([(1, 5, 2, 2, "/a"), (1, 9, 2, 2, "/b")], "largest") == ["/b", "/a"]  # the newest
    assert order([(1, 5, 2, 2, "/b"), (1, 5, 2, 2, "/a")], "largest") == ["/a", "/b"]
    assert order([(9, 5, 9, 9, "/b"), (1, 5, 2, 2, "/a")], "oldest") == ["/a", "/b"]  # rules before it are not asked


def test_pixels_do_not_overflow() -> None:
    assert order([(1, 1, 60_000, 60_000, "/b"), (1, 1, 60_000, 50_000, "/a")], "resolution") == ["/b", "/a"]


def test_no_files_have_an_empty_order() -> None:
    assert order([], "largest") == []


def test_another_word_is_refused() -> None:
    with pytest.raises(UsageError, match="--keep best: largest, resolution, newest, oldest, path is allowed"):
        order(FILES, "best")


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 10**6)),
        unique_by=lambda row: row[4],
    ),
    st.sampled_from(list(POLICIES)),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_depend_on_the_order_of_the_rows(rows, policy, random) -> None:  # type: ignore[no-untyped-def]
    rows = [(*row[:4], f"/{row[4]}") for row in rows]
    shuffled = random.sample(rows, len(rows))
    assert order(rows, policy) == order(shuffled, policy)
