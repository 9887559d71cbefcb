"""Apply: it does what the plan says, file by file, and leaves alone whatever is not as the plan had it."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from disk import (
    Halt,
    contents,
    fill,
    listed,
    no_hard_links,
    other_file_system,
    plan_of,
    reasons,
    run,
    run_until,
    state,
    with_sidecars,
)

from fastsim.choices import LINK_MODES, Mode
from fastsim.errors import UsageError, shown
from fastsim.files import transfer
from fastsim.files.apply import Outcome, apply_plan
from fastsim.files.journal import JOURNAL_NAME, Journal
from fastsim.files.plan_file import PLAN_NAME, read_plan
from fastsim.files.unchanged import with_digests
from fastsim.files.undo import undo
from fastsim.records.plans import Op, Plan

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX file system")
OWN = {PLAN_NAME, JOURNAL_NAME}

ANYWHERE = [mode for mode in Mode if mode != Mode.LINK_REFLINK]
"""The modes that every file system allows."""


@pytest.fixture
def ins(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", 12)


@pytest.fixture
def outs(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out"


class TestModes:
    def test_group_copy_leaves_the_input_as_it_was(self, ins: Path, outs: Path) -> None:
        before = state(ins)
        outcome = run(plan_of(listed(ins), outs, Mode.GROUP_COPY))
        assert state(ins) == before
        assert all(one.done for one in outcome.results)
        copies = state(outs)
        assert len(copies) == 12 + len(OWN)
        assert {row for name, row in copies.items() if name not in OWN} == set(before.values())  # bytes, mode, time

    def test_group_move_moves_every_file_with_its_time(self, ins: Path, outs: Path) -> None:
        before = state(ins)
        outcome = run(plan_of(listed(ins), outs, Mode.GROUP_MOVE))
        assert (outcome.before, outcome.stopped, outcome.interrupted) == (0, "", False)
        assert outcome.journal == str(outs / JOURNAL_NAME)
        assert state(ins) == {}
        assert {row for name, row in state(outs).items() if name not in OWN} == set(before.values())

    def test_clean_move_keeps_the_keepers_and_the_shape_of_the_rest(self, ins: Path, outs: Path) -> None:
        before = state(ins)
        plan = plan_of(listed(ins), outs, Mode.CLEAN_MOVE)
        run(plan)
        moved = {name: row for name, row in state(outs).items() if name not in OWN}
        assert {**state(ins), **moved} == before
        assert {os.path.join(ins, name) for name in state(ins)} == {str(one.keeper) for one in plan.operations}

    def test_clean_delete_deletes_all_but_the_keepers(self, ins: Path, outs: Path) -> None:
        plan = plan_of(listed(ins), outs, Mode.CLEAN_DELETE)
        run(plan)
        assert len(state(ins)) == 3
        assert set(os.listdir(outs)) == OWN

    def test_trash_hands_each_file_to_the_desktop(
        self, ins: Path, outs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import send2trash

        trash = tmp_path / "trash"
        trash.mkdir()
        stuck = listed(ins)[1].path

        def take(path: str) -> None:
            if path == stuck:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            os.rename(path, trash / os.path.basename(path))

        monkeypatch.setattr(send2trash, "send2trash", take)
        plan = plan_of(listed(ins), outs, Mode.CLEAN_DELETE)
        plan = replace(plan, operations=tuple(replace(one, op=Op.TRASH) for one in plan.operations))
        before = contents(ins)
        outcome = run(plan)
        assert contents(ins, trash) == before
        assert reasons(outcome) == {os.path.basename(stuck): "the trash can't be used (permission denied)"}

    def test_an_empty_plan_makes_nothing(self, outs: Path) -> None:
        assert run(Plan(str(outs), ())) == Outcome((), None, None, 0, "", False)
        assert not outs.exists()

    def test_the_plan_lies_in_the_output_folder_and_the_bar_counts(self, ins: Path, outs: Path) -> None:
        class Counter:
            count = 0

            def advance(self, n: int = 1) -> None:
                self.count += n

        bar = Counter()
        plan = plan_of(listed(ins), outs, Mode.GROUP_COPY)
        outcome = apply_plan(plan, bar=bar)
        assert bar.count == 12
        assert outcome.plan is not None
        assert read_plan(outcome.plan) == plan


class TestWhatHasChanged:
    @pytest.mark.parametrize("mode", ANYWHERE)
    def test_a_file_that_changed_or_vanished_is_left_alone(self, ins: Path, outs: Path, mode: Mode) -> None:
        plan = plan_of(listed(ins), outs, mode)
        longer, touched, gone, swapped = (Path(one.source) for one in plan.operations[-4:])
        longer.write_bytes(b"longer than it was")
        os.utime(touched, ns=(1, 1))
        gone.unlink()
        status = swapped.stat()
        other = swapped.with_name("other")
        other.write_bytes(b"x" * status.st_size)
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(swapped)
        outcome = run(plan)
        found = reasons(outcome)
        for path in (longer, touched, swapped):
            assert found.pop(path.name) == "it has changed since it was looked at"
            assert path.exists()
        assert found == {gone.name: "it is not there any more (no such file or directory)"}

    @pytest.mark.parametrize("mode", [Mode.CLEAN_MOVE, Mode.CLEAN_DELETE])
    def test_nothing_goes_whose_keeper_is_not_there_as_it_was(self, tmp_path: Path, outs: Path, mode: Mode) -> None:
        ins = fill(tmp_path / "in", 8, names=())
        plan = plan_of(listed(ins), outs, mode, size=2)
        gone, emptied, changed, _ = (Path(str(one.keeper)) for one in plan.operations)
        gone.unlink()
        emptied.write_bytes(b"")
        changed.write_bytes(b"something else")
        found = [one.reason for one in run(plan).results]
        assert found[0] == f"its keeper {gone} is not there any more (no such file or directory)"
        assert found[1] == f"its keeper {emptied} is empty, or no file"
        assert found[2] == f"its keeper {changed} has changed since it was looked at"
        assert found[3] == ""
        assert [Path(one.source).exists() for one in plan.operations] == [True, True, True, False]

    @posix
    def test_nothing_goes_whose_keeper_is_a_link_to_it(self, tmp_path: Path, outs: Path) -> None:
        ins = fill(tmp_path / "in", 2, names=())
        plan = plan_of(listed(ins), outs, Mode.CLEAN_DELETE, size=2)
        (one,) = plan.operations
        Path(str(one.keeper)).unlink()
        Path(str(one.keeper)).symlink_to(one.source)
        plan = replace(plan, operations=(replace(one, keeper_snapshot=one.snapshot),))
        assert list(reasons(run(plan)).values()) == [f"its keeper {one.keeper} leads to this very file"]
        assert Path(one.source).exists()

    @posix
    def test_hard_links_of_one_file_are_two_names(self, tmp_path: Path, outs: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.jpg").write_bytes(b"same")
        os.link(tmp_path / "in" / "a.jpg", tmp_path / "in" / "b.jpg")
        assert not reasons(run(plan_of(listed(tmp_path / "in"), outs, Mode.CLEAN_DELETE)))
        assert os.listdir(tmp_path / "in") == ["a.jpg"]

    def test_a_file_that_changes_under_the_move_is_put_back(
        self, ins: Path, outs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plan = plan_of(listed(ins), outs, Mode.GROUP_MOVE)
        victim = plan.operations[3].source
        link = os.link

        def slow_link(source: str, target: str, **options: Any) -> None:
            if source == victim:
                Path(source).write_bytes(b"written in between")
            link(source, target, **options)

        monkeypatch.setattr(os, "link", slow_link)
        outcome = run(plan)
        assert reasons(outcome) == {os.path.basename(victim): "it was replaced while it was being moved"}
        assert Path(victim).read_bytes() == b"written in between"
        assert not os.path.lexists(str(plan.operations[3].target))


class TestNothingIsOverwritten:
    @pytest.mark.parametrize("mode", [Mode.GROUP_COPY, Mode.GROUP_MOVE])
    @pytest.mark.parametrize("links", [True, False])
    def test_a_target_that_turns_up_gets_a_neighbour(
        self, ins: Path, outs: Path, mode: Mode, links: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Someone else writes the names that the plan has for the output folder, after it was found empty."""
        if not links:
            monkeypatch.setattr(os, "link", no_hard_links)
        before = state(ins)
        plan = plan_of(listed(ins), outs, mode)
        first = Path(str(plan.operations[0].target))
        makedirs = os.makedirs

        def intruder(path: str, **options: Any) -> None:
            makedirs(path, **options)
            if path == str(first.parent) and not first.exists():
                first.write_bytes(b"foreign")
                first.with_name(first.stem + "_2.jpg").write_bytes(b"foreign too")

        monkeypatch.setattr(os, "makedirs", intruder)
        outcome = run(plan)
        monkeypatch.setattr(os, "makedirs", makedirs)
        assert all(one.done for one in outcome.results)
        assert first.read_bytes() == b"foreign"
        assert outcome.results[0].operation.target == str(first.with_name(first.stem + "_3.jpg"))
        undone = undo(str(outs), bar=None)
        assert undone.complete
        assert state(ins) == before
        assert set(state(outs)) == {f"group_00001/{first.name}", f"group_00001/{first.stem}_2.jpg"}


