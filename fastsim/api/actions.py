"""Plan what happens to groups, carry it out, and take it back."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from fastsim import __version__, config
from fastsim.api.images import Found
from fastsim.api.options import StrPath, check_words, progress_of
from fastsim.choices import LINK_MODES, GroupBy, Mode
from fastsim.errors import UsageError, shown
from fastsim.files import apply, plan, undo
from fastsim.files.journal import Journal, journal_in
from fastsim.files.output_folder import check_outs
from fastsim.files.run_record import RunRecord
from fastsim.files.unchanged import with_digests
from fastsim.inputs.archives import refuse_archives
from fastsim.planning import check_libraries, groups_for, refuse_losses, settle_units
from fastsim.records.plans import Plan
from fastsim.report import results
from fastsim.run.progress import Callback


def make_plan(
    found: Found, outs: StrPath, *, mode: str = "group_copy", trash: bool = False, force: bool = False,
    allow_different: bool = False,
) -> Plan:  # fmt: skip
    """Return what `mode` would do to the files of `found`, as data. No file is changed.

    Args:
        found: The result of `find`.
        outs: A new or empty folder for groups or removed files, and for the journal.
        mode: "group_copy", "group_move", "clean_move", "clean_delete", "link_hard", "link_symbolic" or "link_reflink".
        trash: Let "clean_delete" move files to the desktop's trash.
        force: Allow "clean_delete" for groups that were found below a threshold of 0.9.
        allow_different: Let "link_hard" and "link_reflink" link similar files, not only equal ones.

    Raises:
        FastsimError: If the folder cannot be used, or the mode is not allowed.
    """
    check_words(("mode", mode, [one for one in Mode if one != Mode.LIST]))
    thres, findings = found.settings.thres, groups_for(found.findings, Mode(mode), allow_different=allow_different)
    if trash and mode != Mode.CLEAN_DELETE:
        raise UsageError(f"trash goes with mode 'clean_delete' (got {mode!r})")
    if mode == Mode.CLEAN_DELETE and thres < config.DELETE_THRES and not force:
        raise UsageError(
            f"mode 'clean_delete' needs thres {config.DELETE_THRES:g} or more (got {thres:g}), or force=True: below, files "
            "may be merely alike"
        )
    if mode != Mode.GROUP_COPY:
        check_libraries(found.settings.scan)
    refuse_archives(found.settings.scan.inputs)
    folder = os.path.abspath(os.fsdecode(outs))
    check_outs(folder)
    settled = settle_units(findings, Mode(mode), GroupBy(found.group_by))
    if mode == Mode.CLEAN_DELETE and not found.keep_named:
        refuse_losses(settled.losses, findings)
    header: dict[str, object] = {
        "version": __version__,
        "argv": ["fastsim.make_plan"],
        "mode": mode,
        "thres": thres,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    steps = plan.make_plan(
        findings.groups, {file.id: file for file in findings.files}, mode=Mode(mode), trash=trash,
        group_by=GroupBy(found.group_by), outs=folder, header=header, units=settled.units,
    )  # fmt: skip
    return with_digests(steps) if mode == Mode.CLEAN_DELETE or mode in LINK_MODES else steps


def apply_plan(steps: Plan, *, progress: bool | Callback = False) -> apply.Outcome:
    """Carry out a plan, or finish an interrupted run of it. Files are deleted without a question.

    Files that have changed since the plan was made are left alone. In the main thread, Ctrl-C ends the run between two
    files.

    Args:
        steps: The plan, of `make_plan` or `read_plan`.
        progress: True for a bar on stderr, or a function that is called as progress(stage, done, total).

    Raises:
        FastsimError: If the output folder cannot be used.
    """
    with progress_of(progress).bar("apply", len(steps.operations), "files") as bar:
        return apply.apply_plan(steps, bar=bar)


def undo_run(journal: StrPath, *, trust: bool = False, progress: bool | Callback = False) -> undo.Undone:
    """Undo the moves and copies of a run.

    Args:
        journal: The journal of the run, or its output folder.
        trust: Follow a journal that someone else may have written: of another user or machine, or without the plan of
            its run beside it.
        progress: True for a bar on stderr, or a function that is called as progress(stage, done, total).

    Raises:
        FastsimError: If there is no journal, it is in use, or it may be someone else's and `trust` is False.
    """
    path = os.fsdecode(journal)
    with Journal(journal_in(path)) as log:
        record = RunRecord(log)
        if not trust and (why := record.stranger()):
            raise UsageError(
                f"{shown(path)} may be someone else's: {why}. It moves back {results.plural(len(record.moves()), 'file')}; "
                "pass trust=True if that is right"
            )
        with progress_of(progress).bar("undo", len(log.entries), "files") as bar:
            return undo.undo_record(record, bar=bar)
