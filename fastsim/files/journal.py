"""Record what a run is about to do and what it did, on disk before it happens, to resume and to undo it.

JSON lines, ASCII. The first is the header; then, for the operation with index `i` in its plan:

    {"i": 3, "plan": {...}}               it is about to happen; durable (fsync) before the first of its batch starts
    {"i": 3, "target": "..."}             its target was taken, so this one is tried; durable before it is
    {"i": 3, "done": [...], "mode": 420}  it happened; the snapshot of what is at the target now
    {"i": 3, "failed": "..."}             it did not, and left nothing behind
    {"i": 3, "undoing": true}             it is about to be undone
    {"i": 3, "undone": true}              it was undone
    {"folder": "..."}                     a folder is about to be created; durable before it is
    {"of": "...", "mtime_ns": 1}          the time of a folder that files are about to leave
    {"of": "...", "after_ns": 2}          its time when the run, or an undo, had ended
    {"outs": "..."}                       from here on, the output folder is there: it was moved

Except for the first two, lines may be lost in a crash: a later run then inspects the disk. A torn last line is dropped.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import NamedTuple

from fastsim.errors import FastsimError, UsageError, shown
from fastsim.files.plan_file import (
    operation_from_json,
    operation_to_json,
    planned_outs,
    snapshot_from_json,
    snapshot_to_json,
)
from fastsim.records.files import ASIDE_PREFIX, PART_PREFIX, Snapshot
from fastsim.records.plans import MOVES, Operation

JOURNAL_NAME = "fastsim_journal.jsonl"
_FORMAT = "fastsim-journal"
_VERSION = 2
_READS = (1, 2)
"""Version 2 adds `part_of` to operations; everything that version 1 holds means the same."""
_START = f'{{"format": "{_FORMAT}"'.encode()
_HINT = f"give OUTS/{JOURNAL_NAME} of a run, or OUTS"
_LOCKED_BYTE = 0x7FFF0000
"""On Windows a locked byte cannot be read: lock one far behind the end."""


@dataclass(slots=True)
class Entry:
    """What the journal knows of one operation; its `target` is the last that was tried."""

    operation: Operation
    done: bool = False
    undoing: bool = False
    """Whether an earlier undo was working on it."""
    undone: bool = False
    failed: bool = False
    result: Snapshot | None = None
    """Of what was at the target (of a link itself) when the operation was done."""
    mode: int | None = None
    """st_mode of the source, before."""

    @property
    def pending(self) -> bool:
        """Return whether it was about to happen; the disk shows whether it did."""
        return not (self.done or self.undone or self.failed)


@dataclass(slots=True)
class _Contents:
    header: dict[str, object] | None = None
    entries: dict[int, Entry] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    times: dict[str, list[int | None]] = field(default_factory=dict)
    """[before, after] of folders that files left, in nanoseconds."""
    here: str = ""
    """Folder of the journal."""
    outs: str = ""
    """Its folder when the line was written."""
    end: int = 0
    """Bytes up to the end of the last whole line."""

    def place(self, path: str) -> str:
        """Return where something in the output folder is now."""
        if self.outs and path.startswith(self.outs.rstrip(os.sep) + os.sep):
            return os.path.join(self.here, os.path.relpath(path, self.outs))
        return path


class Journal:
    """An open journal, locked against other processes until `close`."""

    def __init__(self, path: str, *, create: bool = False) -> None:
        """Open, lock and read `path`. Raises UsageError if it cannot be, is no journal, or is in use."""
        self.path = path
        flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0) | (os.O_CREAT if create else 0)
        try:
            self._fd = os.open(path, flags, 0o666)
        except OSError as error:
            raise UsageError(f"{shown(path)}: can't be opened ({error.strerror}); {_HINT}") from None
        try:
            _lock(self._fd, path)
            with open(path, "rb") as file:
                self._contents = _parse(file.read(), path)
            if self.header is None and not create and os.path.basename(path) != JOURNAL_NAME:
                raise UsageError(f"{shown(path)}: not a fastsim journal; {_HINT}")  # an empty file of the user
        except BaseException:
            os.close(self._fd)
            raise
        self._end = self._contents.end
        self._torn = True
        self._silent = False
        self.outs = self._contents.here
        """The folder of the journal."""
        self.was = self._contents.outs
        """The output folder when the journal was last written to; empty before `start`."""

    @property
    def header(self) -> dict[str, object] | None:
        """Return the header, or None before `start`: a run that was killed there has done nothing."""
        return self._contents.header

    @property
    def digest(self) -> str:
        """Return the plan's digest, which names the temporary files of the run."""
        return str((self.header or {}).get("digest"))

    @property
    def entries(self) -> dict[int, Entry]:
        """Return the entry of each operation, by its index in the plan."""
        return self._contents.entries

    @property
    def folders(self) -> list[str]:
        """Return the folders that the run made, or was about to make, outer ones first."""
        return self._contents.folders

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Flush and unlock. It may be called twice."""
        if self._fd >= 0:
            with suppress(OSError):
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    @property
    def times(self) -> dict[str, list[int | None]]:
        """Return [before, after the run] of each folder that files left: mtime in nanoseconds."""
        return self._contents.times

    def start(self, header: Mapping[str, object]) -> None:
        """Write the first line. Raises OSError, like all methods that write; a partial line is removed."""
        self._contents.header = {"format": _FORMAT, "version": _VERSION, **header}
        self._append([self._contents.header], durable=True)

    def intend(self, operations: Iterable[tuple[int, Operation]], folders: Iterable[str]) -> None:
        """Durably record what is about to happen."""
        operations, folders = list(operations), list(folders)
        lines: list[dict[str, object]] = [{"folder": folder} for folder in folders]
        for folder in {os.path.dirname(one.source) for _, one in operations if one.op in MOVES} - self.times.keys():
            with suppress(OSError):
                self.times[folder] = [os.stat(folder).st_mtime_ns, None]
                lines.append({"of": folder, "mtime_ns": self.times[folder][0]})
        lines += [{"i": i, "plan": operation_to_json(one)} for i, one in operations]
        self._append(lines, durable=True)
        self.folders.extend(folders)
        self.entries.update((i, Entry(one)) for i, one in operations)

    def recover(self, operations: Iterable[tuple[int, Operation]]) -> None:
        """Add operations that the journal has lost: the disk shows whether they happened.

        On a full disk, nothing is written from here on, because later lines could not be read without these.
        """
        lost = list(operations)
        self.entries.update((i, Entry(one)) for i, one in lost)
        try:
            if lost:
                self._append([{"i": i, "plan": operation_to_json(one)} for i, one in lost], durable=True)
        except OSError:
            self._silent = True

    def retarget(self, i: int, target: str) -> None:
        """Durably record that operation `i` goes to `target`, because the name before was taken."""
        self._append([{"i": i, "target": target}], durable=True)
        self.entries[i].operation = replace(self.entries[i].operation, target=target)

    def done(self, i: int, result: Snapshot | None, mode: int | None) -> None:
        """Record that operation `i` happened."""
        entry = self.entries[i]
        entry.done, entry.result, entry.mode = True, result, mode
        shot = None if result is None else snapshot_to_json(result)
        self._append([{"i": i, "done": shot, "mode": mode}])

    def failed(self, i: int, reason: str) -> None:
        """Record that operation `i` did not happen, or was rolled back, and left nothing behind."""
        self.entries[i].failed, self.entries[i].done = True, False
        self._append([{"i": i, "failed": reason}])

    def undoing(self, indices: Iterable[int]) -> None:
        """Record what is about to be undone: a later undo must know that this one was working on it."""
        self._append({"i": i, "undoing": True} for i in indices)

    def undone(self, i: int) -> None:
        """Record that operation `i` was undone."""
        self.entries[i].undone = True
        self._append([{"i": i, "undone": True}])

    def note_times(self) -> None:
        """Record the current times of folders, so that an undo detects later changes by others."""
        lines: list[dict[str, object]] = []
        for folder, times in self.times.items():
            with suppress(OSError):
                times[1] = os.stat(folder).st_mtime_ns
                lines.append({"of": folder, "after_ns": times[1]})
        if lines:
            self._append(lines)

    def _append(self, lines: Iterable[Mapping[str, object]], durable: bool = False) -> None:
        if self._silent:
            return
        lines = list(lines)
        if self.was not in ("", self.outs):
            lines.insert(0, {"outs": self.outs})
        data = memoryview("".join(json.dumps(line) + "\n" for line in lines).encode("ascii"))
        size = len(data)
        try:
            if self._torn:  # what a crash left must not become the start of this line
                os.ftruncate(self._fd, self._end)
                self._torn = False
            while data:
                data = data[os.write(self._fd, data) :]
            if durable:
                os.fsync(self._fd)
        except OSError:
            self._torn = True
            with suppress(OSError):
                os.ftruncate(self._fd, self._end)
            raise
        self._end += size
        self.was = self.outs


class Names(NamedTuple):
    """Names that fastsim uses for one file during an operation. No other run uses them."""

    part: str
    """In the target's folder: a copy that is being written. May be removed."""
    undo_part: str
    """In the source's folder: a copy that an undo is writing. May be removed."""
    aside: str
    """In the folder of a file that is about to be removed (a source to delete, a target whose original is back): the
    file itself. It may be the only one.
    """
    probe: str
    """In the source's folder: the file itself, for a moment, before it is moved to another file system."""


