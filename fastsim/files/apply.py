"""Carry out a plan. With `undo`, this is the only code that changes a user's files.

An operation is in the journal before it happens; its file, and in clean modes its keeper, must be unchanged since the
plan was made; and no file is ever overwritten. An image and its sidecars are one unit: all of it is done, or none. A
move to another file system is on its disk before the source is removed; copies are not fsynced, because their sources
stay.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass

from fastsim.errors import quoted, reason_of, shown
from fastsim.files import links, removal, transfer
from fastsim.files.journal import Entry, Journal, Names, names_beside
from fastsim.files.lock import StoppedWaitingError, alone
from fastsim.files.output_folder import check_outs, missing_folders, open_run
from fastsim.files.plan_file import PLAN_NAME
from fastsim.files.trash import to_trash
from fastsim.files.unchanged import Checker
from fastsim.files.undo import CannotUndoError, Fate, bring_back, take_back
from fastsim.records.files import Snapshot
from fastsim.records.plans import LINKS, MOVES, Op, Operation, OpResult, Plan, numbered
from fastsim.run.interrupts import held_back
from fastsim.run.progress import Bar

__all__ = ["Outcome", "apply_plan", "check_outs"]

_BATCH = 256
"""Operations that share one fsync of the journal: enough to be fast, few enough to inspect after a crash."""
_MAX_NAMES = 1000
_NO_ROOM = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS") if hasattr(errno, name))
_DONE = {
    Op.COPY: "copied", Op.MOVE: "moved", Op.DELETE: "deleted", Op.TRASH: "moved to the trash",
    **dict.fromkeys(LINKS, "replaced by a link"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run."""

    results: tuple[OpResult, ...]
    """One for each operation of the plan, in its order; the target is where the file really went. An operation that
    the run did not reach is not done, without a reason, unless an earlier run did it.
    """
    plan: str | None
    """The plan's file in the output folder, with which a run that ended early can be finished; None if there was
    nothing to do.
    """
    journal: str | None
    """The file that `undo` needs; None if there was nothing to do."""
    before: int
    """Operations that an earlier run of this plan had done."""
    stopped: str
    """Why the run ended early, in one line, or empty."""
    interrupted: bool
    """By Ctrl-C, SIGTERM or `stop`."""


def apply_plan(
    plan: Plan,
    *,
    bar: Bar | None,
    stop: Callable[[], bool] = lambda: False,
    waiting: Callable[[], None] = lambda: None,
) -> Outcome:
    """Carry out `plan`, or what an earlier run of it left to do.

    Creates `plan.outs`, with a copy of the plan and the journal in it. SIGINT and SIGTERM (in the main thread) and
    `stop` end the run between two operations, or roll back the copy in progress. A full or read-only output ends it
    too, and so does a file that turns out to be its own keeper under another path; any other problem with a file is
    that file's result. waiting: called if another run has to end first. Raises UsageError if the output folder cannot
    be used, or if a file is the keeper of another one and is to go itself.
    """
    removal.check_keepers(plan)
    if not plan.operations:
        return Outcome((), None, None, 0, "", False)
    why, interrupted, one_file = "", False, False
    with open_run(plan) as log, held_back(stop) as stopping:
        run = _PlanRun(plan, log, stopping, bar)
        try:
            with alone([one.source for one in plan.operations if one.op != Op.COPY], stopping, waiting):
                run.all()
        except (transfer.StoppedError, StoppedWaitingError):
            why, interrupted = "interrupted", True
        except _NoRoomError as error:
            why = f"{shown(plan.outs)} takes no more ({error})"
        except (removal.OneFileError, _NoReflinksError) as error:
            why, one_file = str(error), True
        with suppress(OSError):
            log.note_times()
        results = tuple(run.results_of_all())
    if why:
        why += f": {sum(result.done for result in results)} of {len(results)} operations are done"
        why += _ways_on(plan, log, results, finish=not one_file)
    plan_path = os.path.join(plan.outs, PLAN_NAME)
    return Outcome(results, plan_path, log.path, run.before, why, interrupted)


