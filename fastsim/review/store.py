"""A review on disk: one SQLite file with what was found and what a person has decided.

Every change is committed, with a sync of the disk, before the call returns: a page that shows a decision can be killed
at any moment and shows it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastsim.decisions import data_folder
from fastsim.errors import FastsimError, shown
from fastsim.records.arrays import Float16Array
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.pairs import Transform
from fastsim.review.found import Found

_VERSION = 2
"""2 adds which files lie in reference folders."""
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY, path BLOB, root BLOB, size INTEGER, mtime_ns INTEGER, inode TEXT, ctime_ns INTEGER,
    digest BLOB, width INTEGER, height INTEGER, damage TEXT, frames INTEGER, frames_total INTEGER,
    reference INTEGER
);
CREATE TABLE arrays (name TEXT PRIMARY KEY, dtype TEXT, shape TEXT, data BLOB) WITHOUT ROWID;
CREATE TABLE decisions (file INTEGER PRIMARY KEY, keep INTEGER NOT NULL, done INTEGER NOT NULL, time REAL NOT NULL);
CREATE TABLE apart (low INTEGER, high INTEGER, PRIMARY KEY (low, high)) WITHOUT ROWID;
CREATE TABLE confirmed (file INTEGER PRIMARY KEY);
CREATE TABLE history (seq INTEGER PRIMARY KEY AUTOINCREMENT, label TEXT, before TEXT NOT NULL);
CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, outs BLOB, state TEXT, time REAL, told TEXT);
CREATE TABLE places (file INTEGER PRIMARY KEY, run INTEGER, op TEXT, target BLOB);
"""
_ARRAYS = ("sizes", "left", "right", "score", "status", "vectors")


class Decision(NamedTuple):
    """What a person chose for a file; `done`: the group that it is in was looked at and decided."""

    keep: bool
    done: bool


@dataclass(frozen=True, slots=True)
class Run:
    """An apply that a review began. state: running, done, stopped or undone; told: its result, for the page."""

    id: int
    outs: str
    state: str
    time: float
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """What an apply did to a file: target is where it is now, None if it was removed."""

    run: int
    op: str
    target: str | None


def folder() -> Path:
    """Return the folder of all reviews."""
    return data_folder() / "reviews"


def path_for(key: Iterable[str]) -> Path:
    """Return where the review that `key` names lies: inputs with settings, or a plan's path."""
    digest = hashlib.blake2b(digest_size=12)
    for word in key:
        digest.update(os.fsencode(word) + b"\0")
    return folder() / f"{digest.hexdigest()}.sqlite"


def find_by_outs(outs: str) -> Path | None:
    """Return the review that an apply to the output folder `outs` came from, if it is still here."""
    for path in sorted(folder().glob("*.sqlite"), key=os.path.getmtime, reverse=True):
        try:
            with Store(path) as store:
                if any(run.outs == outs for run in store.runs()):
                    return path
        except FastsimError:
            continue
    return None


