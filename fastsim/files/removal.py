"""Remove a file only after its keeper was seen to survive that.

Two paths may lead to one file in ways that neither paths nor inode numbers show: a pool and the disk under it, a share
that is mounted twice. So a file that is to go is given another name first; if its keeper goes or changes with it, it
is put back.
"""

from __future__ import annotations

import os
import stat

from fastsim.errors import UsageError, reason_of, shown
from fastsim.files import transfer
from fastsim.files.unchanged import Checker
from fastsim.inputs.names import folded_name
from fastsim.records.plans import Op, Operation, Plan


class OneFileError(Exception):
    """Report that two paths of a plan lead to one file: the plan would remove the only copy."""

    def __init__(self, source: str, keeper: str) -> None:
        super().__init__(
            f"{shown(source)} and {shown(keeper)} are one file (a folder that is mounted or shared twice?), so it was "
            "put back; leave one of the two folders out of the INPUT"
        )


class KeeperLostError(transfer.ChangedError):
    """Report that the keeper disappeared, or changed, when its file was set aside or moved."""

    def __init__(self, witness: Witness, source: str) -> None:
        super().__init__(f"its keeper {shown(witness.path)} went, or changed, with it; it was put back")
        self.witness, self.source = witness, source


class Witness:
    """A file that must survive the removal of another one. Create it before anything happens to that."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._before = _look(path)
        self._after: os.stat_result | None = None
        self._one_folder = False

    def check(self, source: str, aside: str | None) -> None:
        """Raise KeeperLostError unless the file is still what it was, now that `source` has another name.

        aside: that name, if it is one in the folder of `source`.
        """
        if self._before is None:
            return
        self._after = now = _look(self.path)
        self._one_folder = aside is not None and self._is_in_one_folder_with(source, aside)
        if (
            now is None
            or (now.st_size, now.st_mtime_ns) != (self._before.st_size, self._before.st_mtime_ns)
            # A rename changes the ctime of the file: of every hard link of it, but of no other file.
            or (now.st_ctime_ns != self._before.st_ctime_ns and now.st_nlink < 2)
            or self._one_folder
        ):
            raise KeeperLostError(self, source)

    def came_back(self) -> bool:
        """Return whether it came back, or changed again, when the other file was put back: then both are one file."""
        now = _look(self.path)
        if now is None:
            return False
        return (
            self._one_folder
            or self._after is None
            or now.st_ctime_ns != self._after.st_ctime_ns
            or _differ(now, self._after)
        )

    def _is_in_one_folder_with(self, source: str, aside: str) -> bool:
        """Return whether a folder of another path shows `aside`, if the two files have the same name.

        A file system that caches names may continue to show a file that was renamed, but cannot have cached a new
        name.
        """
        folder, name = os.path.split(self.path)
        return (
            folded_name(name) == folded_name(os.path.basename(source))
            and folder != os.path.dirname(source)
            and os.path.lexists(os.path.join(folder, os.path.basename(aside)))
        )


def objection(one: Operation, checker: Checker) -> str:
    """Return why `one` must not happen: something has changed since the plan was made. Empty if nothing has."""
    final = one.target is None and not counts_as_equal(one)
    try:
        status = os.stat(one.source)
        if change := checker.change(one.source, status, one.snapshot, final=final):
            return f"it {change}"
    except OSError as error:
        return f"it is not there any more ({reason_of(error)})"
    if one.keeper is None:
        return ""
    keeper = shown(one.keeper)
    try:
        kept = os.stat(one.keeper)
        if not stat.S_ISREG(kept.st_mode) or kept.st_size == 0:
            return f"its keeper {keeper} is empty, or no file"
        if one.keeper_snapshot and (change := checker.change(one.keeper, kept, one.keeper_snapshot, final=final)):
            return f"its keeper {keeper} {change}"
    except OSError as error:
        return f"its keeper {keeper} is not there any more ({reason_of(error)})"
    # A link to its keeper may go: the link itself is removed. The keeper may not be another path of this same file.
    if os.path.realpath(one.keeper) == entry_path(one.source):
        return f"its keeper {keeper} leads to this very file"
    return ""


def counts_as_equal(one: Operation) -> bool:
    """Return whether the plan regarded the file and its keeper as equal, byte by byte."""
    digest = one.snapshot.digest
    return digest is not None and one.keeper_snapshot is not None and one.keeper_snapshot.digest == digest


def check_equal(one: Operation, aside: str) -> None:
    """Raise ChangedError if the file, now at `aside`, was to go as an equal of its keeper and is not.

    Digests may come from the cache, which cannot know of a disk that loses bits. Raises OSError.
    """
    if one.keeper is None or not counts_as_equal(one):
        return
    if not transfer.same_content(os.path.realpath(aside), os.path.realpath(one.keeper)):
        raise transfer.ChangedError(f"it is not equal to its keeper {shown(one.keeper)} any more, byte for byte")


def check_keepers(plan: Plan) -> None:
    """Raise UsageError if a file is the keeper of another one and is to go itself, under whatever path."""
    real_of: dict[str, str] = {}

    def real(path: str) -> str:
        folder, name = os.path.split(path)
        if folder not in real_of:
            real_of[folder] = os.path.realpath(folder)
        return os.path.join(real_of[folder], name)

    leaving = {real(one.source) for one in plan.operations if one.op != Op.COPY}
    for one in plan.operations:
        if one.keeper is not None and real(one.keeper) in leaving and real(one.keeper) != real(one.source):
            raise UsageError(
                f"{shown(one.keeper)} is to stay in place of {shown(one.source)}, and the plan removes it, too (under "
                "another path); plan again"
            )


def entry_path(path: str) -> str:
    """Return the real path of the name `path`: links in its folder are followed, but not the file if it is a link."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def set_aside(source: str, aside: str) -> None:
    """Give `source` the name `aside` in the same folder. Raises OSError or ChangedError; it is then as it was."""
    transfer.rename(source, aside)


def probe(source: str, aside: str, witness: Witness) -> None:
    """Check that the keeper survives when `source` has another name for a moment; it has its own again then.

    A move to another file system cannot be taken back in place: a pool of disks may store the file on another disk.
    Raises KeeperLostError, OSError or ChangedError.
    """
    set_aside(source, aside)
    try:
        witness.check(source, aside)
    finally:
        put_back(aside, source)


def put_back(aside: str, source: str) -> None:
    """Undo `set_aside`."""
    transfer.rename(aside, source)


def _look(path: str) -> os.stat_result | None:
    """Return the status of the opened file: `stat` alone may answer from a cache. None if it cannot be opened."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        return os.fstat(fd)
    except OSError:
        return None
    finally:
        os.close(fd)


def _differ(a: os.stat_result, b: os.stat_result) -> bool:
    return (a.st_size, a.st_mtime_ns) != (b.st_size, b.st_mtime_ns)
