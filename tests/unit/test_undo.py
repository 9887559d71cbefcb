"""Undo: all goes back that can, nothing is overwritten or lost by it, and no kill at any step changes that."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from disk import contents, fill, has_reflinks, listed, other_file_system, plan_of, state

from fastsim.choices import Mode
from fastsim.errors import UsageError
from fastsim.files import transfer
from fastsim.files.apply import apply_plan
from fastsim.files.journal import JOURNAL_NAME, Journal, names_beside
from fastsim.files.undo import undo
from fastsim.records.files import Skipped
from fastsim.records.plans import Plan

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX file system")
OWN = {"fastsim_plan.jsonl", JOURNAL_NAME}


@pytest.fixture
def ins(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", 7)


@pytest.fixture
def outs(tmp_path: Path) -> Path:
    return tmp_path / "out"


def applied(ins: Path, outs: Path, mode: Mode) -> Plan:
    plan = plan_of(listed(ins), outs, mode)
    assert all(one.done for one in apply_plan(plan, bar=None).results)
    return plan


class TestMoves:
    def test_folders_that_are_gone_are_made_again(self, ins: Path, outs: Path) -> None:
        before = state(ins)
        applied(ins, outs, Mode.GROUP_MOVE)
        shutil.rmtree(ins)
        result = undo(str(outs / JOURNAL_NAME), bar=None)
        assert (result.restored, result.complete) == (7, True)
        assert state(ins) == before

    def test_something_new_in_the_old_place_is_not_overwritten(self, ins: Path, outs: Path) -> None:
        plan = applied(ins, outs, Mode.GROUP_MOVE)
        one = plan.operations[2]
        Path(one.source).write_bytes(b"new")
        result = undo(str(outs), bar=None)
        assert (result.restored, result.complete) == (6, False)
        assert [path.path for path in result.failed] == [one.target]
        assert result.failed[0].reason.startswith("there is something new at ")
        assert Path(one.source).read_bytes() == b"new"
        assert set(os.listdir(outs)) == {*OWN, "group_00001"}
        os.unlink(one.source)  # the user makes way, and tries again
        again = undo(str(outs), bar=None)
        assert (again.restored, again.untouched, again.complete) == (1, 6, True)
        assert not outs.exists()

    def test_an_equal_file_in_the_old_place_is_enough(self, ins: Path, outs: Path) -> None:
        plan = applied(ins, outs, Mode.GROUP_MOVE)
        shutil.copy2(str(plan.operations[2].target), plan.operations[2].source)
        assert undo(str(outs), bar=None).complete

    def test_a_file_that_was_edited_meanwhile_goes_back_as_it_is(self, ins: Path, outs: Path) -> None:
        plan = applied(ins, outs, Mode.GROUP_MOVE)
        Path(str(plan.operations[0].target)).write_bytes(b"edited")
        assert undo(str(outs), bar=None).complete
        assert Path(plan.operations[0].source).read_bytes() == b"edited"

    def test_a_file_that_is_nowhere_is_reported(self, ins: Path, outs: Path) -> None:
        plan = applied(ins, outs, Mode.GROUP_MOVE)
        one = plan.operations[0]
        os.unlink(str(one.target))
        result = undo(str(outs), bar=None)
        assert (result.restored, result.complete) == (6, False)
        assert result.failed[0].path == one.source
        assert result.failed[0].reason.startswith("it is neither there nor at ")

    @posix
    def test_another_spelling_of_the_moved_file_is_not_taken_for_its_original(
        self, ins: Path, outs: Path, tmp_path: Path
    ) -> None:
        """The input folder became a link to the place where its file went."""
        plan = plan_of(listed(ins), outs, Mode.CLEAN_MOVE)
        apply_plan(plan, bar=None)
        everything = contents(ins, outs)
        ins.rename(tmp_path / "kept")
        ins.symlink_to(outs)
        result = undo(str(outs), bar=None)
        assert len(result.failed) == len(plan.operations)
        assert all(one.reason.endswith(" leads to this very file; it stays") for one in result.failed)
        assert contents(tmp_path / "kept", outs) == everything

    def test_a_folder_that_was_there_and_files_of_others_stay(self, ins: Path, outs: Path) -> None:
        outs.mkdir()
        applied(ins, outs, Mode.GROUP_MOVE)
        (outs / "group_00002" / "mine.txt").write_bytes(b"mine")
        assert undo(str(outs), bar=None).complete
        assert set(state(outs)) == {os.path.join("group_00002", "mine.txt")}
        os.unlink(outs / "group_00002" / "mine.txt")
        assert outs.is_dir()


class TestCopies:
    def test_a_copy_stays_when_its_original_is_gone_or_changed(self, ins: Path, outs: Path) -> None:
        plan = applied(ins, outs, Mode.GROUP_COPY)
        gone, changed = plan.operations[:2]
        os.unlink(gone.source)
        Path(changed.source).write_bytes(b"changed")
        result = undo(str(outs), bar=None)
        assert (result.removed, result.complete) == (5, False)
        assert {one.path for one in result.failed} == {gone.target, changed.target}
        assert all(one.reason.endswith("is gone or changed; the copy stays") for one in result.failed)
        assert Path(str(gone.target)).exists()

    def test_a_copy_that_was_edited_stays(self, ins: Path, outs: Path) -> None:
        plan = applied(ins, outs, Mode.GROUP_COPY)
        Path(str(plan.operations[0].target)).write_bytes(b"edited")
        result = undo(str(outs), bar=None)
        assert result.failed == (Skipped(str(plan.operations[0].target), "the copy was changed since; it stays"),)

    @posix
    def test_a_copy_stays_when_its_original_became_a_link_to_it(self, ins: Path, outs: Path) -> None:
        plan = applied(ins, outs, Mode.GROUP_COPY)
        one = plan.operations[0]
        os.unlink(one.source)
        os.symlink(str(one.target), one.source)
        result = undo(str(outs), bar=None)
        assert [skipped.reason.rpartition(" is ")[2] for skipped in result.failed] == [
            "a link to the copy now; the copy stays"
        ]
        assert Path(one.source).read_bytes()

    def test_a_restored_original_is_as_good_as_the_first(self, ins: Path, outs: Path) -> None:
        """It has another inode, but the same bytes."""
        plan = applied(ins, outs, Mode.GROUP_COPY)
        source = Path(plan.operations[0].source)
        content = source.read_bytes()
        source.unlink()
        source.write_bytes(content)
        assert undo(str(outs), bar=None).complete

    def test_a_copy_that_is_gone_already_is_no_trouble(self, ins: Path, outs: Path) -> None:
        plan = applied(ins, outs, Mode.GROUP_COPY)
        os.unlink(str(plan.operations[0].target))
        result = undo(str(outs), bar=None)
        assert (result.removed, result.untouched, result.complete) == (6, 1, True)


def test_what_was_deleted_is_counted_and_the_journal_stays_as_its_record(ins: Path, outs: Path) -> None:
    applied(ins, outs, Mode.CLEAN_DELETE)
    for _ in range(2):
        result = undo(str(outs), bar=None)
        assert (result.gone, result.restored, result.failed, result.complete) == (5, 0, (), False)
    assert set(os.listdir(outs)) == OWN


def test_it_can_be_interrupted_and_taken_up_again(ins: Path, outs: Path) -> None:
    class Halt:
        left = 3

        def advance(self, n: int = 1) -> None:
            self.left -= n

    before, bar = state(ins), Halt()
    applied(ins, outs, Mode.GROUP_MOVE)
    first = undo(str(outs), bar=bar, stop=lambda: bar.left <= 0)
    assert (first.restored, first.interrupted, first.complete) == (3, True, False)
    second = undo(str(outs), bar=None)
    assert (second.restored, second.untouched, second.complete) == (4, 3, True)
    assert state(ins) == before
    with pytest.raises(UsageError, match="can't be opened"):
        undo(str(outs / JOURNAL_NAME), bar=None)


def test_after_a_complete_undo_the_output_folder_takes_a_new_run(ins: Path, outs: Path) -> None:
    outs.mkdir()
    applied(ins, outs, Mode.GROUP_COPY)
    assert undo(str(outs), bar=None).complete
    applied(ins, outs, Mode.GROUP_MOVE)


def test_a_journal_without_a_first_line_means_that_nothing_happened(outs: Path) -> None:
    outs.mkdir()
    (outs / JOURNAL_NAME).write_bytes(b'{"format": "fast')
    assert undo(str(outs), bar=None).complete
    assert os.listdir(outs) == []


def test_across_file_systems_time_and_mode_come_back_even_where_they_were_lost(
    ins: Path, outs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on FAT, which rounds times and knows no modes."""
    before = state(ins)
    with other_file_system(tmp_path) as other:
        with monkeypatch.context() as patch:
            patch.setattr(transfer, "_copy_status", lambda *_: None)
            applied(ins, other / "out", Mode.GROUP_MOVE)
        assert undo(str(other / "out"), bar=None).complete
    assert state(ins) == before


