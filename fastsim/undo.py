"""Take back what a run did, from its journal and the disk: moved files go home, copies go away, the rest is told.

Whatever moment a run was killed at, each of its operations is in one of a few states on disk; `take_back` tells them
apart. Nothing is overwritten, and nothing is removed whose content does not lie elsewhere, so that undoing twice, or
being interrupted and beginning again, does no harm.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

from fastsim import transfer
from fastsim.errors import FastsimError, reason_of, shown
from fastsim.interrupts import held_back
from fastsim.journal import Entry, Journal, Names, journal_in, names_beside
from fastsim.planfile import remove_plan
from fastsim.progress import Bar
from fastsim.records import Op, Operation, Skipped, Snapshot

_BATCH = 256
"""Operations that are announced to the journal at once."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing came to."""

    restored: int
    """Files moved back."""
    removed: int
    """Copies taken away, their originals being there."""
    untouched: int
    """Operations that had not happened, or were undone before."""
    gone: int
    """Deleted or put into the trash: nothing here can bring them back."""
    failed: tuple[Skipped, ...]
    """Files left where they are, and why."""
    interrupted: bool
    complete: bool
    """All is as it was: the plan and the journal are removed, and the output folder if the run had made it."""


class Fate(Enum):
    """What became of one operation."""

    RESTORED = auto()
    REMOVED = auto()
    UNTOUCHED = auto()
    GONE = auto()


