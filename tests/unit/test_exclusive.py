"""Two runs that move or delete never work at the same time, and a lock ends with its process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from disk import contents, fill, groups_of, listed, run, state

from fastsim.choices import GroupBy, Mode
from fastsim.files.lock import StoppedWaitingError, alone
from fastsim.files.plan import make_plan
from fastsim.records.plans import Plan

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs flock")


@pytest.fixture(autouse=True)
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to wait for runs of other tests."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("fastsim.files.lock._roots", lambda paths: set())


@contextmanager
def holder(tmp_path: Path, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the locks until it is killed."""
    code = f"""
        import sys, tempfile, time
        import fastsim.files.lock as exclusive
        tempfile.tempdir = {str(tmp_path)!r}
        exclusive._roots = lambda paths: set()
        with exclusive.alone([{str(path)!r}], lambda: False, lambda: None):
            print("held", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_run_waits_is_told_so_and_can_be_stopped(tmp_path: Path) -> None:
    told: list[bool] = []
    with (
        holder(tmp_path, tmp_path / "a"),
        pytest.raises(StoppedWaitingError),
        alone([str(tmp_path / "a")], lambda: bool(told), lambda: told.append(True)),
    ):
        raise AssertionError("two at a time")
    assert told == [True]


def test_a_lock_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    with holder(tmp_path, tmp_path / "a") as process:
        with alone([str(tmp_path / "a")], lambda: False, process.kill):
            pass
        assert process.wait() == -9


def test_another_users_run_on_the_same_file_system_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own lock is elsewhere; the folder at the root of the file system is one for both."""
    import fcntl

    monkeypatch.setattr("fastsim.files.lock._roots", lambda paths: {str(tmp_path)})
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        told: list[bool] = []
        with (
            pytest.raises(StoppedWaitingError),
            alone([str(tmp_path / "a")], lambda: bool(told), lambda: told.append(True)),
        ):
            raise AssertionError("two at a time")
    finally:
        os.close(other)
    with alone([str(tmp_path / "a")], lambda: False, lambda: None):
        pass


def test_of_two_runs_with_opposite_keepers_the_second_removes_nothing(tmp_path: Path) -> None:
    ins = fill(tmp_path / "in", 2, names=("a.jpg", "b.jpg"))
    files = listed(ins)

    def plan(order: tuple[int, int], outs: str) -> Plan:
        table = {i: files[order[i]] for i in range(2)}
        return make_plan(
            groups_of(2, 2), table, mode=Mode.CLEAN_DELETE, group_by=GroupBy.COMPONENT, trash=False,
            outs=str(tmp_path / outs), header={},
        )  # fmt: skip

    first, second = plan((0, 1), "one"), plan((1, 0), "two")
    assert run(first).results[0].done
    left = state(ins)
    assert not run(second).results[0].done
    assert state(ins) == left
    assert len(contents(ins)) == 1