@posix
def test_an_undo_that_was_killed_and_a_run_after_it_leave_no_temporary_file_beside_the_photos(
    ins: Path, outs: Path, tmp_path: Path
) -> None:
    """A copy on its way back to another file system; the run that follows finds all files at their targets."""
    plan = applied(ins, outs, Mode.GROUP_MOVE)
    with Journal(str(outs / JOURNAL_NAME)) as log:
        log.undoing(range(3))
        parts = [names_beside(log.digest, i, plan.operations[i]).undo_part for i in range(3)]
    for part in parts:
        Path(part).write_bytes(b"half a cop")
    assert apply_plan(plan, bar=None).before == len(plan.operations)
    assert not any(os.path.exists(part) for part in parts)


@posix
@pytest.mark.parametrize(
    ("mode", "disks", "then"),
    [
        *itertools.product(
            [Mode.GROUP_COPY, Mode.CLEAN_MOVE],
            ["hard links", "no hard links", "another file system"],
            ["undo", "finish", "undo killed", "thrice"],
        ),
        *itertools.product(
            [Mode.CLEAN_DELETE], ["hard links", "no hard links"], ["undo", "finish", "undo killed", "thrice"]
        ),
        *itertools.product(
            [Mode.LINK_HARD], ["hard links", "another file system"], ["undo", "finish", "undo killed", "thrice"]
        ),
        *itertools.product(
            [Mode.LINK_SYMBOLIC],
            ["hard links", "no hard links", "another file system"],
            ["undo", "finish", "undo killed", "thrice"],
        ),
    ],
)
def test_a_kill_before_any_call_that_changes_the_disk_loses_nothing(
    tmp_path: Path, mode: Mode, disks: str, then: str
) -> None:
    if disks == "another file system":
        with other_file_system(tmp_path) as other:
            sweep(mode, disks, then, tmp_path / "work", other / "out")
    else:
        fast = Path("/dev/shm")
        with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else tmp_path) as folder:
            sweep(mode, disks, then, Path(folder) / "work", Path(folder) / "out")


@posix
@pytest.mark.parametrize("then", ["undo", "finish", "undo killed", "thrice"])
def test_nor_does_a_kill_while_reflinks_are_made(tmp_path: Path, then: str) -> None:
    if not has_reflinks(tmp_path):
        pytest.skip("needs reflinks: run with --basetemp on XFS or Btrfs")
    sweep(Mode.LINK_REFLINK, "hard links", then, tmp_path / "work", tmp_path / "out")


def sweep(*args: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crash_sweep", *args],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= 2
