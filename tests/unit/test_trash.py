"""The real trash of the desktop: what fails or is killed on the way there leaves nothing behind."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from disk import contents, fill, listed, plan_of, reasons, run

from fastsim.choices import Mode
from fastsim.files.unchanged import with_digests
from fastsim.files.undo import undo
from fastsim.records.plans import Op, Plan

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs the trash of freedesktop.org")


@pytest.fixture
def trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder of the test's own; send2trash reads the environment when it is imported."""
    pytest.importorskip("send2trash")
    data = tmp_path / "home" / "share"
    data.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(data))
    for name in [name for name in sys.modules if name.startswith("send2trash")]:
        monkeypatch.delitem(sys.modules, name)
    return data / "Trash"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    ins = fill(tmp_path / "in", 4, names=())
    made = plan_of(listed(ins), tmp_path / "out", Mode.CLEAN_DELETE, size=2)
    return with_digests(replace(made, operations=tuple(replace(one, op=Op.TRASH) for one in made.operations)))


def records(trash: Path) -> tuple[list[str], list[str]]:
    """Return the names of files and of their records."""
    return tuple(sorted(os.listdir(trash / part)) if (trash / part).is_dir() else [] for part in ("files", "info"))  # type: ignore[return-value]


def test_files_lie_there_with_their_records(trash: Path, plan: Plan, tmp_path: Path) -> None:
    everything = contents(tmp_path / "in")
    assert not reasons(run(plan))
    files, infos = records(trash)
    assert len(files) == 2
    assert infos == [f"{name}.trashinfo" for name in files]
    assert contents(tmp_path / "in", trash / "files") == everything
    undone = undo(plan.outs, bar=None)
    assert (undone.trashed, undone.gone, undone.complete) == (2, 0, False)


def test_a_move_that_fails_leaves_no_record(trash: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, stuck = os.rename, plan.operations[0].source

    def failing(source: str | bytes, target: str | bytes) -> None:
        if os.fsdecode(source) == stuck:
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    outcome = run(plan)
    assert list(reasons(outcome).values()) == ["the trash can't be used (permission denied)"]
    assert os.path.exists(stuck)
    files, infos = records(trash)
    assert len(files) == 1
    assert infos == [f"{name}.trashinfo" for name in files]


def test_a_kill_between_record_and_move_leaves_none_after_the_run_is_finished(trash: Path, plan: Plan) -> None:
    child = os.fork()
    if not child:
        rename = os.rename
        os.rename = lambda source, target: os._exit(9) if b"files" in os.fsencode(target) else rename(source, target)
        run(plan)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(records(trash)[1]) == 1
    assert not reasons(run(plan))
    files, infos = records(trash)
    assert len(files) == 2
    assert infos == [f"{name}.trashinfo" for name in files]


def test_records_of_other_files_stay(trash: Path, plan: Plan) -> None:
    (trash / "info").mkdir(parents=True)
    stem = Path(plan.operations[0].source).stem
    (trash / "info" / f"{stem}.jpg.trashinfo").write_text("[Trash Info]\nPath=/elsewhere/x.jpg\n")
    run(plan)
    assert (trash / "info" / f"{stem}.jpg.trashinfo").exists()
