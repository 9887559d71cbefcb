"""Move files to the desktop's trash, without orphans of a failed or killed move."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote

from fastsim.errors import reason_of

_INFO = ".trashinfo"


def to_trash(path: str) -> None:
    """Move a file to the trash. Raises OSError; nothing is left in the trash then."""
    from send2trash import send2trash

    remove_orphans(path)  # of a run that was killed there
    try:
        send2trash(path)
    except OSError as error:  # it is about the trash: "no such file" would be understood of the image
        remove_orphans(path)
        raise OSError(errno.EIO, f"the trash can't be used ({reason_of(error)})", path) from None
    if os.path.lexists(path):
        raise OSError(errno.EIO, "the trash did not take it", path)


def remove_orphans(path: str) -> None:
    """Remove records of the trash that name `path` but have no file: the record is written before the file moves.

    Only freedesktop.org's trash has records, on Linux and similar systems.
    """
    if sys.platform in ("win32", "darwin"):
        return
    stem = os.path.splitext(os.path.basename(path))[0]
    for trash, top in _trash_folders(path):
        info = os.path.join(trash, "info")
        with suppress(OSError):
            names = [name for name in os.listdir(info) if name.startswith(stem) and name.endswith(_INFO)]
            for name in names:
                file = os.path.join(trash, "files", name.removesuffix(_INFO))
                if not os.path.lexists(file) and _names(os.path.join(info, name), path, top):
                    os.unlink(os.path.join(info, name))


def _trash_folders(path: str) -> Iterator[tuple[str, str]]:
    """Yield (trash folder, base of its relative paths) of the home folder and of the file system of `path`."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    yield os.path.join(data, "Trash"), data
    top = os.path.dirname(os.path.realpath(path))
    while not os.path.ismount(top):
        top = os.path.dirname(top)
    user = str(os.getuid())
    yield os.path.join(top, ".Trash", user), top
    yield os.path.join(top, f".Trash-{user}"), top


def _names(info: str, path: str, top: str) -> bool:
    """Return whether the record `info` is of `path`."""
    with open(info, "rb") as file:
        for line in file.read(1 << 16).splitlines():
            if line.startswith(b"Path="):
                found = os.path.join(top, unquote(os.fsdecode(line[5:]), errors="surrogateescape"))
                return os.path.realpath(found) == os.path.realpath(path)
    return False
