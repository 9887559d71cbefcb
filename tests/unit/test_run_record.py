"""What an undo makes of journals that were moved, cut, copied or written by someone else: nothing is lost or led astray."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from disk import contents, fill, listed, plan_of, reasons, run, run_until, state

from fastsim.choices import Mode
from fastsim.errors import UsageError
from fastsim.files import provenance
from fastsim.files.journal import JOURNAL_NAME, Journal
from fastsim.files.plan_file import PLAN_NAME, read_plan, relocated
from fastsim.files.run_record import RunRecord
from fastsim.files.undo import undo

OWN = {PLAN_NAME, JOURNAL_NAME}
MOVING = [Mode.GROUP_COPY, Mode.GROUP_MOVE, Mode.CLEAN_MOVE]


@pytest.fixture
def ins(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", 12)


@pytest.fixture
def outs(tmp_path: Path) -> Path:
    return tmp_path / "out"


def rewrite(outs: Path, change: Any) -> None:
    """Let `change` edit the parsed lines of the journal."""
    path = outs / JOURNAL_NAME
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


class TestMovedFolders:
    @pytest.mark.parametrize("mode", MOVING)
    @pytest.mark.parametrize("first_version", [False, True])
    def test_undo_finds_the_files_beside_the_journal(
        self, ins: Path, outs: Path, mode: Mode, first_version: bool
    ) -> None:
        before = state(ins)
        run(plan_of(listed(ins), outs, mode))
        if first_version:  # its header does not name the folder; the plan beside it does
            rewrite(outs, lambda lines: [lines[0].pop(key) for key in ("outs", "user", "host")])
        moved = outs.with_name("elsewhere") / "deep" / "er"
        moved.parent.mkdir(parents=True)
        outs.rename(moved)
        assert undo(str(moved), bar=None).complete
        assert state(ins) == before
        assert not moved.exists()
        assert moved.parent.exists()

    def test_an_interrupted_run_is_finished_and_taken_back_however_often_it_moves(self, ins: Path, outs: Path) -> None:
        before = state(ins)
        plan = plan_of(listed(ins), outs, Mode.CLEAN_MOVE)
        run_until(2, plan)
        for number, operations in enumerate((4, 6, 100)):
            outs = outs.rename(outs.with_name(f"place {number}"))
            outcome = run_until(operations, relocated(read_plan(str(outs)), str(outs)))
            assert outcome.before == (2, 4, 6)[number]
        outs = outs.rename(outs.with_name("last"))
        assert len(contents(outs)) == len(plan.operations)
        assert undo(str(outs), bar=None).complete
        assert state(ins) == before

    def test_a_copy_of_a_run_that_still_lies_where_it_was_is_named(self, ins: Path, outs: Path) -> None:
        run(plan_of(listed(ins), outs, Mode.CLEAN_MOVE))
        copy = shutil.copytree(outs, outs.with_name("copy"))
        everything = state(copy)
        with pytest.raises(
            UsageError, match=rf"a copy; the run itself lies in {outs}, take it back with `fastsim undo"
        ):
            undo(str(copy), bar=None)
        assert state(copy) == everything
        assert undo(str(outs), bar=None).complete


class TestCutJournals:
    @pytest.mark.parametrize("mode", MOVING)
    def test_cut_at_any_line_everything_comes_back(self, tmp_path: Path, ins: Path, mode: Mode) -> None:
        before = state(ins)
        outs = tmp_path / "out 0"
        run(plan_of(listed(ins), outs, mode))
        lines = (outs / JOURNAL_NAME).read_bytes().splitlines(keepends=True)
        for cut in (0, 1, 2, 6, 14, 20, len(lines) - 1):
            outs = tmp_path / f"out {cut}"
            if cut:
                run(plan_of(listed(ins), outs, mode))
                lines = (outs / JOURNAL_NAME).read_bytes().splitlines(keepends=True)
            (outs / JOURNAL_NAME).write_bytes(b"".join(lines[:cut]))
            assert undo(str(outs), bar=None).complete, cut
            assert state(ins) == before, cut

    def test_without_the_plan_both_counts_are_told_and_the_journal_stays(self, ins: Path, outs: Path) -> None:
        run(plan_of(listed(ins), outs, Mode.GROUP_MOVE))
        rewrite(outs, lambda lines: lines.__delitem__(slice(4, None)))
        os.unlink(outs / PLAN_NAME)
        result = undo(str(outs), bar=None)
        assert not result.complete
        assert "of 12 operations, and the plan is not beside it" in result.failed[-1].reason
        assert (outs / JOURNAL_NAME).exists()

    def test_a_file_that_went_under_another_name_is_not_forgotten(self, ins: Path, outs: Path) -> None:
        plan = plan_of(listed(ins), outs, Mode.GROUP_MOVE)
        run(plan)
        one = plan.operations[0]
        os.rename(str(one.target), f"{one.target}.renamed")
        rewrite(outs, lambda lines: lines.__delitem__(slice(1, None)))
        result = undo(str(outs), bar=None)
        assert (result.restored, result.complete) == (11, False)
        assert result.failed[0].path == one.source
        assert set(os.listdir(outs)) >= OWN

    def test_an_undo_of_a_cut_journal_can_be_interrupted(self, ins: Path, outs: Path) -> None:
        before = state(ins)
        run(plan_of(listed(ins), outs, Mode.GROUP_MOVE))
        rewrite(outs, lambda lines: lines.__delitem__(slice(1, None)))
        left = [5]

        class Bar:
            def advance(self, n: int = 1) -> None:
                left[0] -= n

        assert undo(str(outs), bar=Bar(), stop=lambda: left[0] <= 0).interrupted
        assert undo(str(outs), bar=None).complete
        assert state(ins) == before


class TestForeignJournals:
    @pytest.mark.parametrize("kind", ["outside", "dots", "through a link"])
    def test_no_target_outside_of_its_folder_is_followed(
        self, tmp_path: Path, ins: Path, outs: Path, kind: str
    ) -> None:
        run(plan_of(listed(ins), outs, Mode.GROUP_MOVE))
        home = fill(tmp_path / "home", 1, names=("id_rsa",)) / "sub 0" / "id_rsa"
        (outs / "link").symlink_to(home.parent)
        (tmp_path / "empty").mkdir()
        target = {
            "outside": str(home),
            "dots": os.path.join(outs, "..", "home", "sub 0", "id_rsa"),
            "through a link": os.path.join(outs, "link", "id_rsa"),
        }[kind]

        def lead_astray(lines: list[dict[str, Any]]) -> None:
            lines += [{"i": 0, "target": target}, {"folder": str(tmp_path / "empty")}]
            lines[0]["folders"].append(str(tmp_path / "empty"))

        rewrite(outs, lead_astray)
        result = undo(str(outs), bar=None)
        assert [one.reason for one in result.failed] == [
            f"it is not in {outs}, the folder of the journal; it is left alone"
        ]
        assert home.exists()
        assert (tmp_path / "empty").exists()

    def test_no_source_that_the_plan_does_not_name_is_written(self, tmp_path: Path, ins: Path, outs: Path) -> None:
        plan = plan_of(listed(ins), outs, Mode.GROUP_MOVE)
        run(plan)
        planted = tmp_path / "home" / ".profile"

        def plant(lines: list[dict[str, Any]]) -> None:
            line = next(line for line in lines if line.get("i") == 3 and "plan" in line)
            line["plan"]["source"] = str(planted)

        rewrite(outs, plant)
        result = undo(str(outs), bar=None)
        assert [one.reason for one in result.failed] == [
            f"the plan beside the journal does not name {planted}; it is left alone"
        ]
        assert not planted.parent.exists()

    @pytest.mark.parametrize(
        ("key", "value", "why"),
        [
            ("user", "mallory", "it was written by mallory on "),
            ("host", "elsewhere", " on elsewhere"),
            ("user", None, "it does not say who wrote it"),
        ],
    )
    def test_one_of_someone_else_is_asked_about(
        self, ins: Path, outs: Path, key: str, value: str | None, why: str
    ) -> None:
        run(plan_of(listed(ins), outs, Mode.GROUP_MOVE))
        for name in OWN:
            lines = (outs / name).read_text().splitlines(keepends=True)
            head = json.loads(lines[0])
            head[key] = value
            if value is None:
                del head[key]
            (outs / name).write_text(json.dumps(head) + "\n" + "".join(lines[1:]))
        moved = state(outs)
        with Journal(str(outs / JOURNAL_NAME)) as log:
            record = RunRecord(log)
            assert why in record.stranger()
            assert len(record.moves()) == 12
        assert state(outs) == moved

    def test_a_file_of_another_owner_is_asked_about(
        self, ins: Path, outs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not hasattr(os, "geteuid"):
            pytest.skip("needs owners")
        run(plan_of(listed(ins), outs, Mode.GROUP_MOVE))
        with Journal(str(outs / JOURNAL_NAME)) as log:
            assert RunRecord(log).stranger() == ""
            monkeypatch.setattr(os, "geteuid", lambda: 12345)
            assert RunRecord(log).stranger().startswith("the file belongs to user number ")

    def test_a_journal_without_its_plan_is_asked_about(self, ins: Path, outs: Path) -> None:
        run(plan_of(listed(ins), outs, Mode.GROUP_MOVE))
        os.unlink(outs / PLAN_NAME)
        with Journal(str(outs / JOURNAL_NAME)) as log:
            assert RunRecord(log).stranger() == "the plan of its run is not beside it"

    def test_a_user_without_a_name_is_a_user_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nameless() -> str:
            raise KeyError("getpwuid(): uid not found")

        monkeypatch.setattr(provenance.getpass, "getuser", nameless)
        assert set(provenance.here()) == {"user", "host"}


class TestFolderTimes:
    def age(self, ins: Path) -> dict[Path, int]:
        folders = {ins: 10**18 + 1, **{ins / name: 10**18 + 2 for name in os.listdir(ins) if (ins / name).is_dir()}}
        for folder, time in folders.items():
            os.utime(folder, ns=(time, time))
        return folders

    @pytest.mark.parametrize("mode", [Mode.GROUP_MOVE, Mode.CLEAN_MOVE])
    def test_they_are_restored(self, ins: Path, outs: Path, mode: Mode) -> None:
        folders = self.age(ins)
        run_until(3, plan_of(listed(ins), outs, mode))
        run(plan_of_run(outs))
        assert undo(str(outs), bar=None).complete
        assert {folder: folder.stat().st_mtime_ns for folder in folders} == folders

    def test_a_folder_in_which_someone_was_at_work_since_keeps_its_time(self, ins: Path, outs: Path) -> None:
        folders = self.age(ins)
        run(plan_of(listed(ins), outs, Mode.GROUP_MOVE))
        (ins / "new.txt").write_text("new")
        assert undo(str(outs), bar=None).complete
        assert ins.stat().st_mtime_ns > folders[ins]
        assert (ins / "sub 0").stat().st_mtime_ns == folders[ins / "sub 0"]


def plan_of_run(outs: Path) -> Any:
    return read_plan(str(outs))


def test_of_two_equal_names_of_one_file_undo_removes_none(
    tmp_path: Path, ins: Path, outs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inode numbers that tell nothing: the input folder became another way to the output folder."""
    plan = plan_of(listed(ins), outs, Mode.CLEAN_MOVE)
    run(plan)
    everything = contents(ins, outs)
    ins.rename(tmp_path / "kept")
    ins.symlink_to(outs)
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)
    result = undo(str(outs), bar=None)
    assert len(result.failed) == len(plan.operations)
    assert all(one.reason.endswith(" leads to this very file; it stays") for one in result.failed)
    assert contents(tmp_path / "kept", outs) == everything


def test_keepers_that_go_under_another_path_stop_the_plan(tmp_path: Path, ins: Path, outs: Path) -> None:
    (tmp_path / "way").symlink_to(ins)
    plan = plan_of(listed(ins), outs, Mode.CLEAN_DELETE, size=2)
    first, second = plan.operations[:2]
    through = str(tmp_path / "way" / os.path.relpath(second.source, ins))
    crossed = replace(first, keeper=through, keeper_snapshot=second.snapshot)
    before = state(ins)
    with pytest.raises(UsageError, match=r"is to stay in place of .*, and the plan removes it, too"):
        run(replace(plan, operations=(crossed, second)))
    assert state(ins) == before
    assert not outs.exists()
    assert not reasons(run(plan))
