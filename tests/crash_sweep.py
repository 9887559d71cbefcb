"""A program for test_undo: kill a run, or its undo, before every call that changes the disk, and look at the rest.

    python crash_sweep.py MODE DISKS THEN FOLDER OUTS

Each step gets a fresh tree, and a child process that kills itself (SIGKILL) before its n-th call of one of `CALLS`;
then again with half of its data written where that call is a write. THEN is what follows: `undo`, `finish` (the same
plan again), or `undo killed` (a whole run, an undo that is killed, and an undo). With THEN `thrice`, runs and undos are
killed in turn at random steps before one of them may end. Prints how many kills there were; whatever is not as it must
be is an AssertionError.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from disk import contents, fill, listed, plan_of, state, with_sidecars

from fastsim.choices import LINK_MODES, Mode
from fastsim.files.apply import apply_plan
from fastsim.files.unchanged import with_digests
from fastsim.files.undo import undo
from fastsim.records.plans import Op, Plan

CALLS = (
    "link", "unlink", "replace", "rename", "symlink", "write", "mkdir", "rmdir", "open", "fsync", "ftruncate", "utime",
    "copy_file_range", "chmod",
)  # fmt: skip


def die_at(step: int, torn: bool) -> None:
    """Kill this process before its `step`-th call that can change the disk."""
    left = [step]

    def wrapped(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                if torn and name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)

        return call

    for name in CALLS:
        if hasattr(os, name):
            setattr(os, name, wrapped(getattr(os, name), name))


def killed(action: Callable[[], object], step: int, torn: bool) -> bool:
    """Run `action` in a child that dies at `step`; whether it came to that."""
    child = os.fork()
    if not child:
        code = 1
        try:
            die_at(step, torn)
            action()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed by itself"
    return os.WIFSIGNALED(status)


def check(step: int, torn: bool, then: str, *, mode: Mode, folder: Path, outs: Path) -> bool:
    """One kill and what follows; False if the run ended before `step`."""
    ins = fill(folder / "in", 2)
    (ins / "ÿ empty.jpg").touch()  # the last by its path, so that it is no keeper: those may not be empty
    made = plan_of(listed(ins), outs, mode, size=3)
    plan = with_digests(made if mode in LINK_MODES else with_sidecars(made))
    before = state(ins)
    if then == "thrice":
        dice = random.Random(step * 2 + torn)
        steps = [dice.randrange(1, 60) for _ in range(3)]
        killed(lambda: apply_plan(plan, bar=None), steps[0], torn)
        for at in steps[1:]:
            if (outs / "fastsim_journal.jsonl").exists():
                action = dice.choice([lambda: undo(str(outs), bar=None), lambda: apply_plan(plan, bar=None)])
                killed(action, at, torn)
        # Undone across file systems, files have other inodes: the same plan then rightly leaves them alone.
        here = mode == Mode.GROUP_COPY or folder.stat().st_dev == outs.parent.stat().st_dev
        then, hit = dice.choice(["undo", "finish"]) if here else "undo", step < 30
    elif then == "undo killed":
        apply_plan(plan, bar=None)
        hit = killed(lambda: undo(str(outs), bar=None), step, torn)
    else:
        hit = killed(lambda: apply_plan(plan, bar=None), step, torn)
    everything = {row[0] for row in before.values()}
    if mode != Mode.CLEAN_DELETE:
        assert contents(ins, outs) >= everything, "something was lost"
    else:
        kept = {Path(str(one.keeper)).read_bytes() for one in plan.operations}
        assert contents(ins) >= kept, "a keeper was lost"
    if then == "finish":
        finished(plan, ins, outs, before)
    else:
        undone(plan, ins, outs, before)
    return hit


def undone(plan: Plan, ins: Path, outs: Path, before: dict[str, Any]) -> None:
    if (outs / "fastsim_journal.jsonl").exists():
        result = undo(str(outs), bar=None)
        assert not result.failed, result
        if plan.operations[0].target is not None:
            assert result.complete, result
        else:
            gone = {os.path.relpath(one.source, ins) for one in plan.operations} - set(state(ins))
            assert result.gone == len(gone), result
            assert {name: row for name, row in before.items() if name not in gone} == state(ins)
            return
    assert state(ins) == before, (state(ins), before)
    # A kill before the journal's first line leaves a folder that undo does not know for its own, with our plan at most.
    assert all(name.startswith("fastsim_") for name in state(outs)), state(outs)


def finished(plan: Plan, ins: Path, outs: Path, before: dict[str, Any]) -> None:
    result = apply_plan(plan, bar=None)
    assert [one.done for one in result.results] == [True] * len(plan.operations), result
    assert not result.stopped
    found = {name: row for name, row in state(outs).items() if not name.startswith("fastsim_")}
    moved = {
        os.path.relpath(one.target, outs): before[os.path.relpath(one.source, ins)]
        for one in plan.operations
        if one.target is not None
    }
    assert found == moved, (found, moved)
    assert len(os.listdir(outs)) == 2 + len({name.split(os.sep)[0] for name in moved}), os.listdir(outs)
    gone = set() if plan.header["mode"] == Mode.GROUP_COPY else {one.source for one in plan.operations}
    if plan.header["mode"] in LINK_MODES:
        for one in plan.operations:
            path, keeper = Path(one.source), Path(str(one.keeper))
            equal = path.samefile(keeper) or (
                one.op == Op.LINK_REFLINK and path.read_bytes() == keeper.read_bytes()
                and path.stat().st_mtime_ns == one.snapshot.mtime_ns
            )  # fmt: skip
            assert equal, "it is no link to its keeper"
            os.unlink(one.source)
    assert state(ins) == {name: row for name, row in before.items() if str(ins / name) not in gone}


def main(mode: str, disks: str, then: str, folder: Path, outs: Path) -> None:
    if disks == "no hard links":

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        os.link = refuse  # type: ignore[assignment]
    os.fsync = lambda fd: None  # slow, and a kill, unlike a power failure, does not ask for it
    kills = 0
    for torn in (False, True):
        for step in range(1, 1000):
            for path in (folder, outs):
                shutil.rmtree(path, ignore_errors=True)
            folder.mkdir()
            try:
                hit = check(step, torn, then, mode=Mode(mode), folder=folder, outs=outs)
            except AssertionError as error:
                raise AssertionError(f"step {step}, torn {torn}: {error}") from error
            if not hit:
                break
            kills += 1
    print(kills)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
