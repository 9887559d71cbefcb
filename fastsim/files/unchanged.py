"""Check whether a file is still the inspected one: by size, times and inode number and, in doubt, by its content.

An inode number is no identity everywhere (sshfs, rclone, unionfs and a vfat that was mounted again assign new ones),
and the ctime changes with a rename, a new hard link or another mode. So neither alone makes a file another one, if its
content was hashed.
"""

from __future__ import annotations

import os
from dataclasses import replace

from fastsim.inputs.digest import digest_of
from fastsim.records.files import Snapshot
from fastsim.records.plans import Plan

_CHANGED = "has changed since it was looked at"
_MAY_HAVE = "may have changed since it was looked at (its change time is another one, and its content was not hashed)"


class Checker:
    """Compare files with their snapshots, and remember whose content was read: one keeper may cover many files."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[Snapshot, int | None, bytes]] = {}

    def change(self, path: str, status: os.stat_result, seen: Snapshot, *, final: bool) -> str:
        """Return what shows that `path` (with status `status`) is not the file of `seen`; empty if it is.

        final: what follows cannot be undone, so the content is read if only size and mtime are known. Raises OSError.
        """
        now = Snapshot.from_stat(status)
        if (now.size, now.mtime_ns) != (seen.size, seen.mtime_ns):
            return _CHANGED
        knows_ctime = now.ctime_ns is not None and seen.ctime_ns is not None
        same_inode, same_ctime = now.inode == seen.inode, knows_ctime and now.ctime_ns == seen.ctime_ns
        # If a ctime equals the mtime, the file system may have none of its own.
        weak = final and not (knows_ctime and now.ctime_ns != now.mtime_ns)
        if same_inode and (same_ctime or not knows_ctime) and not (weak and seen.digest is not None):
            return ""
        if seen.digest is not None:
            return "" if self._digest(path, now) == seen.digest else _CHANGED
        if not final and (same_inode or same_ctime):
            return ""
        return _MAY_HAVE if same_inode else _CHANGED

    def _digest(self, path: str, now: Snapshot) -> bytes:
        known = self._read.get(path)
        if known is None or known[:2] != (now, now.ctime_ns):
            known = self._read[path] = (now, now.ctime_ns, digest_of(path))
        return known[2]


def with_digests(plan: Plan) -> Plan:
    """Return `plan` with the digests of all files that it names, for those that were not hashed yet.

    A file that has changed meanwhile, or cannot be read, gets none.
    """
    known: dict[str, bytes | None] = {}

    def hashed(path: str, seen: Snapshot | None) -> Snapshot | None:
        if seen is None or seen.digest is not None:
            return seen
        if path not in known:
            try:
                digest = digest_of(path)
                known[path] = digest if Snapshot.of(path) == seen else None
            except OSError:
                known[path] = None
        return replace(seen, digest=known[path])

    return replace(
        plan,
        operations=tuple(
            replace(
                one,
                snapshot=hashed(one.source, one.snapshot) or one.snapshot,
                keeper_snapshot=hashed(one.keeper or "", one.keeper_snapshot),
            )
            for one in plan.operations
        ),
    )
