"""Undo a run, from its journal and the disk: moved files go back, copies are removed, the rest is reported.

Whenever a run was killed, each of its operations is in one of a few states on disk; `take_back` distinguishes them.
Nothing is overwritten, and nothing is removed whose content is not elsewhere, so that undoing twice, or being
interrupted and starting again, does no harm.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from fastsim.errors import FastsimError, reason_of, shown
from fastsim.files import links, removal, transfer
from fastsim.files.journal import Entry, Journal, Names, journal_in, names_beside
from fastsim.files.lock import StoppedWaitingError, alone
from fastsim.files.plan_file import remove_plan
from fastsim.files.run_record import RunRecord
from fastsim.records.files import Skipped, Snapshot
from fastsim.records.plans import LINKS, MOVES, Op, Operation
from fastsim.run.interrupts import held_back
from fastsim.run.progress import Bar

_BATCH = 256
"""Operations that are announced to the journal at once."""


@dataclass(frozen=True, slots=True)
class Undone:
    """The result of an undo."""

    restored: int
    """Files moved back."""
    removed: int
    """Copies removed, whose originals exist."""
    untouched: int
    """Operations that had not happened, or were undone before."""
    gone: int
    """Deleted files, which cannot be restored."""
    trashed: int
    """Files in the desktop's trash."""
    failed: tuple[Skipped, ...]
    """Files left where they are, and why."""
    interrupted: bool
    complete: bool
    """Everything is as it was: the plan and the journal are removed, and the output folder if the run had created it.
    """


class Fate(Enum):
    """The result of undoing one operation."""

    RESTORED = auto()
    REMOVED = auto()
    UNTOUCHED = auto()
    GONE = auto()
    TRASHED = auto()


