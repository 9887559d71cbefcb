"""Members of archives: what they are called, where they lie, and which of them are refused."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST_MEMBERS = 1_000_000
"""An archive with more is refused: the list of its members would take a gigabyte."""
MOST_PACKED = 64 * 2**20
"""Bytes of a compressed member, unpacked: it has to be held in memory whole."""
_BOMB_RATIO, _BOMB_BYTES = 200, 2**20


class ArchiveError(Exception):
    """Report an archive that cannot be used, in words that follow its path."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. size: in bytes, unpacked; offset: of its data in a tar, of its local header in a zip."""

    name: str
    size: int
    offset: int
    packed: int | None = None
    """Bytes that it takes in a zip; None in a tar."""
    deflated: bool = False
    checksum: int = 0
    """CRC-32 in a zip."""


@dataclass(frozen=True, slots=True)
class Members:
    """The members of an archive by name, and those that are refused: (name, reason)."""

    found: dict[str, Member]
    refused: list[tuple[str, str]]


def collected(members: Iterable[Member | tuple[str, str]]) -> Members:
    """Sort members from those that are refused. Raises ArchiveError for too many."""
    found: dict[str, Member] = {}
    refused: list[tuple[str, str]] = []
    for count, one in enumerate(members):
        if count == MOST_MEMBERS:
            raise ArchiveError(f"more than {MOST_MEMBERS:,} members; split it")
        name, reason = one if isinstance(one, tuple) else (one.name, _objection(one, found))
        if reason:
            refused.append((name, reason))
        elif not isinstance(one, tuple):
            found[name] = one
    return Members(found, refused)


def _objection(member: Member, found: dict[str, Member]) -> str:
    """Return why a member is refused; empty if it is not."""
    if not member.name:
        return "it has no name"
    if _leads_out(member.name):
        return "its name leads out of the archive"
    if member.name in found:
        return "another member of the archive has the same name"
    if member.deflated and member.packed is not None:
        if member.size > max(_BOMB_BYTES, _BOMB_RATIO * member.packed):
            return f"it would unpack to {member.size // max(1, member.packed):,} times its size, as a bomb does"
        if member.size > MOST_PACKED:
            return f"more than {MOST_PACKED // 2**20} MiB in a compressed archive; unpack it"
    return ""


def _leads_out(name: str) -> bool:
    parts = re.split(r"[/\\]" if os.name == "nt" else "/", name)
    return name.startswith("/") or ".." in parts or "\0" in name or re.match(r"[A-Za-z]:[/\\]", name) is not None