def _ways_on(plan: Plan, log: Journal, results: Sequence[OpResult], *, finish: bool) -> str:
    """Return how to continue after a run that ended early, as the end of a sentence."""
    ways = [f"finish with `fastsim apply {quoted(os.path.join(plan.outs, PLAN_NAME))}`"] if finish else []
    if any(result.done for result in results) or finish:
        ways.append(f"take back with `fastsim undo {quoted(log.path)}`")
    return "; " + ", or ".join(ways) if ways else ""


class _NoRoomError(Exception):
    """Report that the output folder is full, over its quota, or read-only."""


class _NoReflinksError(Exception):
    """The file system makes no reflinks."""


class _TroubleError(Exception):
    """Report that operation `index` could not be carried out."""

    def __init__(self, index: int, error: Exception, target: str | None = None) -> None:
        super().__init__(reason_of(error))
        self.index, self._error, self._target = index, error, target

    def ends_run(self) -> Exception | None:
        """Return the error with which the run ends, or None if the problem concerns this file only.

        Call it after everything was put back.
        """
        if isinstance(self._error, removal.KeeperLostError) and self._error.witness.came_back():
            return removal.OneFileError(self._error.source, self._error.witness.path)
        if isinstance(self._error, links.NoReflinksError):
            return _NoReflinksError(str(self))
        if self._target is not None and getattr(self._error, "errno", None) in _NO_ROOM:
            return _NoRoomError(str(self))
        return None


