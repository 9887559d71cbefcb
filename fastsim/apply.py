"""Carry out a plan. With `undo`, the only code that changes a user's files.

An operation is in the journal before it happens; its file, and in clean modes its keeper, must still be what the plan
was made for; and no file is ever overwritten. A move to another file system is on its disk before the source goes;
plain copies are not fsynced, as their sources stay.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastsim import transfer
from fastsim.errors import quoted, shown
from fastsim.interrupts import held_back
from fastsim.journal import Journal
from fastsim.outs import check_outs, missing_folders, open_run
from fastsim.planfile import PLAN_NAME
from fastsim.progress import Bar
from fastsim.records import Op, Operation, OpResult, Plan, Snapshot, numbered
from fastsim.undo import CannotUndoError, reason_of, take_back, temporary_names

__all__ = ["Outcome", "apply_plan", "check_outs"]

_BATCH = 256
"""Operations that share one fsync of the journal: enough to be fast, few enough to look at after a crash."""
_MAX_NAMES = 1000
_NO_ROOM = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS") if hasattr(errno, name))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    results: tuple[OpResult, ...]
    """In the order of the plan; the target is where the file really went. What was not reached is absent."""
    plan: str | None
    """The plan's file in the output folder, which finishes a run that ended early; None if there was nothing to do."""
    journal: str | None
    """What `undo` needs; None if there was nothing to do."""
    before: int
    """Results that an earlier run of this plan had reached."""
    stopped: str
    """One line why the run ended early, or empty."""
    interrupted: bool
    """By Ctrl-C, SIGTERM or `stop`."""


def apply_plan(plan: Plan, *, bar: Bar | None, stop: Callable[[], bool] = lambda: False) -> Outcome:
    """Carry out `plan`, or what an earlier run of it left to do.

    Creates `plan.outs`, with a copy of the plan and the journal in it. SIGINT and SIGTERM (in the main thread) and
    `stop` end the run between two operations, or roll back the copy that is under way. A full or read-only output ends
    it too; any other trouble with a file is that file's result. Raises UsageError if the output folder can't be used.
    """
    if not plan.operations:
        return Outcome((), None, None, 0, "", False)
    why, interrupted = "", False
    with open_run(plan) as log, held_back(stop) as stopping:
        run = _Run(plan, log, stopping, bar)
        try:
            run.all()
        except transfer.StoppedError:
            why, interrupted = "interrupted", True
        except _NoRoomError as error:
            why = f"{shown(plan.outs)} takes no more ({error})"
    plan_path = os.path.join(plan.outs, PLAN_NAME)
    if why:
        why += (
            f": {sum(result.done for result in run.results)} of {len(plan.operations)} operations are done; "
            f"finish with `fastsim apply {quoted(plan_path)}`, or take back with `fastsim undo {quoted(log.path)}`"
        )
    return Outcome(tuple(run.results), plan_path, log.path, run.before, why, interrupted)


class _NoRoomError(Exception):
    """The output folder takes no more: no space, no quota, or read-only."""


