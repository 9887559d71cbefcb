"""Put a link to its keeper in the place of a file that was moved away, and take it back.

The file itself is in the output folder, so that an undo restores it as it was. What is at the source counts as our link
only if it leads to the keeper, or holds the same bytes as the moved file: anything else is someone else's, and stays.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from contextlib import suppress

from fastsim.errors import shown
from fastsim.files import removal, transfer
from fastsim.records.files import Snapshot
from fastsim.records.plans import Op, Operation

_FICLONE = 0x40049409
"""ioctl of Linux that makes a file share all blocks of another one (ioctl_ficlonerange(2))."""
_NO_REFLINKS = frozenset(
    getattr(errno, name) for name in ("EOPNOTSUPP", "ENOTTY", "ENOSYS", "EINVAL") if hasattr(errno, name)
)


class NoReflinksError(OSError):
    """The file system has no reflinks."""


def put_link(one: Operation, temporary: str) -> None:
    """Create the link of `one`, whose source was moved to its target. Nothing is overwritten.

    temporary: a name in the folder of the source; what an earlier run left there is removed. Raises OSError, and
    NoReflinksError where the file system has none.
    """
    keeper = os.path.realpath(one.keeper or "")
    if one.op == Op.LINK_SYMBOLIC:
        os.symlink(_text(one, keeper), one.source)
    elif one.op == Op.LINK_HARD:
        os.link(keeper, one.source)
    else:
        _reflink(keeper, one, temporary)


def is_link(one: Operation, moved: Snapshot) -> bool:
    """Return whether what is at the source of `one`, whose target exists, is the link that `put_link` made.

    A file with the bytes of the target, if that is whole, or for a reflink with those of the keeper, counts as one: no
    bytes are lost with it. moved: the file at the target.
    """
    if one.target is None or one.keeper is None or not os.path.lexists(one.source) or not os.path.lexists(one.target):
        return False
    there, keeper = os.lstat(one.source), os.path.realpath(one.keeper)
    if one.op == Op.LINK_SYMBOLIC:
        return stat.S_ISLNK(there.st_mode) and os.readlink(one.source) == _text(one, keeper)
    if not stat.S_ISREG(there.st_mode):
        return False
    if os.path.exists(keeper) and os.path.samestat(there, os.stat(keeper)):
        return one.op == Op.LINK_HARD and there.st_nlink > 1 and removal.entry_path(one.source) != keeper
    equals = [one.target, *([keeper] if one.op == Op.LINK_REFLINK and os.path.exists(keeper) else [])]
    return _is_whole(one, moved) and any(transfer.same_content(one.source, os.path.realpath(path)) for path in equals)


def remove_link(one: Operation, moved: Snapshot) -> None:
    """Remove the link of `one` if it is there; its target and its keeper keep all bytes. Raises OSError."""
    if is_link(one, moved):
        os.unlink(one.source)


def is_same_file(source: str, keeper: str) -> bool:
    """Return whether two paths lead to one file already, so that there is nothing to link."""
    try:
        return os.path.samefile(source, keeper)
    except OSError:
        return False


def _text(one: Operation, keeper: str) -> str:
    """Return what a symbolic link says: the way from its real folder, so that both may be moved together."""
    folder = os.path.realpath(os.path.dirname(one.source))
    try:
        return os.path.relpath(keeper, folder)
    except ValueError:  # another drive of Windows
        return keeper


def _is_whole(one: Operation, moved: Snapshot) -> bool:
    """Return whether the target is the moved file, and no placeholder or other name of the source."""
    there = os.lstat(one.target or "")
    whole = (there.st_size, there.st_mtime_ns) == (moved.size, moved.mtime_ns)
    return whole and not os.path.samestat(there, os.lstat(one.source))


def _reflink(keeper: str, one: Operation, temporary: str) -> None:
    if sys.platform != "linux":
        raise NoReflinksError(errno.EOPNOTSUPP, "reflinks are made on Linux only; use --mode link_hard")
    import fcntl

    transfer.remove_leftover(temporary)
    try:
        with open(keeper, "rb") as reader:
            into = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                fcntl.ioctl(into, _FICLONE, reader.fileno())
            finally:
                os.close(into)
        with suppress(OSError):
            shutil.copystat(os.path.realpath(one.target or ""), temporary)
        transfer.rename(temporary, one.source)
    except OSError as error:
        transfer.remove_leftover(temporary)
        if error.errno in _NO_REFLINKS:
            raise NoReflinksError(
                error.errno,
                f"the file system of {shown(one.source)} has no reflinks; use --mode link_hard or link_symbolic",
            ) from None
        raise