class CannotUndoError(Exception):
    """Why a file was left where it is."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path


def undo(journal: str, *, bar: Bar | None, stop: Callable[[], bool] = lambda: False) -> Undone:
    """Take back the run of `journal` (the file, or the output folder that holds it), its last operation first.

    SIGINT and SIGTERM end it between two operations; it may be run again. Raises UsageError if `journal` is none, or is
    in use.
    """
    counts = dict.fromkeys(Fate, 0)
    failed: list[Skipped] = []
    interrupted = False
    with Journal(journal_in(journal)) as log, held_back(stop) as stopping:
        order = sorted(log.entries, reverse=True)
        for at, i in enumerate(order):
            if interrupted := stopping():
                break
            if at % _BATCH == 0:
                _announce(log, order[at : at + _BATCH])
            entry = log.entries[i]
            try:
                fate = _undo_one(log, i, stopping)
            except transfer.StoppedError:
                interrupted = True
                break
            except CannotUndoError as error:
                failed.append(Skipped(error.path, str(error)))
            except (OSError, transfer.ChangedError) as error:
                failed.append(Skipped(entry.operation.target or entry.operation.source, reason_of(error)))
            else:
                counts[fate] += 1
            if bar is not None:
                bar.advance()
        remove_empty(log.folders)
    complete = not (failed or counts[Fate.GONE] or interrupted)
    if complete:
        _remove_records(log)
    return Undone(
        counts[Fate.RESTORED], counts[Fate.REMOVED], counts[Fate.UNTOUCHED], counts[Fate.GONE], tuple(failed),
        interrupted, complete,
    )  # fmt: skip


def _announce(log: Journal, indices: Iterable[int]) -> None:
    # A full disk must not stop an undo that makes room: without its marks, the disk alone tells what was undone.
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
    if not os.path.lexists(one.target):
        if one.op == Op.MOVE and not entry.failed and not os.path.lexists(one.source):
            raise CannotUndoError(one.source, f"it is neither there nor at {shown(one.target)}")
        return Fate.UNTOUCHED
    if one.op == Op.COPY:
        return _take_copy_away(entry, one.target)
    if entry.undoing and os.path.lexists(one.source):
        # An earlier undo may have been killed when it had taken the name, and not yet filled it.
        original = Snapshot.from_stat(os.lstat(one.source)) == one.snapshot
        if not original and not _has_two_names(one.source, one.target):
            _remove_placeholder(one.source)
    if not os.path.lexists(one.source):
        os.makedirs(os.path.dirname(one.source), exist_ok=True)
        transfer.move(one.target, one.source, names.undo_part, stop=stop, stamp=_stamp(entry, one.target))
        return Fate.RESTORED
    transfer.remove_leftover(names.undo_part)
    # Both are there. Killed between link and unlink, or between the copy to another file system and the unlink (of the
    # run, or of an earlier undo): one file under two names, or twice. Then the second one goes.
    if _has_two_names(one.source, one.target) or transfer.same_content(one.source, one.target):
        os.unlink(one.target)
        return Fate.RESTORED
    if entry.done:
        raise CannotUndoError(one.target, f"there is something new at {shown(one.source)}")
    if one.snapshot.size:
        _remove_placeholder(one.target)
    return Fate.UNTOUCHED


def _take_from_aside(one: Operation, aside: str) -> Fate:
    """Give a file that was about to be removed its name back."""
    if not os.path.lexists(aside):
        return Fate.UNTOUCHED if os.path.lexists(one.source) else Fate.GONE
    if not os.path.lexists(one.source):
        transfer.rename(aside, one.source)
        return Fate.RESTORED
    if _is_placeholder(one.source, one.snapshot) and not _is_placeholder(aside, one.snapshot):
        os.replace(aside, one.source)  # killed while it was put back, on a file system without hard links
        return Fate.RESTORED
    if os.path.samestat(os.lstat(aside), os.lstat(one.source)) or transfer.same_content(aside, one.source):
        os.unlink(aside)  # killed between link and unlink: two names in one folder
        return Fate.UNTOUCHED
    if _is_placeholder(aside, one.snapshot):
        os.unlink(aside)  # killed while it was set aside there
        return Fate.UNTOUCHED
    raise CannotUndoError(aside, f"there is something new at {shown(one.source)}")


def _is_placeholder(path: str, seen: Snapshot) -> bool:
    """Whether `path` is an empty file that only takes the name of the file that was seen."""
    status = os.lstat(path)
    return (
        stat.S_ISREG(status.st_mode) and status.st_size == 0 and (0, status.st_mtime_ns) != (seen.size, seen.mtime_ns)
    )


def remove_empty(folders: Iterable[str]) -> None:
    """Remove those of `folders` that hold nothing, inner ones first."""
    for folder in sorted(folders, key=len, reverse=True):
        with suppress(OSError):
            os.rmdir(folder)


def _take_copy_away(entry: Entry, target: str) -> Fate:
    """Remove a copy that is still what was written, if its original is still there."""
    one = entry.operation
    if entry.done and Snapshot.from_stat(os.lstat(target)) != entry.result:
        raise CannotUndoError(target, "the copy was changed since; it stays")
    try:
        if os.path.samestat(os.stat(one.source), os.lstat(target)):
            raise CannotUndoError(target, f"{shown(one.source)} is a link to the copy now; the copy stays")
        whole = (entry.done and Snapshot.of(one.source) == one.snapshot) or _equal_files(one.source, target)
    except FileNotFoundError:
        whole = False
    if whole:
        os.unlink(target)
        return Fate.REMOVED
    if entry.done:
        raise CannotUndoError(target, f"its original {shown(one.source)} is gone or changed; the copy stays")
    if one.snapshot.size:
        _remove_placeholder(target)
    return Fate.UNTOUCHED


def _has_two_names(source: str, target: str) -> bool:
    """Whether these are two hard links of one file. Raises CannotUndoError if they are but two spellings of one."""
    one, two = os.lstat(source), os.lstat(target)
    if os.path.samestat(one, two) and one.st_nlink < 2:
        raise CannotUndoError(target, f"{shown(source)} leads to this very file; it stays")
    return os.path.samestat(one, two)


def _equal_files(source: str, target: str) -> bool:
    """Byte for byte; a source that is a link stands for the file behind it, as it did when it was copied."""
    return transfer.same_content(os.path.realpath(source), target)


def _remove_placeholder(path: str) -> None:
    """Remove the empty file that takes a name on file systems without hard links, if `path` is one."""
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        os.unlink(path)


def _stamp(entry: Entry, target: str) -> transfer.Stamp | None:
    """The time and mode that the file had, unless someone has changed it since."""
    if entry.done and Snapshot.from_stat(os.lstat(target)) != entry.result:
        return None
    return transfer.Stamp(entry.operation.snapshot.mtime_ns, entry.mode)


def _remove_records(log: Journal) -> None:
    """Remove the plan and the journal, and the folders that the run had made for them."""
    outs = os.path.dirname(os.path.abspath(log.path))
    try:
        remove_plan(outs)
        transfer.remove_leftover(log.path)
    except OSError as error:
        raise FastsimError(f"{shown(outs)}: all is undone, but the journal stays ({reason_of(error)})") from None
    made = (log.header or {}).get("folders")
    if isinstance(made, list):
        remove_empty(str(folder) for folder in made)