class _Run:
    """One pass over a plan."""

    def __init__(self, plan: Plan, log: Journal, stop: Callable[[], bool], bar: Bar | None) -> None:
        self.results: list[OpResult] = []
        self.before = 0
        self._plan, self._log, self._stop, self._bar = plan, log, stop, bar
        self._folders = {plan.outs}

    def all(self) -> None:
        """Fill `results`. Raises StoppedError or _NoRoomError; `results` then holds what was reached."""
        operations = self._plan.operations
        for start in range(0, len(operations), _BATCH):
            batch = range(start, min(start + _BATCH, len(operations)))
            try:
                ready = {i for i in batch if self._was_done(i)}
                todo = [(i, operations[i]) for i in batch if i not in ready]
                if todo and not self._stop():
                    self._log.intend(todo, self._new_folders(one for _, one in todo))
            except OSError as error:
                raise _NoRoomError(reason_of(error)) from None
            for i in batch:
                if self._stop():
                    raise transfer.StoppedError
                if i in ready:
                    self.before += 1
                    self.results.append(OpResult(self._log.entries[i].operation, True))
                else:
                    self._one(i, operations[i])
                if self._bar is not None:
                    self._bar.advance()

    def _was_done(self, i: int) -> bool:
        """Whether an earlier run did operation `i`. If that, or an undo, was killed there, the disk tells; what is only
        half-done is rolled back."""
        entry = self._log.entries.get(i)
        if entry is None or entry.undone or entry.failed:
            return False
        if entry.done and not entry.undoing:
            return True
        one = entry.operation
        arrived = one.target is None or os.path.lexists(one.target)
        if arrived and (entry.done if one.op == Op.COPY else not os.path.lexists(one.source)):
            if not entry.done:
                self._log.done(i, None if one.target is None else Snapshot.from_stat(os.lstat(one.target)), None)
            return True
        try:
            take_back(entry, temporary_names(self._log, i, entry), self._stop)
        except (CannotUndoError, OSError):
            return entry.done  # it lies at its target, and something new at its source
        return False

    def _new_folders(self, operations: Iterable[Operation]) -> list[str]:
        """The folders that `operations` need and that do not exist, outer ones first."""
        missing: dict[str, None] = {}
        for one in operations:
            if one.target is not None and (folder := os.path.dirname(one.target)) not in self._folders:
                self._folders.add(folder)
                missing |= dict.fromkeys(missing_folders(folder))
        return list(missing)

    def _one(self, i: int, one: Operation) -> None:
        """Carry out an operation of the journal, and note what came of it. Raises StoppedError, _NoRoomError."""
        reason, no_room = _objection(one), False
        result, mode = None, None
        if not reason:
            try:
                result, mode = self._carry_out(i, one)
            except (OSError, transfer.ChangedError) as error:
                reason = reason_of(error)
                no_room = one.target is not None and getattr(error, "errno", None) in _NO_ROOM
        self.results.append(OpResult(one if reason else self._log.entries[i].operation, not reason, reason))
        try:
            if reason:
                self._log.failed(i, reason)
            else:
                self._log.done(i, result, mode)
        except OSError as error:  # the disk knows what happened, should the run be resumed or undone
            reason, no_room = reason or reason_of(error), True
        if no_room:
            raise _NoRoomError(reason)

    def _carry_out(self, i: int, one: Operation) -> tuple[Snapshot | None, int | None]:
        """What lies at the target then, and the source's mode. Raises OSError, ChangedError or StoppedError."""
        if one.target is None:
            if one.op == Op.TRASH:
                _to_trash(one.source)
            else:
                os.unlink(one.source)
            return None, None
        mode = os.lstat(one.source).st_mode
        folder, name = os.path.split(one.target)
        os.makedirs(folder, exist_ok=True)
        temporary, _ = temporary_names(self._log, i, self._log.entries[i])
        carry = transfer.copy if one.op == Op.COPY else transfer.move
        target = one.target
        for number in range(2, _MAX_NAMES):
            try:
                carry(one.source, target, temporary, stop=self._stop)
                return Snapshot.from_stat(os.lstat(target)), mode
            except FileExistsError:  # the plan's names are unique, so someone else put it there
                target = os.path.join(folder, numbered(name, number))
                self._log.retarget(i, target)
        raise FileExistsError(errno.EEXIST, "its target exists, and so do the next thousand names")


def _objection(one: Operation) -> str:
    """Why `one` must not happen: what the plan was made for has changed. Empty if nothing speaks against it."""
    try:
        status = os.stat(one.source)
    except OSError as error:
        return f"it is not there any more ({reason_of(error)})"
    if Snapshot.from_stat(status) != one.snapshot:
        return "it has changed since it was looked at"
    if one.keeper is None:
        return ""
    try:
        kept = os.stat(one.keeper)
    except OSError as error:
        return f"its keeper {shown(one.keeper)} is not there any more ({reason_of(error)})"
    if not stat.S_ISREG(kept.st_mode) or kept.st_size == 0:
        return f"its keeper {shown(one.keeper)} is empty, or no file"
    if one.keeper_snapshot is not None and Snapshot.from_stat(kept) != one.keeper_snapshot:
        return f"its keeper {shown(one.keeper)} has changed since it was looked at"
    # A link that leads to its keeper may go: it goes itself. The keeper may not be a way to this one file.
    if os.path.samestat(status, kept) and os.path.realpath(one.keeper) == os.path.abspath(one.source):
        return f"its keeper {shown(one.keeper)} leads to this very file"
    return ""


def _to_trash(path: str) -> None:
    from send2trash import send2trash

    try:
        send2trash(path)
    except OSError as error:  # it speaks of the trash: "no such file" would be understood of the picture
        raise OSError(errno.EIO, f"the trash can't be used ({reason_of(error)})", path) from None
    if os.path.lexists(path):
        raise OSError(errno.EIO, "the trash did not take it", path)
