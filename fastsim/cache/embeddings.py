"""Cache vectors by content, so that an unchanged, renamed or moved file is never embedded twice.

An SQLite file with two tables: `files` (path, size, mtime, ctime -> digest of the content) avoids reading a file
again, and `vectors` (network, digest -> vector) avoids embedding it. The cache is only an optimisation: if it is
damaged, it is set aside and rebuilt; if it cannot be written (read-only, full, locked for long), the run continues
without it. Either is noted. Each row carries a checksum of its columns, because SQLite itself does not detect a
flipped bit in a path or a vector.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import numpy as np

from fastsim.cache import compiled_networks, frames
from fastsim.errors import FastsimError, shown
from fastsim.records.arrays import Float16Array
from fastsim.records.files import INTACT_STILL, Content, MediaFile, Snapshot

NAME = "embeddings.sqlite"
FEATURES = "features.sqlite"
"""Kept beside the cache by `verification.store`; removed together with it."""
_DAMAGED, _REPLACED = ".damaged", ".replaced"
"""Suffixes of a database that is set aside: a damaged one, and one of another version."""
_VERSION = 7
"""Increment when the tables change, or when rows of the same key would differ (another way to decode)."""


class _Table(NamedTuple):
    """A table of checksummed rows. The columns are followed by `checksum`, over all of them."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def statement(self) -> str:
        columns, key = ", ".join(self.columns), ", ".join(self.key)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns}, checksum, PRIMARY KEY ({key})) WITHOUT ROWID;"


_FILES = _Table("files", ("path",), ("path", "size", "mtime_ns", "ctime_ns", "digest"))
_LEARNED = ("width", "height", "views", "frames", "frames_total", "kind", "damage")
_VECTORS = _Table("vectors", ("network", "digest"), ("network", "digest", *_LEARNED, "vector"))
_APPLICATION = 0x46415354
"""SQLite's mark of the application that owns a file."""
_SCHEMA = f"""
BEGIN IMMEDIATE;
PRAGMA application_id = {_APPLICATION};
{_FILES.statement}
{_VECTORS.statement}
CREATE TABLE IF NOT EXISTS networks (id INTEGER PRIMARY KEY, key TEXT UNIQUE, device TEXT, runtime TEXT, precision TEXT);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
"""One transaction: another run must not see half of the tables, and take the file for another program's database."""
_CHUNK = 500
"""Parameters of one query; SQLite's own limit is higher everywhere."""
_PENDING = 256
_SECONDS = 2.0
"""Commit after this many rows or seconds; a crash loses at most that."""
_PATIENCE = 20.0
"""Seconds that a run waits for another one that writes."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CachedRow:
    """The vectors float16[views, d] of an image, its width and height in pixels, and what else is known of it."""

    vectors: Float16Array
    width: int
    height: int
    content: Content = INTACT_STILL


def default_folder() -> Path:
    """Return FASTSIM_CACHE_DIR, or the system's folder for caches of a program."""
    chosen = os.environ.get("FASTSIM_CACHE_DIR")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("fastsim", appauthor=False)


