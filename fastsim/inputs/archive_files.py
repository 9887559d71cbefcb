"""Find the images inside an archive that was named as an input."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fastsim.errors import reason_of
from fastsim.inputs.archives import list_members, unread_archive
from fastsim.inputs.archives.members import ArchiveError
from fastsim.inputs.recognition import recognise
from fastsim.inputs.selection import Rules
from fastsim.records.files import MEMBER, Skipped, Snapshot

_OF_MACS = "__MACOSX/"
"""Folder of a zip that macOS packs beside the files, for what it keeps of them elsewhere."""


def archive_files(path: str, status: os.stat_result, rules: Rules) -> Iterator[tuple[str, Snapshot] | Skipped]:
    """Yield the images of the archive `path` under their paths, and what cannot be read of it.

    status: of the archive, whose times and inode number are those of its members.
    """
    if (reason := unread_archive(path)) is not None:
        yield Skipped(path, reason)
        return
    try:
        listed = list_members(path)
    except ArchiveError as error:
        yield Skipped(path, str(error))
        return
    except OSError as error:
        yield Skipped(path, reason_of(error))
        return
    for name, reason in listed.refused:
        if rules.is_named_media(os.path.basename(name)):
            yield Skipped(path + MEMBER + name, reason)
    of_archive = Snapshot.from_stat(status)
    for name, member in listed.found.items():
        full, last = path + MEMBER + name, os.path.basename(name)
        if last.startswith("._") or name.startswith(_OF_MACS) or rules.excluded(last, name, full):
            continue
        try:
            wanted = rules.is_plain(last) or _is_wanted(full, last, rules)
        except OSError as error:
            yield Skipped(full, reason_of(error))
            continue
        if wanted:
            yield full, Snapshot(member.size, of_archive.mtime_ns, of_archive.inode, of_archive.ctime_ns)


def _is_wanted(path: str, name: str, rules: Rules) -> bool:
    """Return whether an image can be read here. Raises OSError."""
    found = recognise(path, name, rules.kind)
    return found is not None and found.is_readable()
