"""Move or copy one file: nothing is ever overwritten, and a kill at any moment leaves it whole under a known name."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NamedTuple

_CHUNK = 1 << 22
_NO_HARD_LINKS = frozenset(
    getattr(errno, name) for name in ("EPERM", "EOPNOTSUPP", "ENOTSUP", "ENOSYS", "EMLINK") if hasattr(errno, name)
)
_O_BINARY: int = getattr(os, "O_BINARY", 0)


class ChangedError(Exception):
    """Report that the source changed while it was being moved or copied; it was left alone."""


class StoppedError(Exception):
    """Report that the user stopped in the middle of a copy; it was rolled back."""


class Stamp(NamedTuple):
    """Mtime and mode to restore if a file system on the way dropped them."""

    mtime_ns: int
    mode: int | None


def move(
    source: str, target: str, temporary: str, *, stop: Callable[[], bool] = lambda: False, stamp: Stamp | None = None
) -> None:
    """Give the file `source` the name `target`, on whatever file system. A link is moved itself, not its target.

    On one file system: a hard link, then unlink (without hard links: see `rename`). Across two: copy to `temporary`,
    which must be in the target's folder, fsync, read back and compare, rename, fsync the folder, and only then unlink
    the source. A `temporary` that an earlier run left is replaced. `stamp` is for the second way only.

    Raises FileExistsError if `target` exists, another OSError, ChangedError or StoppedError: then `source` is as it
    was, nothing is new at `target`, and `temporary` does not exist.
    """
    before = os.lstat(source)
    try:
        rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if not os.access(os.path.dirname(source), os.W_OK):  # before gigabytes are copied in vain
            raise PermissionError(errno.EACCES, "its folder can't be written to", source) from None
        if stat.S_ISLNK(before.st_mode):
            _copy_link(source, target, before)
        else:
            _copy_verified(source, target, temporary, stop, stamp)
        sync_folder(os.path.dirname(target))
        _unlink_moved(source, target, before)


def rename(source: str, target: str) -> None:
    """Rename within a file system, refusing a target that exists. Raises FileExistsError, OSError, ChangedError.

    Without hard links, an empty file of ours takes the name first and is then replaced by the source. Another program
    can lose data only if it replaces our empty file within those microseconds.
    """
    before = os.lstat(source)
    if os.name == "nt":
        os.rename(source, target)  # refuses by itself
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        try:
            os.replace(source, target)
        except OSError:
            os.unlink(target)
            raise
        return
    linked = os.lstat(target)
    if (before.st_size, before.st_mtime_ns) != (linked.st_size, linked.st_mtime_ns):
        os.unlink(target)
        raise ChangedError("it was replaced while it was being moved")
    _unlink_moved(source, target, linked)


def copy(source: str, target: str, temporary: str, *, stop: Callable[[], bool] = lambda: False) -> None:
    """Copy the content of `source`, with its times and mode, to the new file `target`; share blocks if possible.

    Nothing is fsynced: the source stays, and can be copied again. Raises like `move`.
    """
    before = os.stat(source)  # not fstat, whose numbers may differ from these on Windows
    with _leftover_removed(temporary):
        with open(source, "rb") as reader, _create(temporary) as writer:
            _copy_fast(reader, writer, stop)
        _copy_status(source, temporary, before, None)
        _check_same(before, os.stat(source), source, temporary)
        if os.stat(temporary).st_size != before.st_size:
            raise OSError(errno.EIO, "the copy is not as long as the file", source)
        rename(temporary, target)


def same_content(a: str, b: str) -> bool:
    """Return whether two names are equal files, byte by byte, or links to the same place. Raises OSError."""
    one, two = os.lstat(a), os.lstat(b)
    if stat.S_ISLNK(one.st_mode) and stat.S_ISLNK(two.st_mode):
        return os.readlink(a) == os.readlink(b)
    if not (stat.S_ISREG(one.st_mode) and stat.S_ISREG(two.st_mode) and one.st_size == two.st_size):
        return False
    with open(a, "rb") as left, open(b, "rb") as right:
        while block := left.read(_CHUNK):
            if block != right.read(len(block)):
                return False
        return not right.read(1)


def sync_folder(path: str) -> None:
    """Make the names in a folder durable, if the system can."""
    if os.name == "nt":
        return
    with suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def remove_leftover(path: str) -> None:
    """Remove a temporary file of ours, if it exists."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def _unlink_moved(source: str, target: str, before: os.stat_result) -> None:
    """Remove the old name of a file that has its new one; if that is not possible, remove the new one."""
    try:
        _check_same(before, os.lstat(source), source, target)
        os.unlink(source)
    except FileNotFoundError:
        return  # a network file system that lost its answer: it is gone, and the target exists
    except (OSError, ChangedError):
        if os.path.lexists(source):
            os.unlink(target)
        raise


