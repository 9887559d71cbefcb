"""Describe an earlier run in an output folder, from its journal."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from datetime import datetime

from fastsim.errors import quoted, shown
from fastsim.files.journal import JOURNAL_NAME, read_run

_LONGEST_COMMAND = 100


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """What a journal says of its run."""

    outs: str
    time: str
    """When it began, local time, to the minute; empty if the journal does not say."""
    command: str
    """The command line, cut at 100 characters; empty if the journal does not say."""
    settled: int
    """Operations that were done, or cannot be done."""
    planned: int

    @property
    def finished(self) -> bool:
        """Return whether the run has finished."""
        return self.settled >= self.planned

    def __str__(self) -> str:
        """Return `the run of 2026-11-28 09:30 (fastsim images photos), which finished`."""
        when = f" of {self.time}" if self.time else ""
        what = f" ({self.command})" if self.command else ""
        end = "finished" if self.finished else f"stopped after {self.settled:,} of {self.planned:,} files"
        return f"the run{when}{what}, which {end}"

    def ways_out(self) -> str:
        """Return what a user can do about it, as commands."""
        undo = f"take it back with: fastsim undo {quoted(self.outs)}"
        return undo if self.finished else f"finish it with: fastsim apply {quoted(self.outs)}, or {undo}"


def earlier_run(outs: str) -> EarlierRun | None:
    """Return the run whose journal is in the folder `outs`; None without a journal, or if it did not begin.

    Raises UsageError if the journal cannot be read.
    """
    path = os.path.join(outs, JOURNAL_NAME)
    if not os.path.lexists(path):
        return None
    header, entries = read_run(path)
    if header is None:
        return None
    planned = header.get("operations")
    return EarlierRun(
        outs,
        _local(header.get("time")),
        _typed(header.get("argv")),
        sum(not entry.pending for entry in entries),
        planned if isinstance(planned, int) else len(entries),
    )


def _local(time: object) -> str:
    try:
        return datetime.fromisoformat(str(time)).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""


def _typed(argv: object) -> str:
    """Return the command line as it could be typed; the program without its folder."""
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        return ""
    line = shown(shlex.join(["fastsim", *argv[1:]]))
    return line if len(line) <= _LONGEST_COMMAND else f"{line[: _LONGEST_COMMAND - 3]}..."
