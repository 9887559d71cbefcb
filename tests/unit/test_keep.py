"""Keep rules: words that are parsed, pure functions, and one order for all files with no ties left in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsim.errors import UsageError
from fastsim.grouping.keep_order import ALONE, KeepOrder, keep_order, reasons
from fastsim.grouping.keep_rules import RULES, Candidates
from fastsim.grouping.keep_words import DEFAULT, WORDS, KeepRules, read_rules
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.pairs import Group

#         bytes, mtime, width, height, path
FILES = [(500, 30, 10, 10, "/d"), (500, 20, 20, 10, "/b"), (900, 40, 5, 5, "/c"), (100, 10, 100, 100, "/a")]
Row = tuple[int, int, int, int, str]
EVERY = [word + {"format:": "png>jpeg", "folder:": "x"}.get(word, "") for word in WORDS]


def ranked(rows: list[Row], rules: str, **facts: Any) -> KeepOrder:
    files = [MediaFile(i, path, "/", Snapshot(size, mtime, i)) for i, (size, mtime, _, _, path) in enumerate(rows)]
    sizes = np.array([[width, height] for _, _, width, height, _ in rows], np.int32).reshape(-1, 2)
    return keep_order(Candidates(files, sizes, **facts), KeepRules.parse(rules))


def order(rows: list[Row], rules: str, **facts: Any) -> list[str]:
    """Return the paths, the one that is kept first at the front."""
    rank = ranked(rows, rules, **facts).rank
    assert rank.dtype == np.int64
    assert sorted(rank.tolist()) == list(range(len(rows)))
    return [rows[row][4] for row in np.argsort(rank)]


def named(*paths: str) -> list[Row]:
    """Files that differ by their paths only."""
    return [(5, 5, 4, 4, path) for path in paths]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("largest", ["/c", "/b", "/d", "/a"]),  # /b and /d tie in bytes: /b has more pixels
        ("resolution", ["/a", "/b", "/d", "/c"]),
        ("newest", ["/c", "/d", "/b", "/a"]),
        ("oldest", ["/a", "/b", "/d", "/c"]),
        ("path", ["/a", "/b", "/c", "/d"]),
    ],
)
def test_each_rule_keeps_what_it_says(rule: str, expected: list[str]) -> None:
    assert order(FILES, rule) == expected


@pytest.mark.parametrize(
    ("rule", "facts"),
    [
        ("intact", {"damaged": {0}}),
        ("reference", {"references": {1}}),
        ("uncropped", {"cropped": {0}}),
        ("raw", {"with_raw": {1}}),
        ("raw", {"raw": {1}}),
        ("format:heic>jpeg>png", {"formats": {0: "JPEG", 1: "HEIC"}}),
        ("format:png", {"formats": {0: "JPEG", 1: "PNG"}}),
        ("exif", {"exif": {0: 1, 1: 2}}),
        ("sharp", {"sharpness": {0: 12.5, 1: 12.75}}),
    ],
)
def test_rules_that_need_facts_keep_the_second_file_for_them(rule: str, facts: dict[str, Any]) -> None:
    rows = named("/a", "/b")
    assert order(rows, rule, **facts) == ["/b", "/a"]
    assert str(ranked(rows, rule, **facts).decided(1, 0)) == rule


@pytest.mark.parametrize(
    ("glob", "inside"),
    [("originals", True), ("orig*", True), ("/photos/originals", True), ("/photos/*", True), ("2024/*", False),
     ("originals/2024", True), ("originals/", True), ("photos", True), ("home", False), ("Originals", False)],
)  # fmt: skip
def test_folder_matches_a_folder_or_one_that_holds_it(glob: str, inside: bool) -> None:
    paths = ["/elsewhere/a", "/photos/originals/2024/b"]
    files = [
        MediaFile(i, path, root, Snapshot(1, 1, i))
        for i, (path, root) in enumerate(zip(paths, ["/elsewhere", "/photos"], strict=True))
    ]
    found = RULES["folder"](Candidates(files, np.ones((2, 2), np.int32)), glob.rstrip("/") or "/")
    assert found.tolist() == [1, 0 if inside else 1]


def test_names_and_short_paths() -> None:
    assert order(named("/a (1).jpg", "/a.jpg"), "name:original") == ["/a.jpg", "/a (1).jpg"]
    assert order(named("/aaa", "/zz"), "shortest-path") == ["/zz", "/aaa"]


def test_rules_decide_in_the_order_in_which_they_are_named() -> None:
    assert order(FILES, "resolution,oldest") == ["/a", "/b", "/d", "/c"]
    rows: list[Row] = [(9, 9, 4, 4, "/x/a"), (5, 5, 4, 4, "/b"), (1, 1, 8, 8, "/c")]
    assert order(rows, "folder:x,resolution") == ["/x/a", "/c", "/b"]
    assert order(rows, "resolution,oldest,largest") == ["/c", "/b", "/x/a"]
    assert str(ranked(rows, "resolution,oldest,largest").decided(1, 0)) == "oldest"


def test_a_tie_goes_to_the_next_rules_and_at_last_to_the_path() -> None:
    assert order([(1, 5, 1, 2, "/a"), (1, 5, 2, 2, "/b")], "largest") == ["/b", "/a"]  # pixels
    assert order([(1, 9, 2, 2, "/a"), (1, 5, 2, 2, "/b")], "largest") == ["/b", "/a"]  # the oldest
    assert order([(1, 5, 2, 2, "/aa"), (1, 5, 2, 2, "/b")], "largest") == ["/b", "/aa"]  # the shortest
    assert order([(1, 5, 2, 2, "/b"), (1, 5, 2, 2, "/a")], "largest") == ["/a", "/b"]
    assert order([(9, 5, 9, 9, "/b"), (1, 5, 2, 2, "/a")], "oldest") == ["/b", "/a"]  # bytes
    assert order([(1, 5, 2, 2, "/a (1)"), (1, 9, 2, 2, "/b")], "largest") == ["/b", "/a (1)"]  # the original's name


@pytest.mark.parametrize("rule", [word for word in EVERY if word not in ("intact", "reference", "raw", "best")])
def test_intact_reference_and_raw_come_first_whatever_the_rule(rule: str) -> None:
    rows: list[Row] = [(9 - i, 9 - i, 9 - i, 9, f"/{i}") for i in range(4)]
    rank = ranked(rows, rule, damaged={0, 3}).rank
    assert max(rank[1], rank[2]) < min(rank[0], rank[3])
    rank = ranked(rows, rule, in_system={0, 3}, with_raw={0}).rank
    assert max(rank[1], rank[2]) < min(rank[0], rank[3])
    rank = ranked(rows, rule, damaged={2}, with_raw={2, 3}).rank
    assert (rank[3], rank[2]) == (0, 3)
    rank = ranked(rows, rule, references={3}, with_raw={0}, in_system={3}).rank
    assert (rank[3], rank[0]) == (0, 1)


def test_a_rule_that_is_named_has_its_place_there() -> None:
    rows: list[Row] = [(9, 1, 2, 2, "/damaged"), (1, 1, 1, 1, "/small")]
    assert order(rows, "resolution", damaged={0}) == ["/small", "/damaged"]
    assert order(rows, "resolution,intact", damaged={0}) == ["/damaged", "/small"]


def test_the_rule_that_decided_is_known() -> None:
    rows = [*named("/a.jpg", "/a (1).jpg"), (5, 5, 4, 3, "/b.jpg")]
    found = ranked(rows, "largest", damaged={2})
    assert str(found.decided(0, 1)) == "name:original"
    assert str(found.decided(0, 2)) == "intact"
    assert str(ranked(rows, "resolution").decided(0, 2)) == "resolution"
    group = Group(np.array([0, 1, 2]), np.array([0, 0, 2]), np.ones(3, np.float32))
    assert reasons([group], {0: 0, 1: 1, 2: 2}, found) == {0: ("name of the original", "name:original"), 2: ALONE}


def test_pixels_do_not_overflow() -> None:
    assert order([(1, 1, 60_000, 60_000, "/b"), (1, 1, 60_000, 50_000, "/a")], "resolution") == ["/b", "/a"]


def test_no_files_have_an_empty_order() -> None:
    assert order([], "largest") == []


def test_best_stands_for_its_rules_and_leaves_out_what_was_named_before() -> None:
    assert str(KeepRules.parse("best")) == "intact,uncropped,resolution,exif,largest,name:original,oldest"
    assert (
        str(KeepRules.parse("folder:x,largest,best"))
        == "folder:x,largest,intact,uncropped,resolution,exif,name:original,oldest"
    )
    assert not KeepRules.parse("best").requires("uncropped")
    assert KeepRules.parse("uncropped,best").requires("uncropped")
    assert KeepRules.parse("best").asks_for("exif")


@pytest.mark.parametrize(
    "text", [*EVERY, "intact, largest", "format:HEIF>JPG>cr2,oldest", "format:jpeg 2000", "folder:a:b"]
)
def test_rules_read_back_from_their_own_words(text: str) -> None:
    rules = KeepRules.parse(text)
    assert KeepRules.parse(str(rules)) == rules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bset", "--keep must be one or more of intact, reference, uncropped, resolution, largest, raw, "
         "format:heic>jpeg>png, exif, sharp, folder:GLOB, name:original, newest, oldest, shortest-path, path, best, with commas "
         "between (got 'bset')"),
        ("", "(got '')"),
        ("largest,,oldest", "(got '')"),
        ("largest,", "(got '')"),
        ("Largest", "(got 'Largest')"),
        ("live", "(got 'live')"),
        ("name", "(got 'name')"),
        ("name:copy", "(got 'name:copy')"),
        ("format", "(got 'format')"),
        ("largest:5", "(got 'largest:5')"),
        ("format:", "--keep format: needs a value, such as format:heic>jpeg>png (got 'format:')"),
        ("folder:", "--keep folder: needs a value, such as folder:GLOB (got 'folder:')"),
        ("format:heic>bmpp", "'bmpp' is no image format"),
        ("format:heic>", "'' is no image format"),
        ("format:mp4", "'mp4' is no image format"),
        ("format:jpg>jpeg", "JPEG is there twice"),
        ("largest,oldest,largest", "--keep names the rule largest twice; leave one of them out"),
        ("best,largest", "--keep names the rule largest twice"),
        ("best,best", "--keep names the rule best twice"),
        ("folder:a,folder:a", "folder:a twice"),
        ("x\ny", r"'x\\ny'"),
    ],
)  # fmt: skip
def test_other_words_are_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        KeepRules.parse(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("--keep ")
    assert "\n" not in str(caught.value)


def test_a_rule_file_holds_a_list_or_a_string(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('keep = ["folder:a,b", "best"]\n')
    assert read_rules(str(path)).rules[0].value == "a,b"
    path.write_text('keep = "intact,largest"\n')
    assert str(read_rules(str(path))) == "intact,largest"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keep = [", "not TOML"),
        ("keep = []", "keep must be a list of rules"),
        ("keep = [1]", "keep must be a list of rules"),
        ("keep = 1", "keep must be a list of rules"),
        ("", "keep must be a list of rules"),
        ('keep = "x"', "keep must be one or more of intact"),
        ('keep = "largest"\nthres = 1', "the only key is keep (got 'thres')"),
        ("keep = '\udcff'", "not TOML"),
    ],
)
def test_a_rule_file_that_says_something_else_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as caught:
        read_rules(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="can't be read"):
        read_rules(str(tmp_path / "none"))


def test_every_word_has_a_function() -> None:
    names = {word.partition(":")[0] for word in WORDS} - {"best"}
    assert names | {"live"} == set(RULES)
    assert str(DEFAULT) == "largest"


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 10**6)),
        unique_by=lambda row: row[4],
    ),
    st.lists(st.sampled_from([word for word in EVERY if word != "best"]), min_size=1, max_size=4, unique=True),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_depend_on_the_order_of_the_rows(rows, rules, random) -> None:  # type: ignore[no-untyped-def]
    rows = [(*row[:4], f"/{row[4]}") for row in rows]
    shuffled = random.sample(rows, len(rows))
    assert order(rows, ",".join(rules)) == order(shuffled, ",".join(rules))