class CannotUndoError(Exception):
    """Report why a file was left where it is."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path


def undo(journal: str, *, bar: Bar | None, stop: Callable[[], bool] = lambda: False) -> Undone:
    """Undo the run of `journal` (the file, or the output folder that holds it), its last operation first.

    SIGINT and SIGTERM end it between two operations; it may be run again. Raises UsageError if `journal` is none, or
    is in use. The caller has to ask who wrote the journal: see `RunRecord.stranger`.
    """
    with Journal(journal_in(journal)) as log:
        return undo_record(RunRecord(log), bar=bar, stop=stop)


def undo_record(
    record: RunRecord,
    *,
    bar: Bar | None,
    stop: Callable[[], bool] = lambda: False,
    waiting: Callable[[], None] = lambda: None,
) -> Undone:
    """Undo like `undo`, for a journal that is open. waiting: called if another run has to end first."""
    log = record.log
    sources = [entry.operation.source for entry in log.entries.values() if entry.operation.op in MOVES]
    with held_back(stop) as stopping:
        undoing = _Undoing(log, record, stopping, bar)
        try:
            with alone(sources, stopping, waiting):
                undoing.all()
        except StoppedWaitingError:
            undoing.interrupted = True
        return undoing.end()


class _Undoing:
    """One pass over a journal, backwards."""

    def __init__(self, log: Journal, record: RunRecord, stop: Callable[[], bool], bar: Bar | None) -> None:
        self.interrupted = False
        self._log, self._record, self._stop, self._bar = log, record, stop, bar
        self._counts = dict.fromkeys(Fate, 0)
        self._failed: list[Skipped] = []

    def all(self) -> None:
        """Undo what can be undone; then remove folders that the run had created, and restore the times of others."""
        log = self._log
        times = _times_to_restore(log)
        order = sorted(log.entries, reverse=True)
        for at, i in enumerate(order):
            if self._stop():
                self.interrupted = True
                break
            if at % _BATCH == 0:
                _announce(log, order[at : at + _BATCH])
            try:
                self._one(i)
            except transfer.StoppedError:
                self.interrupted = True
                break
            if self._bar is not None:
                self._bar.advance()
        remove_empty(folder for folder in self._record.made_folders() if folder != log.outs)
        _restore_times(times)
        with suppress(OSError):
            log.note_times()

    def end(self) -> Undone:
        """Remove plan and journal if everything is as it was. Raises FastsimError if they cannot be removed."""
        lost = self._record.unaccounted()
        failed = (*self._failed, *([lost] if lost else []))
        counts = self._counts
        complete = not (failed or counts[Fate.GONE] or counts[Fate.TRASHED] or self.interrupted)
        if complete:
            _remove_records(self._log, self._record)
        return Undone(
            counts[Fate.RESTORED], counts[Fate.REMOVED], counts[Fate.UNTOUCHED], counts[Fate.GONE],
            counts[Fate.TRASHED], failed, self.interrupted, complete,
        )  # fmt: skip

    def _one(self, i: int) -> None:
        """Undo operation `i`, or record why it cannot be undone. Raises StoppedError."""
        entry = self._log.entries[i]
        one = entry.operation
        try:
            if not entry.undone and (reason := self._record.refusal(one)):
                raise CannotUndoError(one.target or one.source, reason)
            fate = _undo_one(self._log, i, self._stop)
        except CannotUndoError as error:
            self._failed.append(Skipped(error.path, str(error)))
        except (OSError, transfer.ChangedError) as error:
            self._failed.append(Skipped(one.target or one.source, reason_of(error)))
        else:
            trashed = fate == Fate.GONE and one.op == Op.TRASH
            self._counts[Fate.TRASHED if trashed else fate] += 1


def _times_to_restore(log: Journal) -> dict[str, int]:
    """Return {folder: mtime_ns} of folders that only the run has changed, or that are gone."""
    found = {}
    for folder, (before, after) in log.times.items():
        try:
            now = os.stat(folder).st_mtime_ns
        except OSError:
            now = after or 0
        if before is not None and now == after:
            found[folder] = before
    return found


def _restore_times(times: Mapping[str, int]) -> None:
    for folder, mtime_ns in times.items():
        with suppress(OSError):
            os.utime(folder, ns=(os.stat(folder).st_atime_ns, mtime_ns))


def _announce(log: Journal, indices: Iterable[int]) -> None:
    # A full disk must not stop an undo that makes room: without its marks, the disk alone shows what was undone.
    with suppress(OSError):
        log.undoing(i for i in indices if log.entries[i].operation.target is not None and not log.entries[i].undone)


def _undo_one(log: Journal, i: int, stop: Callable[[], bool]) -> Fate:
    entry = log.entries[i]
    if entry.undone:
        return Fate.UNTOUCHED
    fate = take_back(entry, names_beside(log.digest, i, entry.operation), stop)
    if fate in (Fate.RESTORED, Fate.REMOVED):
        with suppress(OSError):  # as above
            log.undone(i)
    return fate


def take_back(entry: Entry, names: Names, stop: Callable[[], bool]) -> Fate:
    """Undo one operation that may have happened, wholly, partly or not at all.

    Raises CannotUndoError, OSError, ChangedError or StoppedError; then every file is where it was.
    """
    one = entry.operation
    if one.target is None:
        return _take_from_aside(one, names.aside)
    if not entry.done:
        transfer.remove_leftover(names.part)
    if one.op in MOVES:
        bring_back(names.probe, one.source, one.snapshot)
    bring_back(names.aside, one.target, entry.result or one.snapshot)  # of an undo that was killed
    if one.op in LINKS:
        transfer.remove_leftover(names.undo_part)
        links.remove_link(one, entry.result or one.snapshot)
    if not os.path.lexists(one.target):
        if one.op in MOVES and not entry.failed and not os.path.lexists(one.source):
            raise CannotUndoError(one.source, f"it is neither there nor at {shown(one.target)}")
        return Fate.UNTOUCHED
    if one.op == Op.COPY:
        return _take_copy_away(entry, one.target, names.aside)
    if entry.undoing and os.path.lexists(one.source):
        # An earlier undo may have been killed after taking the name, and before filling it.
        original = Snapshot.from_stat(os.lstat(one.source)) == one.snapshot
        if not original and not _has_two_names(one.source, one.target):
            _remove_placeholder(one.source)
    if not os.path.lexists(one.source):
        os.makedirs(os.path.dirname(one.source), exist_ok=True)
        transfer.move(one.target, one.source, names.undo_part, stop=stop, stamp=_stamp(entry, one.target))
        return Fate.RESTORED
    transfer.remove_leftover(names.undo_part)
    # Both exist. Killed between link and unlink, or between the copy to another file system and the unlink (of the
    # run, or of an earlier undo): one file under two names, or twice. Then the second one is removed.
    if _has_two_names(one.source, one.target) or transfer.same_content(one.source, one.target):
        _remove_second(one.target, one.source, names.aside)
        return Fate.RESTORED
    if entry.done:
        raise CannotUndoError(one.target, f"there is something new at {shown(one.source)}")
    if one.snapshot.size:
        _remove_placeholder(one.target)
    return Fate.UNTOUCHED


def _take_from_aside(one: Operation, aside: str) -> Fate:
    """Give a file that was about to be removed its name back."""
    if bring_back(aside, one.source, one.snapshot):
        return Fate.RESTORED
    return Fate.UNTOUCHED if os.path.lexists(one.source) else Fate.GONE


def bring_back(aside: str, path: str, seen: Snapshot) -> bool:
    """Give the file `aside` its name `path` back, if it is there; return whether it had lost that.

    seen: what the file was. Raises CannotUndoError if something else has the name.
    """
    if not os.path.lexists(aside):
        return False
    if not os.path.lexists(path):
        transfer.rename(aside, path)
        return True
    if _is_placeholder(path, seen) and not _is_placeholder(aside, seen):
        os.replace(aside, path)  # killed while it was put back, on a file system without hard links
        return True
    # Killed while it was set aside: two names in one folder or, without hard links, a placeholder.
    same = os.path.samestat(os.lstat(aside), os.lstat(path)) or transfer.same_content(aside, path)
    if not same and not _is_placeholder(aside, seen):
        raise CannotUndoError(aside, f"there is something new at {shown(path)}")
    os.unlink(aside)
    return False


def _is_placeholder(path: str, seen: Snapshot) -> bool:
    """Return whether `path` is an empty file that only takes the name of the file `seen`."""
    status = os.lstat(path)
    return (
        stat.S_ISREG(status.st_mode) and status.st_size == 0 and (0, status.st_mtime_ns) != (seen.size, seen.mtime_ns)
    )


def remove_empty(folders: Iterable[str]) -> None:
    """Remove those of `folders` that are empty, inner ones first."""
    for folder in sorted(folders, key=len, reverse=True):
        with suppress(OSError):
            os.rmdir(folder)


def _take_copy_away(entry: Entry, target: str, aside: str) -> Fate:
    """Remove a copy that is still what was written, if its original still exists."""
    one = entry.operation
    if entry.done and _was_changed(entry, target):
        raise CannotUndoError(target, "the copy was changed since; it stays")
    try:
        if os.path.samestat(os.stat(one.source), os.lstat(target)):
            raise CannotUndoError(target, f"{shown(one.source)} is a link to the copy now; the copy stays")
        known = entry.done and Snapshot.from_stat(os.lstat(target)) == entry.result
        whole = (known and Snapshot.of(one.source) == one.snapshot) or _equal_files(one.source, target)
    except FileNotFoundError:
        whole = False
    if whole:
        _remove_second(target, one.source, aside)
        return Fate.REMOVED
    if entry.done:
        raise CannotUndoError(target, f"its original {shown(one.source)} is gone or changed; the copy stays")
    if one.snapshot.size:
        _remove_placeholder(target)
    return Fate.UNTOUCHED


def _remove_second(path: str, other: str, aside: str) -> None:
    """Remove one of two equal files, once the other was seen to survive that. Raises CannotUndoError, OSError."""
    witness = removal.Witness(os.path.realpath(other))
    transfer.rename(path, aside)
    try:
        witness.check(path, None)
    except removal.KeeperLostError:
        transfer.rename(aside, path)
        raise CannotUndoError(path, f"{shown(other)} leads to this very file; it stays") from None
    os.unlink(aside)


def _was_changed(entry: Entry, target: str) -> bool:
    """Return whether someone has changed what the run left at `target`."""
    now = os.lstat(target)
    return entry.result is None or (now.st_size, now.st_mtime_ns) != (entry.result.size, entry.result.mtime_ns)


def _has_two_names(source: str, target: str) -> bool:
    """Return whether these are two hard links of one file. Raises CannotUndoError if they are spellings of one name."""
    one, two = os.lstat(source), os.lstat(target)
    if os.path.samestat(one, two) and one.st_nlink < 2:
        raise CannotUndoError(target, f"{shown(source)} leads to this very file; it stays")
    return os.path.samestat(one, two)


def _equal_files(source: str, target: str) -> bool:
    """Compare byte by byte; a source that is a link stands for its target, as when it was copied."""
    return transfer.same_content(os.path.realpath(source), target)


def _remove_placeholder(path: str) -> None:
    """Remove the empty file that takes a name on file systems without hard links, if `path` is one."""
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        os.unlink(path)


def _stamp(entry: Entry, target: str) -> transfer.Stamp | None:
    """Return the time and mode that the file had, unless someone has changed it since."""
    if entry.done and _was_changed(entry, target):
        return None
    return transfer.Stamp(entry.operation.snapshot.mtime_ns, entry.mode)


def _remove_records(log: Journal, record: RunRecord) -> None:
    """Remove the plan and the journal, and the folders that the run had created for them."""
    made = record.made_folders()
    try:
        remove_plan(log.outs)
        transfer.remove_leftover(log.path)
    except OSError as error:
        raise FastsimError(f"{shown(log.outs)}: all is undone, but the journal stays ({reason_of(error)})") from None
    remove_empty(made)
