"""The output folder: what it may be, and what is said when it may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from disk import fill, listed, plan_of, reasons, run

from fastsim.choices import Mode
from fastsim.errors import UsageError
from fastsim.files.apply import check_outs
from fastsim.files.journal import JOURNAL_NAME
from fastsim.files.plan_file import PLAN_NAME

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX file system")


@pytest.fixture
def ins(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", 12)


@pytest.fixture
def outs(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out"


def test_new_empty_and_littered_folders_are_taken(ins: Path, tmp_path: Path) -> None:
    for name in ("new", "empty", "littered"):
        if name != "new":
            (tmp_path / name).mkdir()
        if name == "littered":
            (tmp_path / name / ".DS_Store").touch()
        check_outs(str(tmp_path / name), ["fastsim"])
        assert not reasons(run(plan_of(listed(ins), tmp_path / name, Mode.GROUP_COPY)))


def test_a_folder_with_other_files_is_refused(ins: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.jpg").touch()
    for attempt in (
        lambda: check_outs(str(tmp_path / "out")),
        lambda: run(plan_of(listed(ins), tmp_path / "out", Mode.GROUP_COPY)),
    ):
        with pytest.raises(UsageError, match=r"not empty \(mine.jpg is there\); give a new or an empty folder"):
            attempt()
    assert os.listdir(tmp_path / "out") == ["mine.jpg"]


def test_a_folder_with_another_run_is_refused_but_for_the_same_words(ins: Path, outs: Path) -> None:
    run(plan_of(listed(ins), outs, Mode.GROUP_COPY))
    check_outs(str(outs), ["fastsim", "test"])
    hint = r"it holds the run of .* \(fastsim .*\), which finished; give another --outs, or .*fastsim undo "
    for argv in (None, ["fastsim", "other"]):
        with pytest.raises(UsageError, match=hint):
            check_outs(str(outs), argv)
    with pytest.raises(UsageError, match=hint):
        run(plan_of(listed(ins), outs, Mode.GROUP_MOVE))


def test_a_file_and_a_folder_below_a_file_are_refused(ins: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UsageError, match="it is not a folder; give a new or an empty folder"):
        check_outs(str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"no folder can be made in .*file; give another --outs"):
        check_outs(str(tmp_path / "file" / "out"))
    for bad in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(UsageError, match="can't be made"):
            run(plan_of(listed(ins), bad, Mode.GROUP_COPY))
    assert (tmp_path / "file").read_bytes() == b"x"


@posix
def test_a_place_that_cannot_be_written_is_refused(outs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # chmod would not stop root
    with pytest.raises(UsageError, match="no folder can be made in"):
        check_outs(str(outs))
    outs.mkdir(parents=True)
    with pytest.raises(UsageError, match="it can't be written to; give another --outs"):
        check_outs(str(outs))


def test_what_a_run_leaves_that_was_killed_at_once_is_no_hindrance(ins: Path, outs: Path) -> None:
    outs.mkdir(parents=True)
    (outs / PLAN_NAME).write_bytes(b"")
    (outs / (PLAN_NAME + ".123.part")).write_bytes(b"{")
    (outs / JOURNAL_NAME).write_bytes(b'{"form')
    assert not reasons(run(plan_of(listed(ins), outs, Mode.GROUP_COPY)))