class Store:
    """An open review. Used from any thread."""

    def __init__(self, path: Path) -> None:
        """Open the review at `path`. Raises FastsimError where there is none, or it can't be used."""
        self.path = path
        self._lock = threading.RLock()
        if not path.exists():
            raise FastsimError(f"{shown(str(path))}: there is no such review; start one with fastsim review INPUT")
        self._base = _connect(path)
        if self._base.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            self._base.close()
            raise FastsimError(f"{shown(str(path))}: a review of another version; remove it and review again")

    @classmethod
    def create(cls, path: Path, found: Found) -> Store:
        """Write a new review to `path`, in place of an older one. Raises FastsimError."""
        temporary = path.with_suffix(f".{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            base = _connect(temporary)
            try:
                with base:
                    base.executescript(_SCHEMA)
                    _write(base, found)
                    base.execute(f"PRAGMA user_version = {_VERSION}")
                base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                base.close()
            for old in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                old.unlink(missing_ok=True)
            os.replace(temporary, path)
        except (OSError, sqlite3.Error) as error:
            raise FastsimError(f"{shown(str(path))}: can't be written ({error}); set FASTSIM_DATA_DIR") from None
        finally:
            for left in (temporary, Path(f"{temporary}-wal"), Path(f"{temporary}-shm")):
                left.unlink(missing_ok=True)
        return cls(path)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._base.close()

    def set_aside(self) -> None:
        """Close a review that is about to be replaced; one that has applied something is kept under another name."""
        with self._lock:
            runs = self.runs()
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.close()
            if runs:
                os.replace(self.path, self.path.with_stem(f"{self.path.stem}-{time.time_ns():x}"))

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Give a transaction that is committed at the end of the block, or rolled back if it raises."""
        with self._lock, self._base:
            self._base.execute("BEGIN IMMEDIATE")
            yield Change(self._base)

    def found(self) -> Found:
        """Return what the review is about, without its vectors."""
        with self._lock:
            return _read(self._base)

    def vectors(self) -> Float16Array | None:
        """Return the vectors float16[n, d] of the files, if they are known."""
        with self._lock:
            row = self._base.execute("SELECT dtype, shape, data FROM arrays WHERE name = 'vectors'").fetchone()
        return None if row is None else np.frombuffer(row[2], np.dtype(row[0])).reshape(json.loads(row[1]))

    def setting(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return a setting that `Change.set` wrote."""
        with self._lock:
            row = self._base.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else json.loads(row[0])

    def decisions(self) -> dict[int, Decision]:
        """Return what was decided of files, by id."""
        with self._lock:
            rows = self._base.execute("SELECT file, keep, done FROM decisions").fetchall()
        return {file: Decision(bool(keep), bool(done)) for file, keep, done in rows}

    def apart(self) -> set[tuple[int, int]]:
        """Return the pairs (low id, high id) that are not duplicates."""
        with self._lock:
            return set(self._base.execute("SELECT low, high FROM apart"))

    def confirmed(self) -> set[int]:
        """Return the files that may go though none of their group stays."""
        with self._lock:
            return {file for (file,) in self._base.execute("SELECT file FROM confirmed")}

    def runs(self) -> list[Run]:
        """Return the applies, the oldest first."""
        with self._lock:
            rows = self._base.execute("SELECT id, outs, state, time, told FROM runs ORDER BY id").fetchall()
        return [
            Run(number, os.fsdecode(outs), state, when, json.loads(told)) for number, outs, state, when, told in rows
        ]

    def places(self) -> dict[int, Place]:
        """Return where files lie that an apply has moved or removed, by id."""
        with self._lock:
            rows = self._base.execute("SELECT file, run, op, target FROM places").fetchall()
        return {file: Place(run, op, None if target is None else os.fsdecode(target)) for file, run, op, target in rows}

    def history(self) -> int:
        """Return how many decisions can be taken back."""
        with self._lock:
            return int(self._base.execute("SELECT count(*) FROM history").fetchone()[0])


class Change:
    """What can be changed in one transaction."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def set(self, key: str, value: object) -> None:
        """Write a setting."""
        self._base.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def decide(self, decisions: Mapping[int, Decision | None]) -> None:
        """Write decisions; None takes one back."""
        now = time.time()
        made = [(file, int(one.keep), int(one.done), now) for file, one in decisions.items() if one is not None]
        self._base.executemany("INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?)", made)
        dropped = [(file,) for file, one in decisions.items() if one is None]
        self._base.executemany("DELETE FROM decisions WHERE file = ?", dropped)

    def part(self, pairs: Iterable[tuple[int, int]], *, apart: bool) -> None:
        """Call pairs not duplicates, or take that back."""
        statement = (
            "INSERT OR IGNORE INTO apart VALUES (?, ?)" if apart else "DELETE FROM apart WHERE low = ? AND high = ?"
        )
        self._base.executemany(statement, list(pairs))

    def confirm(self, files: Iterable[int], *, confirmed: bool) -> None:
        """Allow files to go though none of their group stays, or take that back."""
        verb = "INSERT OR IGNORE INTO confirmed VALUES (?)" if confirmed else "DELETE FROM confirmed WHERE file = ?"
        self._base.executemany(verb, [(file,) for file in files])

    def note(self, label: str, before: Mapping[str, Any]) -> None:
        """Remember what a decision replaced, so that it can be taken back."""
        self._base.execute("INSERT INTO history (label, before) VALUES (?, ?)", (label, json.dumps(before)))

    def last(self) -> tuple[str, dict[str, Any]] | None:
        """Take the last decision from the history: (label, what it replaced)."""
        row = self._base.execute("SELECT seq, label, before FROM history ORDER BY seq DESC LIMIT 1").fetchone()
        if row is None:
            return None
        self._base.execute("DELETE FROM history WHERE seq = ?", (row[0],))
        return row[1], json.loads(row[2])

    def begin_run(self, outs: str) -> int:
        """Record an apply that is about to begin; return its id."""
        sql = "INSERT INTO runs (outs, state, time, told) VALUES (?, 'running', ?, '{}')"
        return int(self._base.execute(sql, (os.fsencode(outs), time.time())).lastrowid or 0)

    def end_run(self, run: int, state: str, told: Mapping[str, Any]) -> None:
        """Record how an apply, or the undo of one, ended."""
        self._base.execute("UPDATE runs SET state = ?, told = ? WHERE id = ?", (state, json.dumps(told), run))

    def place(self, places: Mapping[int, Place]) -> None:
        """Record where files are now."""
        rows = [
            (file, one.run, one.op, None if one.target is None else os.fsencode(one.target))
            for file, one in places.items()
        ]
        self._base.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)", rows)

    def unplace(self, files: Iterable[int]) -> None:
        """Record that files are back where they were."""
        self._base.executemany("DELETE FROM places WHERE file = ?", [(file,) for file in files])


def _connect(path: Path) -> sqlite3.Connection:
    try:
        base = sqlite3.connect(path, timeout=20, check_same_thread=False, isolation_level=None)
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error as error:
        raise FastsimError(f"{shown(str(path))}: not a review ({error}); remove it and review again") from None
    return base


def _write(base: sqlite3.Connection, found: Found) -> None:
    base.execute("BEGIN")
    base.executemany(
        "INSERT INTO meta VALUES (?, ?)", [(key, json.dumps(value)) for key, value in found.settings.items()]
    )
    transforms = [{"place": place, **asdict(one)} for place, one in found.transforms.items()]
    base.execute("INSERT INTO meta VALUES ('transforms', ?)", (json.dumps(transforms),))
    base.executemany(f"INSERT INTO files VALUES ({', '.join('?' * 14)})", (_row(found, file) for file in found.files))
    for name in _ARRAYS:
        array = getattr(found, name)
        if array is not None:
            whole = np.ascontiguousarray(array)
            row = (name, whole.dtype.str, json.dumps(whole.shape), whole.tobytes())
            base.execute("INSERT INTO arrays VALUES (?, ?, ?, ?)", row)


def _row(found: Found, file: MediaFile) -> Sequence[object]:
    shot = file.snapshot
    width, height = found.sizes[file.id].tolist()
    return (
        file.id, os.fsencode(file.path), os.fsencode(file.root), shot.size, shot.mtime_ns, str(shot.inode),
        shot.ctime_ns, shot.digest, width, height, found.damage.get(file.id, ""), *found.frames.get(file.id, (1, 1)),
        int(file.reference),
    )  # fmt: skip


def _read(base: sqlite3.Connection) -> Found:
    settings = {key: json.loads(value) for key, value in base.execute("SELECT key, value FROM meta")}
    transforms = {one.pop("place"): _transform(one) for one in settings.pop("transforms", [])}
    files, damage, frames = [], {}, {}
    for row in base.execute("SELECT * FROM files ORDER BY id"):
        file, path, root, size, mtime, inode, ctime, digest, _, _, complaint, compared, total, reference = row
        shot = Snapshot(size, mtime, int(inode), ctime, digest)
        files.append(MediaFile(file, os.fsdecode(path), os.fsdecode(root), shot, bool(reference)))
        if complaint:
            damage[file] = complaint
        if total > 1:
            frames[file] = (compared, total)
    arrays = {
        name: np.frombuffer(data, np.dtype(dtype)).reshape(json.loads(shape))
        for name, dtype, shape, data in base.execute(
            "SELECT name, dtype, shape, data FROM arrays WHERE name != 'vectors'"
        )
    }
    return Found(
        tuple(files), arrays["sizes"], arrays["left"], arrays["right"], arrays["score"], arrays["status"], settings,
        transforms, None, damage, frames,
    )  # fmt: skip


def _transform(one: Mapping[str, Any]) -> Transform:
    boxes = {name: tuple(one[name]) for name in ("rectangle_left", "rectangle_right")}
    return Transform(**{**one, **boxes})
