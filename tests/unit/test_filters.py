"""Filters by size, time and name, and `.fastsimignore`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsim.errors import UsageError
from fastsim.inputs.discover import Listing, discover
from fastsim.inputs.filters import Filters, parse_pixels, parse_size, parse_time
from fastsim.inputs.formats import Kind
from fastsim.records.files import MediaFile, Snapshot

NOW = 1_714_600_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("500", 500), ("20kB", 20_000), ("20 KB", 20_000), ("1.5MB", 1_500_000), ("4MiB", 4 << 20), ("2g", 2 * 10**9),
     ("1TiB", 1 << 40), ("7b", 7)],
)  # fmt: skip
def test_sizes(text: str, expected: int) -> None:
    assert parse_size(text, "--min-size") == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("640x480", 307_200), ("300000", 300_000), ("0.5MP", 500_000), ("2 mp", 2_000_000)]
)
def test_pixels(text: str, expected: int) -> None:
    assert parse_pixels(text, "--min-pixels") == expected


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_time("12h", "--newer", NOW) == (NOW - 12 * 3600) * 10**9
    assert parse_time("2w", "--newer", NOW) - parse_time("1y", "--newer", NOW) == (365 - 14) * 86400 * 10**9
    assert parse_time("2024-05-01T12:30+00:00", "--newer", NOW) == 1_714_566_600 * 10**9
    day = parse_time("2024-05-01", "--newer", NOW)
    assert parse_time("2024-05-01T00:00:00", "--newer", NOW) == day


@pytest.mark.parametrize("text", ["", "x", "-5", "5 parsecs", "1e3", "nan", "9" * 30, "5MB MB", "½", "٣", "1..2MB"])
def test_other_sizes_and_pixels_are_refused_in_one_line(text: str) -> None:
    for parse in (parse_size, parse_pixels):
        with pytest.raises(UsageError) as caught:
            parse(text, "--x")
        assert str(caught.value).startswith("--x must be ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "30", "30m", "-3d", "2024", "2024-13-01", "20240501", "99999999d", "3 d d", "1\n2"]
)
def test_other_times_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--newer must be a date such as 2024-05-01") as caught:
        parse_time(text, "--newer", NOW)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"min_size": "2MB", "max_size": "1MB"}, "--min-size 2MB is more than --max-size 1MB"),
        ({"newer": "2024-05-02", "older": "2024-05-01"}, "no file can be both"),
        ({"newer": "1d", "older": "1w"}, None),
        ({"newer": "1d", "older": "1h"}, None),
        ({"newer": "1h", "older": "1d"}, "no file can be both"),
        ({"include": [""]}, "--include must not be empty"),
    ],
)
def test_limits_that_exclude_each_other_are_refused(given: dict[str, str], said: str | None) -> None:
    if said is None:
        if given == {"newer": "1d", "older": "1w"}:
            given = {"newer": "1w", "older": "1d"}
        assert Filters.parse(**given).newer is not None  # type: ignore[arg-type]
        return
    with pytest.raises(UsageError, match=said):
        Filters.parse(**given)  # type: ignore[arg-type]


def file(i: int, path: str, size: int = 5, mtime_ns: int = 5, *, reference: bool = False) -> MediaFile:
    return MediaFile(i, path, "/in", Snapshot(size, mtime_ns, i), reference)


def test_limits_hold_at_their_edges_and_references_stay() -> None:
    files = [file(0, "/in/a", 4), file(1, "/in/b", 5), file(2, "/in/c", 6), file(3, "/in/r", 99, reference=True)]
    stays, out = Filters(min_size=5, max_size=5).applied(files)
    assert [(one.id, one.path) for one in stays] == [(0, "/in/b"), (1, "/in/r")]
    assert out == {"--min-size": 1, "--max-size": 1}
    times = [file(0, "/in/a", 1, 4), file(1, "/in/b", 1, 5), file(2, "/in/c", 1, 6)]
    assert [one.path for one in Filters(newer=5, older=6).applied(times)[0]] == ["/in/b"]
    assert Filters(newer=5, older=6).applied(times)[1] == {"--newer": 1, "--older": 1}


@pytest.mark.parametrize(
    ("glob", "stays"),
    [("*.jpg", ["/in/a.jpg", "/in/x/b.jpg"]), ("x/*", ["/in/x/b.jpg", "/in/x/c.png"]),
     ("/in/a*", ["/in/a.jpg"]), ("b.jpg", ["/in/x/b.jpg"])],
)  # fmt: skip
def test_include_takes_what_matches_by_name_or_path(glob: str, stays: list[str]) -> None:
    files = [file(i, path) for i, path in enumerate(["/in/a.jpg", "/in/x/b.jpg", "/in/x/c.png"])]
    assert [one.path for one in Filters(include=(glob,)).applied(files)[0]] == stays


def listing(*inputs: Path) -> Listing:
    return discover(
        [str(path) for path in inputs], recursive=True, exclude=(), follow_links=False, outs=None, kind=Kind.IMAGE, bar=None
    )  # fmt: skip


def found(top: Path) -> list[str]:
    return [one.relative for one in listing(top).files]


def grow(top: Path, *names: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x")


def test_ignore_files_say_what_is_left_out_below_their_folder(tmp_path: Path) -> None:
    grow(
        tmp_path, "a.jpg", "a.png", "sub/b.jpg", "sub/b.png", "sub/keep.png", "raw/c.jpg", "raw/deep/d.jpg", "notes.txt"
    )
    (tmp_path / ".fastsimignore").write_text("# pictures\n*.png\n/raw/\nnotes.txt\n")
    (tmp_path / "sub/.fastsimignore").write_text("!keep.png\n")
    result = listing(tmp_path)
    assert [one.relative for one in result.files] == ["a.jpg", "sub/b.jpg", "sub/keep.png"]
    assert result.left_out.ignored == (2, 1)


def test_a_file_that_is_named_itself_is_read_all_the_same(tmp_path: Path) -> None:
    grow(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / ".fastsimignore").write_text("*.jpg\n")
    assert [one.path for one in listing(tmp_path, tmp_path / "a.jpg").files] == [str(tmp_path / "a.jpg")]


def test_an_ignore_file_that_cannot_be_followed_ends_the_run(tmp_path: Path) -> None:
    grow(tmp_path, "a.jpg")
    path = tmp_path / ".fastsimignore"
    path.write_text("!\n")
    with pytest.raises(UsageError, match=r"\.fastsimignore: no gitignore pattern") as caught:
        listing(tmp_path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"x" * (2 << 20))
    with pytest.raises(UsageError, match="longer than 1 MiB"):
        listing(tmp_path)
    path.unlink()
    os.mkfifo(path)
    assert found(tmp_path) == ["a.jpg"]
    path.unlink()
    path.mkdir()
    assert found(tmp_path) == ["a.jpg"]
    path.rmdir()
    path.write_bytes(b"\xff\xfe.jpg\n")
    assert found(tmp_path) == ["a.jpg"]


PATTERNS = [
    "*.jpg",
    "!a.jpg",
    "x/",
    "/x",
    "x/*",
    "!x/a.jpg",
    "**/y",
    "y/**",
    "a?.jpg",
    "[ab].jpg",
    "#c",
    "x/y",
    " ",
    "!x/",
]


@pytest.mark.skipif(shutil.which("git") is None, reason="git says what is right")
@given(
    st.lists(st.sampled_from(PATTERNS), max_size=4),
    st.lists(st.sampled_from(["*.jpg", "!a.jpg", "y/", "!b.jpg", "/a.jpg"]), max_size=3),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_what_is_left_out_is_what_git_leaves_out(
    tmp_path_factory: pytest.TempPathFactory, top: list[str], inner: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("git")
    names = ["a.jpg", "b.jpg", "ab.jpg", "x/a.jpg", "x/b.jpg", "x/y/a.jpg", "y/a.jpg", "y/b.jpg", "#c.jpg"]
    grow(folder, *names)
    for name in (".fastsimignore", ".gitignore"):
        (folder / name).write_text("\n".join(top))
        (folder / "x" / name).write_text("\n".join(inner))
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(["git", "init", "-q", str(folder)], check=True, env=env)
    command = ["git", "-C", str(folder), "ls-files", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, env=env).stdout.decode().split("\0")
    assert sorted(found(folder)) == sorted(name for name in listed if name.endswith(".jpg"))