class _PlanRun:
    """One pass over a plan."""

    def __init__(self, plan: Plan, log: Journal, stop: Callable[[], bool], bar: Bar | None) -> None:
        self.before = 0
        self._plan, self._log, self._stop, self._bar = plan, log, stop, bar
        self._results: dict[int, OpResult] = {}
        self._folders = {plan.outs}
        self._checker = Checker()
        self._witnesses = _witnesses(plan.operations)
        self._index_of = {one.source: i for i, one in enumerate(plan.operations)}
        self._begun: dict[int, tuple[Snapshot | None, int | None]] = {}
        """Of the unit in progress: what is at the target, and the source's mode."""

    def results_of_all(self) -> Iterator[OpResult]:
        """Yield the result of each operation of the plan, reached or not."""
        for i, one in enumerate(self._plan.operations):
            entry = self._log.entries.get(i)
            done = entry is not None and entry.done and not entry.undone
            yield self._results.get(i) or OpResult(entry.operation if entry is not None and done else one, done)

    def all(self) -> None:
        """Carry out all units. Raises StoppedError, _NoRoomError or OneFileError."""
        for units in _batches(self._plan.operations):
            batch = range(units[0].start, units[-1].stop)
            try:
                ready = {i for i in batch if self._resume(i)}
                todo = [(i, self._plan.operations[i]) for i in batch if i not in ready]
                if todo and not self._stop():
                    self._log.intend(todo, self._new_folders(one for _, one in todo))
            except OSError as error:
                raise _NoRoomError(reason_of(error)) from None
            for unit in units:
                if self._stop():
                    raise transfer.StoppedError
                self._unit(unit, ready)
                if self._bar is not None:
                    self._bar.advance(len(unit))

    def _resume(self, i: int) -> bool:
        """Return whether an earlier run did operation `i`; roll back what is only half done.

        If that run, or an undo, was killed there, the state of the disk decides.
        """
        entry = self._log.entries.get(i)
        if entry is None or entry.undone or entry.failed:
            return False
        if entry.done and not entry.undoing:
            return True
        one, names = entry.operation, names_beside(self._log.digest, i, entry.operation)
        if one.op in MOVES:
            with suppress(CannotUndoError, OSError):  # killed while it had another name for a moment
                bring_back(names.probe, one.source, one.snapshot)
        if one.op in LINKS:
            return self._resume_link(entry, names)
        if one.target is not None:
            with suppress(CannotUndoError, OSError):  # an undo that was killed while it removed the target
                bring_back(names.aside, one.target, entry.result or one.snapshot)
        arrived = not os.path.lexists(names.aside) if one.target is None else os.path.lexists(one.target)
        if arrived and (entry.done if one.op == Op.COPY else not os.path.lexists(one.source)):
            transfer.remove_leftover(names.undo_part)
            if not entry.done:
                self._log.done(i, None if one.target is None else Snapshot.from_stat(os.lstat(one.target)), None)
            return True
        try:
            take_back(entry, names, self._stop)
        except (CannotUndoError, OSError):
            return entry.done  # the file is at its target, and something new at its source
        return False

    def _resume_link(self, entry: Entry, names: Names) -> bool:
        """As `_resume`, for a link: what was not done wholly is put back and done again."""
        transfer.remove_leftover(names.undo_part)
        if entry.done and links.is_link(entry.operation, entry.result or entry.operation.snapshot):
            return True
        try:
            take_back(entry, names, self._stop)
        except (CannotUndoError, OSError):
            return entry.done
        return False

    def _new_folders(self, operations: Iterable[Operation]) -> list[str]:
        """Return the folders that `operations` need and that do not exist, outer ones first."""
        missing: dict[str, None] = {}
        for one in operations:
            if one.target is not None and (folder := os.path.dirname(one.target)) not in self._folders:
                self._folders.add(folder)
                missing |= dict.fromkeys(missing_folders(folder))
        return list(missing)

    def _unit(self, unit: range, ready: Set[int]) -> None:
        """Carry out what is left to do of a unit, and record the results. Raises like `all`."""
        todo = [i for i in unit if i not in ready]
        for i in ready & set(unit):
            self.before += 1
            self._results[i] = OpResult(self._log.entries[i].operation, True)
        self._begun.clear()
        ended: Exception | None = None
        failed = self._objections(todo)
        if todo and not failed:
            try:
                self._carry_out(todo)
            except transfer.StoppedError:
                self._roll_back()
                raise
            except _TroubleError as trouble:
                there = self._roll_back()
                failed = {i: why for i, why in self._blame(trouble, todo).items() if i not in there}
                ended = trouble.ends_run()
        ended = self._note(todo, failed) or ended
        if ended is not None:
            raise ended

    def _objections(self, todo: Sequence[int]) -> dict[int, str]:
        """Return why the operations of a unit must not happen: a reason for each of them, or empty."""
        for i in todo:
            one = self._plan.operations[i]
            picture = self._index_of.get(one.part_of) if one.part_of is not None else None
            if picture is not None and picture not in todo and not self._results[picture].done:
                reason = f"its image {shown(one.part_of or '')} was not {_DONE[one.op]}"
            else:
                reason = removal.objection(one, self._checker)
            if reason:
                return self._blame(_TroubleError(i, transfer.ChangedError(reason)), todo)
        return {}

    def _blame(self, trouble: _TroubleError, todo: Sequence[int]) -> dict[int, str]:
        """Return the reason for each operation of a unit of which one could not be done."""
        one = self._plan.operations[trouble.index]
        kind = "picture" if one.part_of is None else "sidecar"
        others = dict.fromkeys(todo, f"it stays with its {kind} {shown(one.source)}, of which: {trouble}")
        return others | {trouble.index: str(trouble)}

    def _carry_out(self, todo: Sequence[int]) -> None:
        """Carry out the operations of a unit; what was begun is in `_begun`. Raises _TroubleError or StoppedError."""
        witnessed = [removal.Witness(self._witnesses[i]) if i in self._witnesses else None for i in todo]
        for step in (self._begin, self._end):
            for i, witness in zip(todo, witnessed, strict=True):
                one = self._plan.operations[i]
                try:
                    step(i, one, witness)
                except (OSError, transfer.ChangedError) as error:
                    raise _TroubleError(i, error, one.target) from None

    def _begin(self, i: int, one: Operation, witness: removal.Witness | None) -> None:
        """Move or copy a file, or set aside one that is to be removed; then check that its keeper still exists."""
        aside = None
        if one.target is None:
            aside = self._names(i).aside
            removal.set_aside(one.source, aside)
            self._begun[i] = None, None
        else:
            if witness is not None and one.op in MOVES and _crosses(one.source, one.target):
                self._begun[i] = None, None
                removal.probe(one.source, self._names(i).probe, witness)
            self._begun[i] = self._transfer(i, one, one.target)
        if witness is not None and one.op != Op.COPY:
            witness.check(one.source, aside)
        if aside is not None:
            removal.check_equal(one, aside)
        elif one.op in LINKS:
            removal.check_equal(one, self._log.entries[i].operation.target or "")

    def _end(self, i: int, one: Operation, witness: removal.Witness | None) -> None:
        """Remove for good what was set aside, or put a link in the place of what was moved."""
        del witness
        aside = self._names(i).aside
        if one.op == Op.DELETE:
            os.unlink(aside)
        elif one.op == Op.TRASH:
            removal.put_back(aside, one.source)
            to_trash(one.source)
        elif one.op in LINKS:
            links.put_link(self._log.entries[i].operation, self._names(i).undo_part)

    def _transfer(self, i: int, one: Operation, target: str) -> tuple[Snapshot, int]:
        """Move or copy a file to its target, or beside it if that name is taken.

        Returns what is there then, and the source's mode. Raises OSError, ChangedError or StoppedError.
        """
        mode = os.lstat(one.source).st_mode
        folder, name = os.path.split(target)
        os.makedirs(folder, exist_ok=True)
        carry = transfer.copy if one.op == Op.COPY else transfer.move
        for number in range(2, _MAX_NAMES):
            try:
                carry(one.source, target, self._names(i).part, stop=self._stop)
                return Snapshot.from_stat(os.lstat(target)), mode
            except FileExistsError:  # the plan's names are unique, so another program put it there
                target = os.path.join(folder, numbered(name, number))
                self._log.retarget(i, target)
        raise FileExistsError(errno.EEXIST, "its target exists, and so do the next thousand names")

    def _roll_back(self) -> set[int]:
        """Put back what was begun of a unit, the last first; return what stays done because it cannot be put back."""
        there = set()
        for i in reversed(self._begun):
            entry = self._log.entries[i]
            entry.mode = self._begun[i][1]
            try:
                fate = take_back(entry, self._names(i), lambda: False)
            except (CannotUndoError, OSError, transfer.ChangedError):
                fate = Fate.GONE
            if fate == Fate.GONE:
                there.add(i)
        return there

    def _note(self, todo: Sequence[int], failed: Mapping[int, str]) -> Exception | None:
        """Record the results of a unit in the journal. Returns the error if that is full."""
        problem = None
        for i in todo:
            reason = failed.get(i, "")
            one = self._plan.operations[i] if reason else self._log.entries[i].operation
            self._results[i] = OpResult(one, not reason, reason)
            try:
                if reason:
                    self._log.failed(i, reason)
                else:
                    self._log.done(i, *self._begun[i])
            except OSError as error:  # the disk shows what happened, if the run is resumed or undone
                problem = _NoRoomError(reason or reason_of(error))
        return problem

    def _names(self, i: int) -> Names:
        return names_beside(self._log.digest, i, self._log.entries[i].operation)