class EmbeddingCache:
    """The cache in `folder` for one network, named by `key`, which must contain everything that changes the vectors.

    No method raises an error for a problem with the cache: `note` is called once, and lookups find nothing from then
    on. Several processes may use one cache at a time. Use it from one thread.
    """

    def __init__(self, folder: Path, key: str, note: Callable[[str], None]) -> None:
        self.path = folder / NAME
        self._key = key
        self._seed = crc32(key.encode())
        self._note = note
        self._network: int | None = None
        self._waiting: list[tuple[object, ...]] = []
        self._since = 0.0
        self._database: sqlite3.Connection | None = None
        self._safely(lambda: None, None)

    def known_digests(self, files: Sequence[MediaFile]) -> dict[int, bytes]:
        """Return {id: digest} of the files whose size and times are those of their last run."""
        return self._safely(lambda: self._known(files), {})

    def remember_digests(self, files: Iterable[MediaFile], digests: Mapping[int, bytes]) -> None:
        """Store what `known_digests` returns. Files without a digest are left out."""
        rows = [
            (os.fsencode(f.path), f.snapshot.size, f.snapshot.mtime_ns, _change_key(f.snapshot), digests[f.id])
            for f in files
            if f.id in digests
        ]
        self._safely(lambda: self._write(_FILES, rows), None)

    def rows(self, digests: Sequence[bytes]) -> dict[bytes, CachedRow]:
        """Return the vectors that are cached, by digest."""
        return self._safely(lambda: self._rows(digests), {})

    def ran_on(self) -> tuple[str, str, str] | None:
        """Return the device, runtime and precision that computed this network's vectors, if there are any."""
        return self._safely(self._ran_on, None)

    def add(self, digest: bytes, row: CachedRow, ran_on: tuple[str, str, str]) -> None:
        """Queue one vector to be stored."""
        if self._network is None:
            self._network = self._safely(lambda: self._new_network(ran_on), None)
        if self._network is None:
            return
        if not self._waiting:
            self._since = time.monotonic()
        about = row.content
        learned = (row.width, row.height, about.views, about.frames, about.frames_total, about.kind, about.damage)
        self._waiting.append((self._network, digest, *learned, row.vectors.tobytes()))
        if len(self._waiting) >= _PENDING or time.monotonic() - self._since > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Store what was queued with `add`."""
        rows, self._waiting = self._waiting, []
        self._safely(lambda: self._write(_VECTORS, rows), None)

    def close(self) -> None:
        """Store what was queued, and close the database."""
        self.flush()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _known(self, files: Sequence[MediaFile]) -> dict[int, bytes]:
        by_path = {os.fsencode(file.path): file for file in files}
        known: dict[int, bytes] = {}
        for path, size, mtime_ns, ctime_ns, digest in self._select(_FILES, "", list(by_path)):
            seen = by_path[path].snapshot
            if (seen.size, seen.mtime_ns, _change_key(seen)) == (size, mtime_ns, ctime_ns):
                known[by_path[path].id] = digest
        return known

    def _rows(self, digests: Sequence[bytes]) -> dict[bytes, CachedRow]:
        if self._network_id() is None:
            return {}
        return {
            digest: CachedRow(np.frombuffer(vectors, np.float16).reshape(about[0], -1), width, height, Content(*about))
            for _, digest, width, height, *about, vectors in self._select(
                _VECTORS, f"network = {self._network} AND", digests
            )
        }

    def _ran_on(self) -> tuple[str, str, str] | None:
        found = self._open().execute("SELECT device, runtime, precision FROM networks WHERE key = ?", (self._key,))
        row = found.fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def _network_id(self) -> int | None:
        if self._network is None:
            row = self._open().execute("SELECT id FROM networks WHERE key = ?", (self._key,)).fetchone()
            self._network = None if row is None else row[0]
        return self._network

    def _new_network(self, ran_on: tuple[str, str, str]) -> int | None:
        with self._open() as database:
            database.execute("INSERT OR IGNORE INTO networks VALUES (NULL, ?, ?, ?, ?)", (self._key, *ran_on))
        return self._network_id()

    def _select(self, table: _Table, where: str, keys: Sequence[bytes]) -> Iterator[tuple[Any, ...]]:
        """Yield the intact rows whose last key column is in `keys`, without checksums; remove damaged ones."""
        columns, last, asked = ", ".join(table.columns), table.key[-1], set(keys)
        at, damaged = table.columns.index(last), []
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            query = (
                f"SELECT {columns}, checksum FROM {table.name} WHERE {where} {last} IN ({','.join('?' * len(part))})"
            )
            for *values, checksum in self._open().execute(query, part):
                if checksum == self._checksum(table, values) and values[at] in asked:
                    yield tuple(values)
                else:
                    damaged.append(values)
        if damaged:
            self._safely(lambda: self._remove(table, damaged), None)

    def _remove(self, table: _Table, damaged: Sequence[Sequence[object]]) -> None:
        """Remove damaged rows.

        Raises sqlite3.DatabaseError if a row is out of place, so that SQLite cannot find it by its key.
        """
        keys = [[values[table.columns.index(column)] for column in table.key] for values in damaged]
        with self._open() as database:
            condition = " AND ".join(f"{column} IS ?" for column in table.key)
            removed = database.executemany(f"DELETE FROM {table.name} WHERE {condition}", keys).rowcount
        if removed < len(damaged):
            raise sqlite3.DatabaseError("rows out of place")
        count = f"{removed:,} damaged row" + ("" if removed == 1 else "s")
        self._note(f"fastsim: the embedding cache {self.path} had {count}, now removed; the files are read again")

    def _write(self, table: _Table, rows: Iterable[Sequence[object]]) -> None:
        sealed = [(*values, self._checksum(table, values)) for values in rows]
        if sealed:
            marks = ",".join("?" * len(sealed[0]))
            with self._open() as database:
                database.executemany(f"INSERT OR REPLACE INTO {table.name} VALUES ({marks})", sealed)

    def _checksum(self, table: _Table, values: Sequence[object]) -> int:
        """Return the checksum of all columns of a row, and of the network's key if the row holds its number only."""
        # With its type: one flipped bit can turn bytes into text of the same bytes.
        parts = [
            b"b" + value
            if type(value) is bytes
            else type(value).__name__[:1].encode() + str(value).encode("utf-8", "surrogateescape")
            for value in values
        ]
        return crc32(b"\0".join(parts), self._seed if table is _VECTORS else 0)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            deadline = time.monotonic() + _PATIENCE
            while self._database is None:
                try:
                    self._database = _connect(self.path)
                except sqlite3.OperationalError as error:
                    # if several runs create a cache at once, SQLite rejects some of them without waiting
                    if (
                        getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY
                        or time.monotonic() > deadline
                    ):
                        raise
                    time.sleep(0.01)
        return self._database

    def _safely(self, work: Callable[[], T], otherwise: T) -> T:
        """Return `work()`, or `otherwise` if the cache cannot be used.

        A damaged cache is set aside and rebuilt; one that cannot be used is switched off.
        """
        if self._note is _ignore:
            return otherwise
        try:
            self._open()
            return work()
        except _OfTheUser:
            self._switch_off("it is a database of something else; give another --cache; the run goes on without it")
        except _OtherVersion as error:
            self._set_aside(f"was written by {error}", _REPLACED)
        except UnicodeDecodeError:  # of SQLite's own message, if names in it are damaged
            self._set_aside("was damaged")
        except (sqlite3.DatabaseError, OSError) as error:
            if _is_damage(error):
                self._set_aside(f"was damaged ({error})")
            else:
                self._switch_off(f"{getattr(error, 'strerror', None) or error}; the run goes on without it")
        return otherwise

    def _switch_off(self, reason: str) -> None:
        self._note(f"fastsim: the embedding cache {self.path} can't be used: {reason}")
        self._note = _ignore
        self._waiting.clear()
        self._database = None

    def _set_aside(self, reason: str, suffix: str = _DAMAGED) -> None:
        """Rename the file; the next use makes a new one."""
        self._network = None
        if self._database is not None:
            self._database.close()
            self._database = None
        aside = self.path.with_suffix(suffix)
        try:
            for part in ("-wal", "-shm"):
                Path(f"{self.path}{part}").unlink(missing_ok=True)
            self.path.replace(aside)
        except OSError as error:
            self._switch_off(f"{reason}, {error}")
            return
        self._note(f"fastsim: the embedding cache {reason}; it is now {aside}, and a new one is made")