def _copy_verified(source: str, target: str, temporary: str, stop: Callable[[], bool], stamp: Stamp | None) -> None:
    before = os.stat(source)
    with _leftover_removed(temporary):
        with open(source, "rb") as reader, _create(temporary) as writer:
            written = hashlib.sha256()
            while block := reader.read(_CHUNK):
                if stop():
                    raise StoppedError
                written.update(block)
                writer.write(block)
            writer.flush()
            os.fsync(writer.fileno())
            if sys.platform == "linux":  # read back what is on the disk, not what is still in memory
                os.posix_fadvise(writer.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with open(temporary, "rb") as reader:
            if hashlib.file_digest(reader, "sha256").digest() != written.digest():
                raise OSError(errno.EIO, "what was written reads back otherwise", target)
        _copy_status(source, temporary, before, stamp)
        _check_same(before, os.stat(source), source, temporary)
        rename(temporary, target)


def _copy_link(source: str, target: str, before: os.stat_result) -> None:
    os.symlink(os.readlink(source), target)
    if os.utime in os.supports_follow_symlinks:
        with suppress(OSError):
            os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)


def _copy_fast(reader: BinaryIO, writer: BinaryIO, stop: Callable[[], bool]) -> None:
    """Copy all bytes, by the kernel if it can, which on some file systems only shares the blocks."""
    if hasattr(os, "copy_file_range"):
        with suppress(OSError):  # not between these file systems: the loop below continues from where it stopped
            while os.copy_file_range(reader.fileno(), writer.fileno(), 1 << 26):
                if stop():
                    raise StoppedError
    while block := reader.read(_CHUNK):
        if stop():
            raise StoppedError
        writer.write(block)


def _copy_status(source: str, target: str, status: os.stat_result, stamp: Stamp | None) -> None:
    """Copy owner (as root), times, mode and extended attributes, as far as the file system takes them."""
    with suppress(OSError):
        if sys.platform != "win32" and os.geteuid() == 0:
            os.chown(target, status.st_uid, status.st_gid)
    with suppress(OSError):
        shutil.copystat(source, target)
    with suppress(OSError):
        clear_flags = getattr(os, "chflags", None)  # an immutable temporary file could not be renamed
        if clear_flags is not None:
            clear_flags(target, 0)
    if stamp is not None:
        os.utime(target, ns=(status.st_atime_ns, stamp.mtime_ns))
        if stamp.mode is not None:
            with suppress(OSError):
                os.chmod(target, stat.S_IMODE(stamp.mode))


def _check_same(before: os.stat_result, now: os.stat_result, source: str, copy: str) -> None:
    """Raise ChangedError unless `source` is still the file of `before`.

    If only its inode number differs, as some file systems assign new ones at any time, its content decides: `copy` has
    it.
    """
    changed = (before.st_size, before.st_mtime_ns) != (now.st_size, now.st_mtime_ns)
    if not changed and not os.path.samestat(before, now):
        changed = not same_content(os.path.realpath(source), os.path.realpath(copy))
    if changed:
        raise ChangedError("it changed while it was being read")


def _create(path: str) -> BinaryIO:
    """Create a file that only its owner can read until it is whole, in place of one that an earlier run left."""
    remove_leftover(path)
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _O_BINARY, 0o600), "wb")


@contextmanager
def _leftover_removed(path: str) -> Iterator[None]:
    """Remove the temporary file if the block fails, also by an interrupt: it is only ever a copy."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise
