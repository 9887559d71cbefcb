"""Write files that the user names, whole or not at all, and replace only files that fastsim wrote.

Each kind carries a mark inside. A file without it is the user's, whatever its name, and is never replaced; nor is a
symbolic link, whatever its target.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from fastsim import __version__
from fastsim.errors import FastsimError, UsageError, shown


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file, and the bytes that it begins or ends with if fastsim wrote it."""

    start: bytes = b""
    end: bytes = b""


_WRITTEN_BY = "written by fastsim"
NOTE = f"{_WRITTEN_BY} {__version__}"
"""Mark inside each kind, readable for people."""
JSON = Kind(start=f'{{\n "note": "{_WRITTEN_BY} '.encode())
HTML = Kind(start=f"<!doctype html><!-- {_WRITTEN_BY} ".encode())
SVG = Kind(start=f"<!-- {_WRITTEN_BY} ".encode())
CSV = Kind(start=f"{_WRITTEN_BY},".encode())
"""The name of the first column, which holds the version."""
NPZ = Kind(end=f"{_WRITTEN_BY} embed".encode())
"""The comment of the ZIP archive."""
INDEX = Kind(start=b"fastsim index ")
NEVER_OURS = Kind(start=b"never")
"""Of files that have no place for a mark of ours at their ends, such as Parquet: an existing one is never replaced."""


def check_target(option: str, path: str, kind: Kind, *, outs: str | None = None) -> None:
    """Raise UsageError if `whole_file` will not be able to write `path`: before hours of work, not after.

    `outs` is a folder that the run will create. Pipes and devices (`/dev/null`, `>(jq .)`) are accepted.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise UsageError(f"{option} {shown(path)}: it is a folder; name a file")
    if _is_stream(path):
        return
    if objection := _objection(path, kind):
        raise UsageError(f"{option} {shown(path)}: {objection}")
    if outs is not None and folder == os.path.abspath(outs):
        return
    if not is_writable_folder(folder):
        raise UsageError(f"{option} {shown(path)}: can't be written there; name a file in a folder that can be written")


@contextmanager
def whole_file(option: str, path: str, kind: Kind) -> Iterator[IO[bytes]]:
    """Yield a temporary file beside `path`, and rename it in the end: a reader sees the old file or the whole new one.

    A pipe or a device is written to directly. Raises FastsimError, also for a file that has appeared at `path`
    meanwhile.
    """
    temporary = None
    try:
        if _is_stream(path):
            with open(path, "wb") as stream:
                yield stream
            return
        folder = os.path.dirname(os.path.abspath(path))
        os.makedirs(folder, exist_ok=True)  # of an output folder that nothing else was written to
        with tempfile.NamedTemporaryFile("w+b", dir=folder, delete=False) as file:
            temporary = file.name
            yield file.file
        os.chmod(temporary, 0o666 & ~_umask())
        _put(temporary, path, option, kind)
    except OSError as error:
        raise FastsimError(
            f"{option} {shown(path)}: {error.strerror or error}; name a file in a folder that can be written"
        ) from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def _put(temporary: str, path: str, option: str, kind: Kind) -> None:
    """Move `temporary` to `path` unless a file of the user is there by now."""
    if not os.path.lexists(path):
        try:
            os.link(temporary, path)  # fails if the name is taken, which a rename does not
            return
        except OSError:
            pass  # taken after all, or a file system without hard links
    if objection := _objection(path, kind):
        raise FastsimError(f"{option} {shown(path)}: {objection}")
    os.replace(temporary, path)


def is_writable_folder(path: str) -> bool:
    """Return whether `path` is a folder in which files can be made."""
    return os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK)


def nearest_folder(path: str) -> str:
    """Return the innermost ancestor of the absolute `path` that exists: where a folder `path` would be made."""
    parent = os.path.dirname(path)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    return parent


def _is_stream(path: str) -> bool:
    """Return whether `path` leads to a pipe or a device."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _objection(path: str, kind: Kind) -> str | None:
    """Return why the file at `path` may not be replaced, and what to do; None if it may."""
    if not os.path.lexists(path):
        return None
    if os.path.islink(path):
        return "it is a symbolic link, and those are never written through; name the file itself, or another one"
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(len(kind.start))
            file.seek(max(0, size - len(kind.end)))
            end = file.read(len(kind.end))
    except OSError as error:
        return f"it exists and can't be read ({error.strerror}); give another name"
    if size and (start, end) != (kind.start, kind.end):
        return "it exists and was not written by this command; give another name, or remove it first"
    return None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
