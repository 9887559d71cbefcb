"""Keep policies: one order for all files, with no ties left in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsim.errors import UsageError
from fastsim.grouping.keep_rules import ALONE, POLICIES, REASONS, keep_order, reasons
from fastsim.records import Group, MediaFile, Snapshot

#         bytes, mtime, width, height, path
FILES = [(500, 30, 10, 10, "/d"), (500, 20, 20, 10, "/b"), (900, 40, 5, 5, "/c"), (100, 10, 100, 100, "/a")]


def order(rows: list[tuple[int, int, int, int, str]], policy: str) -> list[str]:
    """The paths, the one that is kept first leading."""
    files = [MediaFile(i, path, "/", Snapshot(size, mtime, i)) for i, (size, mtime, _, _, path) in enumerate(rows)]
    sizes = np.array([[width, height] for _, _, width, height, _ in rows], np.int32).reshape(-1, 2)
    rank = keep_order(files, sizes, policy).rank
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
    assert order([(1, 5, 1, 2, "/a"), (1, 5, 2, 2, "/b")], "largest") == ["/b", "/a"]  # pixels
    assert order([(1, 9, 2, 2, "/a"), (1, 5, 2, 2, "/b")], "largest") == ["/b", "/a"]  # the oldest
    assert order([(1, 5, 2, 2, "/aa"), (1, 5, 2, 2, "/b")], "largest") == ["/b", "/aa"]  # the shortest
    assert order([(1, 5, 2, 2, "/b"), (1, 5, 2, 2, "/a")], "largest") == ["/a", "/b"]
    assert order([(9, 5, 9, 9, "/b"), (1, 5, 2, 2, "/a")], "oldest") == ["/b", "/a"]  # bytes
    assert order([(1, 5, 2, 2, "/a (1)"), (1, 9, 2, 2, "/b")], "largest") == ["/b", "/a (1)"]  # the original's name


@pytest.mark.parametrize("policy", list(POLICIES))
def test_an_intact_file_comes_before_a_damaged_one_whatever_the_policy(policy: str) -> None:
    files = [MediaFile(i, f"/{i}", "/", Snapshot(9 - i, 9 - i, i)) for i in range(4)]
    sizes = np.array([[9 - i, 9] for i in range(4)], np.int32)
    rank = keep_order(files, sizes, policy, damaged={0, 3}).rank
    assert max(rank[1], rank[2]) < min(rank[0], rank[3])
    rank = keep_order(files, sizes, policy, in_system={0, 3}, with_raw={0}).rank
    assert max(rank[1], rank[2]) < min(rank[0], rank[3])
    rank = keep_order(files, sizes, policy, damaged={2}, with_raw={2, 3}).rank
    assert (rank[3], rank[2]) == (0, 3)


def test_the_rule_that_decided_is_known() -> None:
    files = [MediaFile(i, path, "/", Snapshot(5, 5, i)) for i, path in enumerate(["/a.jpg", "/a (1).jpg", "/b.jpg"])]
    sizes = np.array([[4, 4], [4, 4], [4, 3]], np.int32)
    order = keep_order(files, sizes, "largest", damaged={2})
    assert order.decided(0, 1) == "original"
    assert order.decided(0, 2) == "intact"
    assert keep_order(files, sizes, "resolution").decided(0, 2) == "resolution"
    group = Group(np.array([0, 1, 2]), np.array([0, 0, 2]), np.ones(3, np.float32))
    assert reasons([group], {0: 0, 1: 1, 2: 2}, order) == {0: REASONS["original"], 2: ALONE}


def test_pixels_do_not_overflow() -> None:
    assert order([(1, 1, 60_000, 60_000, "/b"), (1, 1, 60_000, 50_000, "/a")], "resolution") == ["/b", "/a"]


def test_no_files_have_an_empty_order() -> None:
    assert order([], "largest") == []


def test_another_word_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"--keep must be one of largest, resolution, newest, oldest, path, uncropped .got 'best'."
    ):
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