def names_beside(digest: str, i: int, one: Operation) -> Names:
    """Return the names for operation `i` of the plan with this digest."""
    label, source = f"{digest[:12]}-{i}", os.path.dirname(one.source)
    there, suffix = source if one.target is None else os.path.dirname(one.target), os.path.splitext(one.source)[1][:20]
    return Names(
        os.path.join(there, f"{PART_PREFIX}{label}"),
        os.path.join(source, f"{PART_PREFIX}{label}-undo"),
        os.path.join(there, f"{ASIDE_PREFIX}{label}{suffix}"),
        os.path.join(source, f"{ASIDE_PREFIX}{label}-probe{suffix}"),
    )


def journal_in(path: str) -> str:
    """Return `path` itself, or the journal in the output folder `path`."""
    return os.path.join(path, JOURNAL_NAME) if os.path.isdir(path) else path


def read_header(path: str) -> dict[str, object] | None:
    """Return the header of the journal `path`, or None if it has none yet. Raises UsageError if it is no journal."""
    try:
        with open(path, "rb") as file:
            return _parse(file.readline(), path).header
    except OSError as error:
        raise UsageError(f"{shown(path)}: can't be read ({error.strerror}); {_HINT}") from None


def read_run(path: str) -> tuple[dict[str, object] | None, list[Entry]]:
    """Return the header of the journal `path` (None if it has none yet) and its entries, without a lock.

    Raises UsageError.
    """
    try:
        with open(path, "rb") as file:
            found = _parse(file.read(), path)
    except OSError as error:
        raise UsageError(f"{shown(path)}: can't be read ({error.strerror}); {_HINT}") from None
    return found.header, list(found.entries.values())


