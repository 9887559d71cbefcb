"""Check whether a run may use an output folder, and keep the run's plan and journal there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from fastsim.errors import UsageError, reason_of, shown
from fastsim.files.earlier_run import EarlierRun, earlier_run
from fastsim.files.journal import JOURNAL_NAME, Journal, read_header
from fastsim.files.owned import is_writable_folder, nearest_folder
from fastsim.files.plan_file import PLAN_NAME, is_plan_of, plan_digest, remove_plan, write_plan
from fastsim.files.provenance import here
from fastsim.files.transfer import remove_leftover, sync_folder
from fastsim.files.undo import remove_empty
from fastsim.records.plans import Plan

_DESKTOP_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that file managers leave in a folder that looks empty."""


class OutsTakenError(UsageError):
    """Report something in the output folder that this run must leave alone; `run`: which run, if it is one."""

    def __init__(self, outs: str, reason: str, run: EarlierRun | None = None) -> None:
        super().__init__(f"--outs {shown(outs)}: {reason}")
        self.run = run


def check_outs(outs: str, argv: Sequence[str] | None = None) -> None:
    """Raise UsageError if `outs` cannot be an output folder (OutsTakenError if it holds something else).

    Call it before hours of work, not after. The folder must not exist, be empty, or hold a run that was started with
    this same `argv` (which is then resumed).
    """
    path = os.path.abspath(outs)
    if os.path.isdir(path):
        _look_into(path)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise UsageError(f"--outs {shown(outs)}: it can't be written to; give another --outs")
        journal = os.path.join(path, JOURNAL_NAME)
        header = read_header(journal) if os.path.lexists(journal) else None
        if header is not None and (argv is None or header.get("argv") != list(argv)):
            raise _other_run(outs)
        return
    if os.path.lexists(path):
        raise OutsTakenError(outs, "it is not a folder; give a new or an empty folder")
    if not is_writable_folder(parent := nearest_folder(path)):
        raise UsageError(f"--outs {shown(outs)}: no folder can be made in {shown(parent)}; give another --outs")


def open_run(plan: Plan) -> Journal:
    """Create the output folder with the plan and a journal, or open those of an earlier run of `plan`.

    Raises UsageError if the folder cannot be used, holds anything else, or another process is working in it.
    """
    made = missing_folders(plan.outs)
    try:
        os.makedirs(plan.outs, exist_ok=True)
    except OSError as error:
        remove_empty(made)
        raise UsageError(
            f"--outs {shown(plan.outs)}: can't be made ({reason_of(error)}); give another --outs"
        ) from None
    _look_into(plan.outs)
    plan_path = os.path.join(plan.outs, PLAN_NAME)
    log = Journal(os.path.join(plan.outs, JOURNAL_NAME), create=True)
    try:
        if log.header is None:
            _start(plan, log, made)
        elif not is_plan_of(plan, log.header.get("digest")):
            raise _other_run(plan.outs)
        elif not os.path.lexists(plan_path):  # an undo was killed after removing it
            write_plan(plan, plan_path)
    except BaseException:
        log.close()
        raise
    return log


def check_same_plan(plan: Plan) -> None:
    """Raise OutsTakenError if the output folder holds a run of another plan: the files have changed since then."""
    journal = os.path.join(plan.outs, JOURNAL_NAME)
    header = read_header(journal) if os.path.lexists(journal) else None
    if header is not None and not is_plan_of(plan, header.get("digest")):
        raise _other_run(plan.outs)


def missing_folders(path: str) -> list[str]:
    """Return `path` and the folders above it that do not exist, outer ones first."""
    missing: list[str] = []
    while not os.path.lexists(path):
        missing.insert(0, path)
        path = os.path.dirname(path)
    return missing


def _start(plan: Plan, log: Journal, made: Sequence[str]) -> None:
    try:
        remove_plan(plan.outs)
        write_plan(plan, os.path.join(plan.outs, PLAN_NAME))
        log.start(
            {
                "digest": plan_digest(plan),
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "argv": plan.header.get("argv"),
                "operations": len(plan.operations),
                "outs": plan.outs,
                **here(),
                "folders": list(made),
            }
        )
    except (OSError, UsageError) as error:
        # Nothing has happened yet, so nothing need be left.
        log.close()
        with suppress(OSError):
            remove_plan(plan.outs)
            remove_leftover(log.path)
        remove_empty(made)
        cause = (
            error.__context__ if isinstance(error.__context__, OSError) else error
        )  # of a plan that cannot be written
        raise UsageError(
            f"--outs {shown(plan.outs)}: can't be written to ({reason_of(cause)}); make room, or give another --outs"
        ) from None
    sync_folder(plan.outs)


def _look_into(path: str) -> None:
    """Raise UsageError unless the folder is empty, or holds a journal."""
    try:
        names = set(os.listdir(path)) - _DESKTOP_LITTER
    except OSError as error:
        raise UsageError(f"--outs {shown(path)}: can't be read ({reason_of(error)}); give another --outs") from None
    if JOURNAL_NAME in names:
        return
    # A run that was killed before it had a journal has left nothing but its plan.
    foreign = sorted(name for name in names if not name.startswith(PLAN_NAME))
    if foreign:
        raise OutsTakenError(path, f"it is not empty ({shown(foreign[0])} is there); give a new or an empty folder")


def _other_run(outs: str) -> OutsTakenError:
    run = earlier_run(outs)
    if run is None:  # removed a moment ago
        return OutsTakenError(outs, "another run was there a moment ago; start this one again")
    return OutsTakenError(outs, f"it holds {run}; give another --outs, or {run.ways_out()}", run)
