"""Files read into one arena are those on disk; what can't be read costs itself alone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import MEDIA

from fastsim.inputs import arena, headers


def sha(data: memoryview) -> bytes:
    return hashlib.sha256(data).digest()


def test_bytes_headers_and_digests_are_those_of_each_file() -> None:
    paths = sorted(str(path) for path in MEDIA.joinpath("photos").rglob("*") if path.is_file())
    read = arena.read_files(paths, sha)
    contents = [Path(path).read_bytes() for path in paths]
    assert [view.tobytes() for view in read.views()] == contents and not read.reasons
    assert all(view.base is read.data for view in read.views())
    assert read.digests == [hashlib.sha256(data).digest() for data in contents]
    assert read.headers == [headers.read_header(data) for data in contents]
    assert {header.kind for header in read.headers} >= {headers.JPEG, headers.PNG}


@pytest.mark.skipif(os.name != "posix", reason="needs named pipes")
def test_a_file_that_can_not_be_read_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"second")
    os.mkfifo(tmp_path / "pipe")
    names = ["a", "empty", "missing", "pipe", "b", "."]
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    read = arena.read_files([str(tmp_path / name) for name in names], sha)
    assert [view.tobytes() for view in read.views()] == [b"first", b"", b"", b"", b"second", b""]
    assert read.reasons == {
        1: "empty file",
        2: "no such file or directory",
        3: "not a regular file",
        5: "not a regular file",
    }
    assert [bool(digest) for digest in read.digests] == [True, False, False, False, True, False]
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_becomes_shorter_while_it_is_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode() * 1000)
    opened = arena._opened

    def cut(path: str, k: int, reasons: dict[int, str]) -> tuple[int, int]:
        found = opened(path, k, reasons)
        if k == 1:
            os.truncate(path, 10)
        return found

    monkeypatch.setattr(arena, "_opened", cut)
    read = arena.read_files([str(tmp_path / name) for name in "abc"])
    assert [view.tobytes() for view in read.views()] == [b"a" * 1000, b"", b"c" * 1000]
    assert read.reasons == {1: "it became shorter while it was read"} and read.digests == []


def test_without_readv_the_bytes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(MEDIA / "photos" / "chart.png")]
    expected = arena.read_files(paths).data.tobytes()
    monkeypatch.delattr(os, "readv", raising=False)
    assert arena.read_files(paths).data.tobytes() == expected


def test_no_files_are_an_empty_arena() -> None:
    read = arena.read_files([])
    assert len(read.data) == 0 and read.views() == [] and arena.groups([], most_files=3, most_bytes=9) == []


@given(sizes=st.lists(st.integers(0, 50), max_size=40), most_files=st.integers(1, 9), most_bytes=st.integers(1, 60))
def test_groups_cover_all_files_in_order_within_the_limits(sizes: list[int], most_files: int, most_bytes: int) -> None:
    runs = arena.groups(sizes, most_files=most_files, most_bytes=most_bytes)
    assert [k for run in runs for k in range(run.start, run.stop)] == list(range(len(sizes)))
    for run in runs:
        count = run.stop - run.start
        assert 1 <= count <= most_files
        assert count == 1 or sum(sizes[run]) <= most_bytes
