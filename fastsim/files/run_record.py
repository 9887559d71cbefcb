"""Compare the journal of a run with the plan beside it, before an undo.

A journal is input. It may have lost its end, be a copy, or be made by someone else to have files moved; so no target
outside its own folder is followed, and no source that the plan beside it does not name.
"""

from __future__ import annotations

import os
from contextlib import suppress

from fastsim.errors import UsageError, quoted, shown
from fastsim.files.journal import JOURNAL_NAME, Journal, read_header
from fastsim.files.plan_file import PLAN_NAME, is_plan_of, plan_digest, planned_outs, read_head, read_plan, relocated
from fastsim.files.provenance import stranger
from fastsim.records.files import Skipped
from fastsim.records.plans import Operation, Plan


class RunRecord:
    """The journal `log`, completed from the plan beside it if its end is lost."""

    def __init__(self, log: Journal) -> None:
        """Complete the journal. Raises UsageError for a copy of a journal whose run is still where it was."""
        self.log = log
        _check_is_no_copy(log)
        self.plan = _plan_beside(log)
        self._sources = None if self.plan is None else {one.source for one in self.plan.operations}
        self._folders: dict[str, bool] = {}
        if self.plan is not None:
            if log.header is None:
                with suppress(OSError):
                    log.start({"digest": plan_digest(self.plan), "operations": len(self.plan.operations)})
            log.recover((i, one) for i, one in enumerate(self.plan.operations) if i not in log.entries)

    def unaccounted(self) -> Skipped | None:
        """Return what to report if the journal had more operations than it and the plan show."""
        planned = (self.log.header or {}).get("operations")
        if not isinstance(planned, int) or planned <= len(self.log.entries):
            return None
        return Skipped(
            self.log.path,
            f"it tells of {len(self.log.entries):,} of {planned:,} operations, and the plan is not beside it; look into "
            f"{shown(self.log.outs)} for files that were moved",
        )

    def stranger(self) -> str:
        """Return why a person should first look at what the journal does: someone else may have written it.

        Empty if not.
        """
        if not self.moves():
            return ""
        if self.plan is None:
            return "the plan of its run is not beside it"
        plan_path = os.path.join(self.log.outs, PLAN_NAME)
        header = self.log.header or {}
        head = header if "user" in header else read_head(plan_path)
        return stranger(head, self.log.path) or stranger(head, plan_path)

    def moves(self) -> list[tuple[str, str]]:
        """Return (from, to) of what an undo would move, as far as files are there and it may."""
        found = [entry.operation for entry in self.log.entries.values() if not (entry.undone or entry.failed)]
        return [
            (one.target, one.source)
            for one in found
            if one.target is not None and os.path.lexists(one.target) and not self.refusal(one)
        ]

    def refusal(self, one: Operation) -> str:
        """Return why `one` is not followed; empty if it may be."""
        if one.target is not None and not self._is_inside(one.target):
            return f"it is not in {shown(self.log.outs)}, the folder of the journal; it is left alone"
        if self._sources is not None and one.source not in self._sources:
            return f"the plan beside the journal does not name {shown(one.source)}; it is left alone"
        return ""

    def made_folders(self) -> list[str]:
        """Return the folders that the run had created, for itself and for its files."""
        outs = self.log.outs
        inside = [folder for folder in self.log.folders if self._is_inside(folder)]
        made = (self.log.header or {}).get("folders")
        above = [folder for folder in made if isinstance(folder, str)] if isinstance(made, list) else []
        first = str((self.log.header or {}).get("outs") or planned_outs(outs) or outs)
        if first != outs:  # it was moved: the folders above it are not those that the run created
            return [*inside, *([outs] if first in above else [])]
        return [*inside, *(folder for folder in above if _is_below(outs, folder))]

    def _is_inside(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if not name or name in (os.curdir, os.pardir):
            return False
        if folder not in self._folders:
            self._folders[folder] = _is_below(os.path.realpath(folder), os.path.realpath(self.log.outs))
        return self._folders[folder]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _plan_beside(log: Journal) -> Plan | None:
    """Return the plan in the journal's folder, for that folder, if it is whole and of the same run."""
    path = os.path.join(log.outs, PLAN_NAME)
    try:
        plan = read_plan(path)
    except UsageError:
        return None
    if log.header is not None and not is_plan_of(plan, log.header.get("digest")):
        return None
    return relocated(plan, log.outs)


def _check_is_no_copy(log: Journal) -> None:
    if log.header is None or log.was == log.outs:
        return
    original = os.path.join(log.was, JOURNAL_NAME)
    try:
        if os.path.samefile(original, log.path):
            return
        other = read_header(original) or {}
    except (UsageError, OSError):
        return  # nothing is there any more: the folder was moved here
    if all(other.get(key) == log.header.get(key) for key in ("digest", "time", "operations")):
        raise UsageError(
            f"{shown(log.path)}: a copy; the run itself lies in {shown(log.was)}, take it back with "
            f"`fastsim undo {quoted(log.was)}`"
        )
