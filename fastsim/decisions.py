"""Pairs of images that a person has called "not a duplicate", by content.

The key of a pair is the two BLAKE2b-256 digests of its files, so that a decision survives renames, moves and new scans,
and no longer applies once either file changes. The database is an SQLite file in the user's data folder.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastsim.errors import FastsimError, shown

_NAME = "decisions.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS apart (
    first BLOB NOT NULL, second BLOB NOT NULL, first_path BLOB NOT NULL, second_path BLOB NOT NULL, time REAL NOT NULL,
    PRIMARY KEY (first, second)
) WITHOUT ROWID;
"""
Pair = tuple[bytes, bytes]
"""Digests of the two files, the lower one first."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Two contents that are not duplicates of each other.

    first, second: digests, first <= second; paths: where the files lay when the decision was made; time: seconds since
    the epoch.
    """

    first: bytes
    second: bytes
    first_path: str
    second_path: str
    time: float


def data_folder() -> Path:
    """Return FASTSIM_DATA_DIR, or the folder that the system has for data of a program."""
    if chosen := os.environ.get("FASTSIM_DATA_DIR"):
        return Path(chosen)
    from platformdirs import user_data_path

    return user_data_path("fastsim", appauthor=False)


def database() -> Path:
    """Return the path of the decisions database, which need not exist."""
    return data_folder() / _NAME


def ordered(one: bytes, other: bytes) -> Pair:
    """Return two digests as the key of their pair."""
    return (one, other) if one <= other else (other, one)


def pair_of(one: tuple[bytes, str], other: tuple[bytes, str]) -> Apart:
    """Return the record of a decision made now for two files, each given as (digest, path)."""
    (first, first_path), (second, second_path) = sorted([one, other])
    return Apart(first, second, first_path, second_path, time.time())


def read_pairs(path: Path | None = None) -> frozenset[Pair]:
    """Return the pairs that are not duplicates; empty where there is no database. Raises FastsimError."""
    path = path or database()
    if not path.exists():
        return frozenset()
    with _opened(path) as base:
        return frozenset(base.execute("SELECT first, second FROM apart"))


def read_all(path: Path | None = None) -> list[Apart]:
    """Return the decisions, the oldest first; empty where there is no database. Raises FastsimError."""
    path = path or database()
    if not path.exists():
        return []
    with _opened(path) as base:
        rows = base.execute("SELECT first, second, first_path, second_path, time FROM apart ORDER BY time")
        return [Apart(a, b, os.fsdecode(a_path), os.fsdecode(b_path), when) for a, b, a_path, b_path, when in rows]


def remember(pairs: Iterable[Apart], path: Path | None = None) -> None:
    """Add decisions, committed to disk before this returns. Raises FastsimError."""
    path = path or database()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise FastsimError(f"{shown(str(path.parent))}: {error.strerror}; set FASTSIM_DATA_DIR") from None
    with _opened(path) as base:
        base.executemany(
            "INSERT OR REPLACE INTO apart VALUES (?, ?, ?, ?, ?)",
            [(p.first, p.second, os.fsencode(p.first_path), os.fsencode(p.second_path), p.time) for p in pairs],
        )


def forget(pairs: Iterable[Pair], path: Path | None = None) -> None:
    """Take decisions back. Raises FastsimError."""
    path = path or database()
    if path.exists():
        with _opened(path) as base:
            base.executemany("DELETE FROM apart WHERE first = ? AND second = ?", list(pairs))


def clear(path: Path | None = None) -> int:
    """Remove all decisions and return how many there were. Raises FastsimError."""
    path = path or database()
    if not path.exists():
        return 0
    with _opened(path) as base:
        return base.execute("DELETE FROM apart").rowcount


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database and commit at the end of the block. Raises FastsimError for a database that can't be used."""
    try:
        with closing(sqlite3.connect(path, timeout=20)) as base:
            base.executescript(_SCHEMA)
            with base:
                yield base
    except sqlite3.Error as error:
        raise FastsimError(
            f"{shown(str(path))}: the decisions can't be read or written ({error}); move the file away, or use "
            "--forget-decisions"
        ) from None
