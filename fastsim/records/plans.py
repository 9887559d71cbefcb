"""Describe what happens to files: operations, plans and results."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum

from fastsim.records.files import Snapshot


class Op(StrEnum):
    """What `apply` can do to one file."""

    COPY = "copy"
    MOVE = "move"
    DELETE = "delete"
    TRASH = "trash"
    LINK_HARD = "link_hard"
    LINK_SYMBOLIC = "link_symbolic"
    LINK_REFLINK = "link_reflink"


LINKS = (Op.LINK_HARD, Op.LINK_SYMBOLIC, Op.LINK_REFLINK)
"""Operations that move a file to the output folder and put a link to its keeper in its place."""
MOVES = (Op.MOVE, *LINKS)
"""Operations that move a file to the output folder."""


def numbered(name: str, k: int) -> str:
    """Return `name` with `_k` before its suffix, for a name that is taken; at most 255 bytes, the usual limit."""
    stem, suffix = os.path.splitext(name)
    while stem and len(os.fsencode(f"{stem}_{k}{suffix}")) > 255:
        stem = stem[:-1]
    return f"{stem}_{k}{suffix}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of a plan. `target` is None for delete and trash; `keeper` is the file that stays in its place.

    `keeper` is set in the clean modes only: nothing is removed unless its keeper exists, as `keeper_snapshot` has it.
    """

    op: Op
    source: str
    target: str | None
    snapshot: Snapshot
    keeper: str | None = None
    score: float | None = None
    keeper_snapshot: Snapshot | None = None
    part_of: str | None = None
    """For a sidecar: the source of its image, whose operation comes before it in the plan."""
    why: str | None = None
    """Why `keeper` is kept, in words."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, as pure data: printed by --dry-run, written by --plan, executed by apply."""

    outs: str
    """Absolute path of the output folder, which also holds the journal."""
    operations: tuple[Operation, ...]
    header: dict[str, object] = field(default_factory=dict)
    """Provenance: version, argv, mode, thres, time of creation (ISO 8601)."""


@dataclass(frozen=True, slots=True)
class OpResult:
    """The result of one operation; `reason` says why it was not done."""

    operation: Operation
    done: bool
    reason: str = ""