@pytest.fixture(params=["hard links", "no hard links", "another file system"])
def disks(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, Path]]:
    """Return an input and an output folder, joined in each way that moving has to deal with."""
    if request.param == "another file system":
        with other_file_system(tmp_path) as other:
            yield tmp_path / "in", other / "out"
        return
    if request.param == "no hard links":
        monkeypatch.setattr(os, "link", no_hard_links)
    yield tmp_path / "in", tmp_path / "out"


@pytest.mark.parametrize("mode", [Mode.GROUP_COPY, Mode.GROUP_MOVE, Mode.CLEAN_MOVE])
def test_on_all_kinds_of_disks_a_run_and_its_undo_leave_all_as_it_was(disks: tuple[Path, Path], mode: Mode) -> None:
    ins, outs = fill(disks[0], 12), disks[1]
    before = state(ins)
    outcome = run(plan_of(listed(ins), outs, mode))
    assert not reasons(outcome)
    assert contents(ins, outs) == {row[0] for row in before.values()}
    assert not [name for name in state(outs) if ".fastsim-part" in name]
    undone = undo(str(outs), bar=None)
    assert (undone.complete, undone.failed) == (True, ())
    assert state(ins) == before
    assert not outs.exists()


class TestTroubles:
    @pytest.mark.parametrize("code", [errno.EACCES, errno.EIO])
    def test_a_file_that_cannot_be_moved_is_reported_and_the_rest_goes_on(
        self, ins: Path, outs: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        plan = plan_of(listed(ins), outs, Mode.GROUP_MOVE)
        stuck, unlink = plan.operations[2].source, os.unlink

        def failing(path: str) -> None:
            if path == stuck:
                raise OSError(code, os.strerror(code), path)
            unlink(path)

        monkeypatch.setattr(os, "unlink", failing)
        outcome = run(plan)
        monkeypatch.undo()
        assert reasons(outcome) == {os.path.basename(stuck): os.strerror(code)[0].lower() + os.strerror(code)[1:]}
        assert contents(ins) == {Path(stuck).read_bytes()}
        assert not os.path.lexists(str(plan.operations[2].target))  # its second name was taken off again

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
    @pytest.mark.parametrize("mode", [Mode.GROUP_COPY, Mode.GROUP_MOVE])
    def test_a_full_or_read_only_output_ends_the_run_in_one_line(
        self, tmp_path: Path, ins: Path, monkeypatch: pytest.MonkeyPatch, code: int, mode: Mode
    ) -> None:
        before = state(ins)
        with other_file_system(tmp_path) as other:
            outs = other / "out"
            plan = plan_of(listed(ins), outs, mode)
            create, left = transfer._create, [None] * 5

            def full(path: str) -> Any:
                file = create(path)
                if not left:
                    file.close()
                    raise OSError(code, os.strerror(code), path)
                left.pop()
                return file

            monkeypatch.setattr(transfer, "_create", full)
            outcome = run(plan)
            monkeypatch.undo()
            assert [one.done for one in outcome.results] == [True] * 5 + [False] * 7
            assert [bool(one.reason) for one in outcome.results] == [False] * 5 + [True] + [False] * 6
            assert outcome.stopped.startswith(f"{outs} takes no more (")
            assert "5 of 12 operations are done; finish with `fastsim apply" in outcome.stopped
            assert not outcome.interrupted
            assert not [name for name in state(outs) if ".fastsim-part" in name]
            assert undo(str(outs), bar=None).complete
            assert state(ins) == before

    def test_on_a_real_full_disk_nothing_is_lost(self, tmp_path: Path) -> None:
        small = tmp_path / "small"
        small.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
        if (
            not hasattr(os, "geteuid")
            or os.geteuid()
            or subprocess.run(mount, capture_output=True, check=False).returncode
        ):
            pytest.skip("needs to mount a small tmpfs: not allowed here")
        try:
            ins = tmp_path / "in"
            ins.mkdir()
            for i in range(40):
                (ins / f"{i:02}.jpg").write_bytes(os.urandom(20_000))
            before = state(ins)
            plan = plan_of(listed(ins), small / "out", Mode.GROUP_MOVE)
            outcome = run(plan)
            assert "takes no more (no space left on device)" in outcome.stopped
            assert 0 < sum(one.done for one in outcome.results) < 40
            assert contents(ins, small) == {row[0] for row in before.values()}
            assert "takes no more" in run(plan).stopped  # again: still full, still harmless
            undone = undo(str(small / "out"), bar=None)
            assert undone.complete
            assert state(ins) == before
            (small / "fill").write_bytes(b"x" * 250_000)
            with pytest.raises(UsageError, match="make room, or give another --outs"):
                run(plan)
            assert os.listdir(small) == ["fill"]
        finally:
            subprocess.run(["umount", str(small)], check=True)

    def test_a_file_longer_than_its_name_may_be_is_one_failure(self, ins: Path, outs: Path) -> None:
        plan = plan_of(listed(ins), outs, Mode.GROUP_MOVE)
        first = replace(plan.operations[0], target=str(outs / "group_00001" / ("x" * 300)))
        outcome = run(replace(plan, operations=(first, *plan.operations[1:])))
        assert list(reasons(outcome).values()) == ["file name too long"]


class TestLinks:
    pytestmark = posix

    @pytest.fixture
    def linked(self, disks: tuple[Path, Path]) -> tuple[Path, Path]:
        ins, outs = disks
        ins.mkdir()
        (ins / "0.jpg").write_bytes(b"keeper")
        (ins.parent / "blob").write_bytes(b"content")
        (ins / "1.jpg").symlink_to(ins.parent / "blob")
        os.utime(ins / "1.jpg", ns=(5, 10**18 + 7), follow_symlinks=False)
        return ins, outs

    def test_moving_takes_the_link_and_not_its_target(self, linked: tuple[Path, Path]) -> None:
        ins, outs = linked
        before = state(ins)
        assert not reasons(run(plan_of(listed(ins, follow_links=True), outs, Mode.CLEAN_MOVE)))
        assert (outs / "1.jpg").is_symlink()
        assert (ins.parent / "blob").read_bytes() == b"content"
        assert undo(str(outs), bar=None).complete
        assert state(ins) == before

    def test_deleting_takes_the_link_and_not_its_target(self, linked: tuple[Path, Path]) -> None:
        ins, outs = linked
        assert not reasons(run(plan_of(listed(ins, follow_links=True), outs, Mode.CLEAN_DELETE)))
        assert not os.path.lexists(ins / "1.jpg")
        assert (ins.parent / "blob").read_bytes() == b"content"

    def test_copying_takes_the_content(self, linked: tuple[Path, Path]) -> None:
        ins, outs = linked
        run(plan_of(listed(ins, follow_links=True), outs, Mode.GROUP_COPY))
        copy = outs / "group_00001" / "1.jpg"
        assert (copy.is_symlink(), copy.read_bytes()) == (False, b"content")
        assert undo(str(outs), bar=None).complete

    def test_a_link_that_leads_elsewhere_now_is_left_alone(self, linked: tuple[Path, Path]) -> None:
        ins, outs = linked
        plan = plan_of(listed(ins, follow_links=True), outs, Mode.CLEAN_MOVE)
        (ins / "1.jpg").unlink()
        (ins / "1.jpg").symlink_to(ins / "0.jpg")
        assert reasons(run(plan)) == {"1.jpg": "it has changed since it was looked at"}


class TestSidecars:
    """A picture and its sidecars are one unit."""

    @pytest.fixture
    def plan(self, ins: Path, outs: Path, request: pytest.FixtureRequest) -> Plan:
        return with_digests(with_sidecars(plan_of(listed(ins), outs, getattr(request, "param", Mode.CLEAN_MOVE))))

    @pytest.mark.parametrize("plan", [mode for mode in Mode if mode not in LINK_MODES], indirect=True)
    def test_they_go_with_their_picture_and_come_back_with_it(self, ins: Path, outs: Path, plan: Plan) -> None:
        before = state(ins)
        outcome = run(plan)
        assert not reasons(outcome)
        assert all(os.path.exists(one.source) == (one.op == Op.COPY) for one in plan.operations)
        undone = undo(str(outs), bar=None)
        if plan.operations[0].op == Op.DELETE:
            assert undone.gone == len(plan.operations)
        else:
            assert undone.complete
            assert state(ins) == before

    @pytest.mark.parametrize("plan", [Mode.CLEAN_MOVE, Mode.CLEAN_DELETE], indirect=True)
    def test_a_sidecar_that_changed_holds_its_picture_back(self, ins: Path, plan: Plan) -> None:
        sidecar = plan.operations[1]
        Path(sidecar.source).write_bytes(b"edited since")
        before = state(ins)
        outcome = run(plan)
        assert reasons(outcome) == {
            Path(sidecar.source).name: "it has changed since it was looked at",
            Path(str(sidecar.part_of)).name: f"it stays with its sidecar {shown(sidecar.source)}, of which: "
            "it has changed since it was looked at",
        }
        left = state(ins)
        assert all(left[os.path.relpath(one.source, ins)] == before[os.path.relpath(one.source, ins)]
                   for one in plan.operations[:2])  # fmt: skip

    @pytest.mark.parametrize("plan", [Mode.CLEAN_MOVE, Mode.CLEAN_DELETE, Mode.GROUP_COPY], indirect=True)
    def test_a_unit_that_fails_in_the_middle_is_put_back(
        self, ins: Path, outs: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before, link, stuck = state(ins), os.link, plan.operations[3].source
        label = f"-3{os.path.splitext(stuck)[1]}"

        def failing(source: str, target: str, **options: Any) -> None:
            if stuck in (source, target) or target.endswith(label) or target == plan.operations[3].target:
                raise PermissionError(errno.EACCES, "Permission denied", source)
            link(source, target, **options)

        monkeypatch.setattr(os, "link", failing)
        outcome = run(plan)
        monkeypatch.undo()
        assert [one.done for one in outcome.results] == [i not in (2, 3) for i in range(len(plan.operations))]
        assert outcome.results[3].reason == "permission denied"
        left = state(ins)
        for one in plan.operations[2:4]:
            assert left[os.path.relpath(one.source, ins)] == before[os.path.relpath(one.source, ins)]
            assert one.target is None or not os.path.lexists(one.target)
        assert not [name for name in (*state(ins), *state(outs)) if ".fastsim-" in name]
        second = run(plan)
        assert not reasons(second)

    def test_without_its_picture_a_sidecar_stays(self, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
        picture, sidecar = plan.operations[:2]
        apart = replace(plan, operations=(picture, *plan.operations[2:], sidecar))
        Path(picture.source).write_bytes(b"edited since")
        assert reasons(run(apart)) == {
            Path(picture.source).name: "it has changed since it was looked at",
            Path(sidecar.source).name: f"its image {shown(picture.source)} was not moved",
        }
        assert os.path.exists(sidecar.source)

    def test_a_unit_never_ends_half_done_when_the_run_is_stopped(self, ins: Path, plan: Plan) -> None:
        run_until(1, plan)
        assert [os.path.exists(one.source) for one in plan.operations[:3]] == [False, False, True]

    def test_what_a_killed_run_left_of_a_unit_is_finished(self, ins: Path, plan: Plan) -> None:
        run_until(0, plan)
        picture = plan.operations[0]
        with Journal(str(Path(plan.outs) / JOURNAL_NAME)) as log:
            log.intend(list(enumerate(plan.operations[:2])), [])
            os.rename(picture.source, Path(plan.outs) / os.path.basename(str(picture.target)))
            log.retarget(0, str(Path(plan.outs) / os.path.basename(str(picture.target))))
        outcome = run(plan)
        assert not reasons(outcome)
        assert outcome.before == 1


class TestResuming:
    @pytest.mark.parametrize("mode", ANYWHERE)
    def test_a_run_that_was_stopped_is_finished_by_the_same_plan(self, ins: Path, outs: Path, mode: Mode) -> None:
        plan = plan_of(listed(ins), outs, mode)
        first = run_until(4, plan)
        assert (first.interrupted, sum(one.done for one in first.results)) == (True, 4)
        assert first.stopped.startswith(f"interrupted: 4 of {len(plan.operations)} operations are done; finish with")
        second = run(read_plan(str(outs)))
        assert (second.before, second.stopped) == (4, "")
        assert all(one.done for one in second.results)
        assert len(second.results) == len(plan.operations)
        third = run(plan)
        assert third.before == len(third.results) == len(plan.operations)

    def test_what_failed_is_tried_again(self, ins: Path, outs: Path) -> None:
        plan = plan_of(listed(ins), outs, Mode.CLEAN_MOVE)
        keeper = Path(str(plan.operations[0].keeper))
        keeper.rename(keeper.with_name("away"))
        assert len(reasons(run(plan))) == 4
        keeper.with_name("away").rename(keeper)
        second = run(plan)
        assert not reasons(second)
        assert second.before == len(plan.operations) - 4
        assert undo(str(outs), bar=None).complete

    def test_what_was_undone_is_done_again(self, ins: Path, outs: Path) -> None:
        plan = plan_of(listed(ins), outs, Mode.GROUP_MOVE)
        run(plan)
        halt = Halt(5)
        assert undo(str(outs), bar=halt, stop=halt).interrupted
        again = run(plan)
        assert not reasons(again)
        assert again.before == 7
        assert state(ins) == {}

    def test_two_processes_do_not_share_an_output_folder(self, ins: Path, outs: Path) -> None:
        plan = plan_of(listed(ins), outs, Mode.GROUP_COPY)
        run_until(0, plan)
        with Journal(str(outs / JOURNAL_NAME)), pytest.raises(UsageError, match="another fastsim is at work"):
            run(plan)
