"""Let one run at a time move or delete: two runs that inspected the same files may have chosen opposite keepers.

There is one lock for the user and one for each file system on which files are to go, whatever the output folders. The
system releases them when the process ends, in whatever way. The run that waited checks every file again.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

_BUSY = frozenset({errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK})
_PAUSE = 0.05


class StoppedWaitingError(Exception):
    """Report that the user ended the wait for another run."""


@contextmanager
def alone(paths: Iterable[str], stop: Callable[[], bool], waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the locks inside the block; wait for another run that holds one, and call `waiting` once before.

    paths: files that are to go. Without locks (Windows, some file systems), nothing is locked. Raises
    StoppedWaitingError if `stop` returns True meanwhile.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return

    def lock(fd: int) -> None:
        told = False
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno not in _BUSY:
                    return  # no locks here
            if not told:
                told = True
                waiting()
            if stop():
                raise StoppedWaitingError
            time.sleep(_PAUSE)

    with ExitStack() as stack:
        for fd in _files_to_lock(paths):
            stack.callback(os.close, fd)
            lock(fd)
        yield


def _files_to_lock(paths: Iterable[str]) -> Iterator[int]:
    """Open files, always in the same order: the user's own, then the root folder of each file system."""
    own = os.path.join(tempfile.gettempdir(), f"fastsim-{os.getuid()}.lock")
    with suppress(OSError):
        fd = os.open(own, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid():
            yield fd
        else:
            os.close(fd)
    for root in sorted(_roots(paths)):
        with suppress(OSError):
            yield os.open(root, os.O_RDONLY)


def _roots(paths: Iterable[str]) -> set[str]:
    """Return the root folders of the file systems that hold `paths`."""
    roots: dict[int, str] = {}
    for folder in {os.path.dirname(path) for path in paths}:
        with suppress(OSError):
            device = os.stat(folder).st_dev
            if device not in roots:
                roots[device] = _root_of(os.path.realpath(folder), device)
    return set(roots.values())


def _root_of(folder: str, device: int) -> str:
    while (parent := os.path.dirname(folder)) != folder and os.stat(parent).st_dev == device:
        folder = parent
    return folder