def _batches(operations: Sequence[Operation]) -> Iterator[list[range]]:
    """Yield the indices of units (an image with the sidecars that follow it), about `_BATCH` operations at a time."""
    units: list[range] = []
    start = 0
    for end in range(1, len(operations) + 1):
        if end < len(operations) and operations[end].part_of == operations[start].source:
            continue
        units.append(range(start, end))
        start = end
        if end - units[0].start >= _BATCH:
            yield units
            units = []
    if units:
        yield units


def _witnesses(operations: Sequence[Operation]) -> dict[int, str]:
    """Return for each operation a file that must survive it.

    That is its keeper or, if whole groups are moved, the next file of the group that looks the same and could be the
    same one under another path.
    """
    found: dict[int, str] = {}
    following: dict[tuple[str, int, int], str] = {}
    for i in reversed(range(len(operations))):
        one = operations[i]
        if one.keeper is not None:
            found[i] = one.keeper
        elif one.target is not None and one.op in MOVES:
            key = (os.path.dirname(one.target), one.snapshot.size, one.snapshot.mtime_ns)
            if key in following:
                found[i] = following[key]
            following[key] = one.source
    return found


def _crosses(source: str, target: str) -> bool:
    """Return whether a move leads to another file system."""
    folder = os.path.dirname(target)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.lstat(source).st_dev != os.stat(folder).st_dev
