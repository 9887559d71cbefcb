"""Keep compiled networks on disk, beside the embedding cache.

Compiling one takes as long as embedding a hundred images. A file is the SHA-256 of what follows, and then what the
runtime exported. The store is only an optimisation: a damaged file is removed and counts as missing, because a runtime
does not detect a flipped bit in a weight; a file that cannot be written is left out.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_NAME = re.compile(r"network-[0-9a-f]{16}\.(bin|\d+\.new)")
"""Strict, because files of these names are removed: a folder that the user named may hold a network-2.bin of their
own.
"""
_MOST = 3
"""Number of files that are kept, some 20 MB each: the last used ones."""


class CompiledStore:
    """The compiled networks in `folder`. Several processes may use it at a time: files appear whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: Sequence[object]) -> bytes | None:
        """Return what was saved for `key` (everything that the compiled form depends on), or None."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                digest, exported = file.read(32), file.read()
            os.utime(path)
        except OSError:
            return None
        if hashlib.sha256(exported).digest() == digest:
            return exported
        self.remove(key)
        return None

    def save(self, key: Sequence[object], exported: bytes) -> None:
        """Store `exported`, and remove those that were not used for longest."""
        path = self._path(key)
        new = path.with_suffix(f".{os.getpid()}.new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(new, "wb") as file:
                file.write(hashlib.sha256(exported).digest())
                file.write(exported)
            new.replace(path)
            by_age = sorted(files(self._folder), key=lambda found: found.stat().st_mtime_ns)
            for old in by_age[:-_MOST]:
                old.unlink(missing_ok=True)
        except OSError:
            pass  # the next run compiles again
        finally:
            with suppress(OSError):
                new.unlink(missing_ok=True)

    def remove(self, key: Sequence[object]) -> None:
        """Remove what was saved for `key`."""
        with suppress(OSError):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: Sequence[object]) -> Path:
        name = hashlib.sha256(repr(tuple(key)).encode()).hexdigest()[:16]
        return self._folder / f"network-{name}.bin"


def files(folder: Path) -> list[Path]:
    """Return the compiled networks in `folder`, and those that a killed run left half-written."""
    return [path for path in folder.glob("network-*") if _NAME.fullmatch(path.name)]