class _OfTheUser(sqlite3.DatabaseError):
    """Report that the file is a database that fastsim did not make; it is left alone."""


class _OtherVersion(sqlite3.DatabaseError):
    """Report that the database has the tables of an older or newer version of fastsim; the text says which."""


def _is_damage(error: Exception) -> bool:
    """Return whether `error` comes from what the file holds, not from the disk, its permissions or another process.

    A table whose name or columns were damaged gives SQLITE_ERROR.
    """
    if not isinstance(error, sqlite3.OperationalError):
        return isinstance(error, sqlite3.DatabaseError)
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_ERROR


def _connect(path: Path) -> sqlite3.Connection:
    """Open the database at `path`; create it if it is new. Raises sqlite3.DatabaseError."""
    database = sqlite3.connect(path, timeout=_PATIENCE)
    database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")  # damaged text is no error of its own
    try:
        _check_owner(database)
        # A crash of the machine can lose the last commits of a write-ahead log; the cost is a new embedding.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        found = database.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, _VERSION):
            raise _OtherVersion(f"{'an older' if 0 < found < _VERSION else 'a newer'} version of fastsim")
        if found == 0:
            database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


def _check_owner(database: sqlite3.Connection) -> None:
    """Raise _OfTheUser for a database with other tables. Reads only."""
    database.execute("BEGIN")  # one view of the file for both questions: another run may be creating it
    try:
        if database.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION:
            return
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        database.rollback()
    if tables and not {"files", "networks", "vectors"} <= tables:  # caches before version 7 had no mark
        raise _OfTheUser("a database of something else")


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What `fastsim cache info` shows. `networks`: (key, number of vectors)."""

    path: Path
    bytes: int
    files: int
    networks: tuple[tuple[str, int], ...]


def info(folder: Path) -> CacheInfo | None:
    """Return what the cache holds, or None if there is none. Raises sqlite3.DatabaseError if it is damaged."""
    path = folder / NAME
    if not path.exists():
        return None
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)
    try:
        if database.execute("PRAGMA user_version").fetchone()[0] == 0:  # a run was killed before it made the tables
            return CacheInfo(path, path.stat().st_size, 0, ())
        files = database.execute("SELECT count(*) FROM files").fetchone()[0]
        query = "SELECT key, count(digest) FROM networks LEFT JOIN vectors ON network = id GROUP BY id ORDER BY id"
        networks = tuple((key, count) for key, count in database.execute(query))
    finally:
        database.close()
    size = sum(part.stat().st_size for part in _parts(path) if part.exists())
    return CacheInfo(path, size, files, networks)


def clear(folder: Path) -> int | None:
    """Remove the cache's files, and the local features, compiled networks and frames of videos beside them.

    Returns the bytes that this freed, None if there was no cache. Raises OSError, or FastsimError for a database of
    this name that fastsim did not make.
    """
    freed = None
    if (folder / NAME).is_file():
        with closing(sqlite3.connect(folder / NAME, timeout=_PATIENCE)) as database:
            try:
                _check_owner(database)
            except _OfTheUser:
                raise FastsimError(
                    f"{shown(str(folder / NAME))}: not a cache of fastsim; nothing was removed"
                ) from None
            except sqlite3.DatabaseError:
                pass  # damaged
    aside = ((folder / NAME).with_suffix(suffix) for suffix in (_DAMAGED, _REPLACED))
    ours = (*_parts(folder / NAME), *aside, *_parts(folder / FEATURES))
    for part in (*ours, *_beside(folder)):
        if part.exists():
            freed = (freed or 0) + part.stat().st_size
            part.unlink()
    return freed


def _beside(folder: Path) -> tuple[Path, ...]:
    """Return the files beside the database: compiled networks, and frames of videos."""
    return (*compiled_networks.files(folder), *frames.files(folder))


def _parts(path: Path) -> tuple[Path, ...]:
    return (path, Path(f"{path}-wal"), Path(f"{path}-shm"))


def _change_key(seen: Snapshot) -> int:
    """Return a value that tells a file from another one of its name, size and mtime: its ctime.

    Windows has none; there it is the inode number (unsigned, 64 bits) as the signed integer that SQLite stores.
    Elsewhere inode numbers may change by themselves.
    """
    if seen.ctime_ns is not None:
        return seen.ctime_ns
    return seen.inode - (1 << 64) if seen.inode >= 1 << 63 else seen.inode


def _ignore(_line: str) -> None:
    """Discard a note, for a cache that is switched off."""