def _parse(data: bytes, path: str) -> _Contents:
    found, name = _Contents(here=os.path.dirname(os.path.abspath(path))), shown(path)
    if data[: len(_START)] != _START[: len(data)]:
        raise UsageError(f"{name}: not a fastsim journal; {_HINT}")
    lines = data.split(b"\n")
    lines.pop()  # anything after the last newline is torn
    for number, line in enumerate(lines):
        try:
            record = json.loads(line)
            if number == 0:
                found.header = _checked_header(record, name)
                found.outs = str(found.header.get("outs") or planned_outs(found.here) or found.here)
            else:
                _replay(record, found)
        except (ValueError, KeyError, TypeError, RecursionError):
            if number == 0:
                raise UsageError(f"{name}: not a fastsim journal; {_HINT}") from None
            if any(line.startswith(b'{"') and line.endswith(b"}") for line in lines[number + 1 :]):
                raise FastsimError(
                    f"{name} line {number + 1}: damaged; put the line right, or restore by hand"
                ) from None
            break  # a crash can leave garbage at the end, in what was not durable yet
        found.end += len(line) + 1
    return found


def _checked_header(record: object, name: str) -> dict[str, object]:
    if not isinstance(record, dict):
        raise ValueError("header")
    if (version := record.get("version")) not in _READS:
        raise UsageError(
            f"{name}: journal version {shown(str(version))[:40]}, and this fastsim reads up to {_VERSION}; "
            "use the one that wrote it"
        )
    return record


def _replay(record: dict[str, object], found: _Contents) -> None:
    """Apply one line. Raises ValueError, KeyError or TypeError for a line that no journal has."""
    if "folder" in record:
        found.folders.append(found.place(str(record["folder"])))
        return
    if "of" in record:
        _replay_time(record, found)
        return
    if "outs" in record:
        found.outs = str(record["outs"])
        return
    i = record["i"]
    if not isinstance(i, int):
        raise ValueError("index")
    if "plan" in record:
        if not isinstance(record["plan"], dict):
            raise ValueError("plan")
        one = operation_from_json(record["plan"])
        found.entries[i] = Entry(one if one.target is None else replace(one, target=found.place(one.target)))
        return
    entry = found.entries[i]
    if "target" in record:
        entry.operation = replace(entry.operation, target=found.place(str(record["target"])))
    elif "done" in record:
        shot, mode = record["done"], record["mode"]
        entry.done = True
        entry.result = None if shot is None else snapshot_from_json(shot)
        entry.mode = mode if isinstance(mode, int) else None
    elif "failed" in record:
        entry.failed, entry.done = True, False
    elif "undoing" in record:
        entry.undoing = True
    else:
        entry.undone = bool(record["undone"])


def _replay_time(record: dict[str, object], found: _Contents) -> None:
    """Apply one line with a time. Raises ValueError, KeyError or TypeError."""
    after = "after_ns" in record
    time = record["after_ns" if after else "mtime_ns"]
    if not isinstance(time, int):
        raise ValueError("time")
    found.times.setdefault(str(record["of"]), [None, None])[after] = time


def _lock(fd: int, path: str) -> None:
    """Lock the file. Raises UsageError if another process holds the lock; file systems without locks are accepted."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            raise UsageError(f"{shown(path)}: another fastsim is at work with it; wait until that has ended") from None
