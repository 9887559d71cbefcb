"""Ctrl-C, SIGTERM and kill -9: a run ends between two operations, or loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from disk import contents, fill, listed, other_file_system, plan_of, reasons, run, state

from fastsim.choices import Mode
from fastsim.files import transfer
from fastsim.files.apply import apply_plan
from fastsim.files.journal import JOURNAL_NAME
from fastsim.files.plan_file import PLAN_NAME, write_plan
from fastsim.files.undo import undo
from fastsim.run.interrupts import held_back

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX file system")
OWN = {PLAN_NAME, JOURNAL_NAME}


@pytest.fixture
def ins(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", 12)


@pytest.fixture
def outs(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_operation_under_way(ins: Path, outs: Path, number: int) -> None:
    class Killer:
        count = 0

        def advance(self, n: int = 1) -> None:
            self.count += n
            if self.count == 3:
                os.kill(os.getpid(), number)

    before, handler = state(ins), signal.getsignal(number)
    outcome = apply_plan(plan_of(listed(ins), outs, Mode.GROUP_MOVE), bar=Killer())
    assert (outcome.interrupted, [one.done for one in outcome.results]) == (True, [True] * 3 + [False] * 9)
    assert signal.getsignal(number) is handler
    assert undo(str(outs), bar=None).complete
    assert state(ins) == before


def test_outside_of_the_main_thread_only_the_function_is_asked() -> None:
    found: list[bool] = []

    def ask() -> None:
        with held_back(lambda: True) as stopping:
            found.append(stopping())

    handler = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [True]
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with held_back(lambda: False) as stopping:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not stopping()
            os.kill(os.getpid(), signal.SIGINT)
            assert stopping()
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("mode", [Mode.GROUP_COPY, Mode.GROUP_MOVE])
def test_a_long_copy_is_rolled_back(tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_CHUNK", 1000)
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    ins = tmp_path / "in"
    ins.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (ins / name).write_bytes(os.urandom(100_000))
    before = state(ins)
    with other_file_system(tmp_path) as other:
        asked: list[None] = []
        outcome = apply_plan(
            plan_of(listed(ins), other / "out", mode), bar=None, stop=lambda: asked.append(1) or len(asked) > 150
        )
        assert (outcome.interrupted, [one.done for one in outcome.results]) == (True, [True, False])
        assert len(state(other / "out" / "group_00001")) == 1
        assert undo(str(other / "out"), bar=None).complete
    assert state(ins) == before


WORKER = """
import sys
from fastsim.files.apply import apply_plan
from fastsim.files.plan_file import read_plan
plan = read_plan(sys.argv[1])
print("go", flush=True)
apply_plan(plan, bar=None)
print("end", flush=True)
"""


@pytest.mark.parametrize("where", ["here", "another file system"])
@pytest.mark.parametrize("mode", [Mode.GROUP_COPY, Mode.GROUP_MOVE, Mode.CLEAN_MOVE])
@pytest.mark.parametrize("then", ["undo", "finish"])
def test_kill_9_at_any_moment_loses_nothing(tmp_path: Path, where: str, mode: Mode, then: str) -> None:
    """500 files, in a process of its own, killed after 2 to 60 ms of work; thrice, each time going on from there."""
    if where == "here":
        kill_and(then, tmp_path, tmp_path / "out", mode)
    else:
        with other_file_system(tmp_path) as other:
            kill_and(then, tmp_path, other / "out", mode)


def kill_and(then: str, tmp_path: Path, outs: Path, mode: Mode) -> None:
    ins = fill(tmp_path / "in", 500)
    before = state(ins)
    plan = plan_of(listed(ins), outs, mode)
    write_plan(plan, str(tmp_path / "plan"))
    for delay in (0.002, 0.02, 0.06):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path / "plan")], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            time.sleep(delay)
            process.kill()
        assert contents(ins, outs) >= {row[0] for row in before.values()}
    if then == "undo":
        if outs.exists():
            undone = undo(str(outs), bar=None)
            assert (undone.failed, undone.complete) == ((), True)
        assert state(ins) == before
        assert not outs.exists() or not os.listdir(outs)  # killed before its journal knew that the folder is its own
    else:
        outcome = run(plan)
        assert len(outcome.results) == len(plan.operations)
        assert not reasons(outcome)
        rows = {
            os.path.relpath(str(one.target), outs): before[os.path.relpath(one.source, ins)] for one in plan.operations
        }
        assert {name: row for name, row in state(outs).items() if name not in OWN} == rows
