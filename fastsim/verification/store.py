"""Keep features by content, in a file of their own beside the embedding cache, for later runs.

The store is only an optimisation: a damaged file is rebuilt, one that cannot be used is left alone, and no method
raises an error for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from fastsim.verification.features import COUNT, Features

NAME = "features.sqlite"
LIMIT = 20_000
"""Images that are kept, those stored last: some 16 kB each."""
_VERSION = 2
_ROW = 8 + 32
"""Bytes of a feature."""
_PATIENCE = 5.0
_CHUNK = 500


class FeatureStore:
    """The store in `folder` for features of one recipe, which must contain everything that changes them.

    Use it from one thread.
    """

    def __init__(self, folder: Path, recipe: str) -> None:
        self._path = folder / NAME
        self._recipe = recipe
        self._seed = crc32(recipe.encode())
        self._database: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = self._open()
        except sqlite3.OperationalError:
            pass  # read-only, full, or locked for long: continue without it
        except (sqlite3.DatabaseError, OSError):
            self._renew()

    def get(self, digests: Sequence[bytes]) -> dict[bytes, Features]:
        """Return the features that are stored, by digest. Damaged rows are left out."""
        found: dict[bytes, Features] = {}
        if self._database is None:
            return found
        try:
            for start in range(0, len(digests), _CHUNK):
                part = list(digests[start : start + _CHUNK])
                marks = ",".join("?" * len(part))
                query = f"SELECT digest, width, data, checksum FROM features WHERE recipe = ? AND digest IN ({marks})"
                for digest, width, data, checksum in self._database.execute(query, [self._recipe, *part]):
                    if (features := self._decoded(digest, width, data, checksum)) is not None:
                        found[digest] = features
        except sqlite3.OperationalError:
            self.close()
        except sqlite3.DatabaseError:
            self._renew()
        return found

    def put(self, features: Mapping[bytes, Features]) -> None:
        """Store features by digest; beyond LIMIT images, the oldest rows are dropped."""
        if self._database is None or not features:
            return
        rows = [(self._recipe, digest, *self._encoded(digest, one)) for digest, one in features.items()]
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?, ?)", rows)
                self._database.execute(
                    "DELETE FROM features WHERE rowid <= (SELECT max(rowid) FROM features) - ?", (LIMIT,)
                )
        except sqlite3.OperationalError:
            self.close()
        except sqlite3.DatabaseError:
            self._renew()

    def close(self) -> None:
        """Close the store."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _encoded(self, digest: bytes, features: Features) -> tuple[int, bytes, int]:
        data = features.places.tobytes() + features.descriptors.tobytes()
        return features.width, data, self._checksum(digest, features.width, data)

    def _decoded(self, digest: bytes, width: object, data: object, checksum: object) -> Features | None:
        if not isinstance(data, bytes) or not isinstance(width, int) or len(data) % _ROW or len(data) > COUNT * _ROW:
            return None
        if self._checksum(digest, width, data) != checksum:
            return None
        count = len(data) // _ROW
        places = np.frombuffer(data, np.uint16, 4 * count).reshape(count, 4)
        return Features(places, np.frombuffer(data, np.uint8, 32 * count, 8 * count).reshape(count, 32), width)

    def _checksum(self, digest: bytes, width: int, data: bytes) -> int:
        return crc32(data, crc32(digest + str(width).encode(), self._seed))

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_PATIENCE)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            if database.execute("PRAGMA user_version").fetchone()[0] not in (0, _VERSION):
                raise sqlite3.DatabaseError("made by another version of fastsim")
            database.executescript(
                "CREATE TABLE IF NOT EXISTS features (recipe TEXT, digest BLOB, width INT, data BLOB, checksum INT, "
                f"UNIQUE (recipe, digest)); PRAGMA user_version = {_VERSION};"
            )
        except BaseException:
            database.close()
            raise
        return database

    def _renew(self) -> None:
        """Create a new, empty store in place of a damaged one."""
        self.close()
        try:
            for path in files(self._path.parent):
                path.unlink(missing_ok=True)
            self._database = self._open()
        except (sqlite3.Error, OSError):
            self._database = None


def files(folder: Path) -> tuple[Path, ...]:
    """Return the files that the store consists of."""
    return tuple(folder / f"{NAME}{suffix}" for suffix in ("", "-wal", "-shm"))
