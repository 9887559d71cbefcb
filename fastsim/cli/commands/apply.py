"""Carry out a plan, or finish an interrupted run (`fastsim apply`)."""

from __future__ import annotations

import os
from typing import Any

from fastsim.cli.commands.shared import confirm, outcome_code, outcome_lines, run_plan
from fastsim.cli.image_options import ApplyOptions
from fastsim.errors import ExitCode
from fastsim.files import plan_file
from fastsim.files.default_output import DEFAULT as DEFAULT_OUTS
from fastsim.files.journal import JOURNAL_NAME
from fastsim.files.output_folder import check_outs
from fastsim.records.plans import Plan
from fastsim.report.results import plural
from fastsim.run.progress import for_stream
from fastsim.run.terminal import complain, our_stderr, out


def apply(options: ApplyOptions) -> ExitCode:
    """Run `fastsim apply`."""
    plan, yes, quiet = options.plan, options.yes, options.output.quiet
    if os.path.isfile(plan) and (decided := _decisions(plan)) is not None:
        return decided_in_review(plan, decided, quiet)
    steps = _at_its_place(plan_file.read_plan(plan), plan)
    if not steps.operations:
        if not quiet:
            out("The plan holds no operations: nothing to do.")
        return ExitCode.DONE
    check_outs(steps.outs, _argv_of(steps))
    confirm(steps, yes)
    outcome = run_plan(steps, quiet=quiet)
    if not quiet:
        for line in outcome_lines(steps, outcome):
            out(line)
    return outcome_code(outcome)


def _decisions(path: str) -> dict[str, Any] | None:
    """Return what was decided in an exported review, if the file holds that; a plan begins otherwise."""
    if plan_file.read_head(path) is not None:
        return None
    from fastsim.review.export import read_decisions

    return read_decisions(path)


def decided_in_review(path: str, decided: dict[str, Any], quiet: bool) -> ExitCode:
    """Take decisions over into their review, and move the files that go. Raises UsageError."""
    from fastsim.review.export import import_decisions
    from fastsim.review.planning import Action, Scope, plan_review
    from fastsim.review.runs import Runs
    from fastsim.review.session import Session

    with import_decisions(path, decided) as store:
        session = Session(store)
        runs = Runs(session, os.path.abspath(store.setting("outs") or DEFAULT_OUTS))
        planned = plan_review(session, Action.MOVE, Scope.DECIDED, runs.free_outs())
        if planned.blocked:
            complain(
                f"{plural(len(planned.blocked), 'group')} left alone, as no copy would stay; confirm them in the review"
            )
        if not planned.plan.operations:
            out("Nothing to do: no file was changed.")
            return ExitCode.DONE
        with (
            our_stderr() as stream,
            for_stream(stream, quiet).bar("apply", len(planned.plan.operations), "files") as bar,
        ):
            outcome = runs.carry_out(planned.plan, bar)
    for line in () if quiet else outcome_lines(planned.plan, outcome):
        out(line)
    return outcome_code(outcome)


def _at_its_place(plan: Plan, path: str) -> Plan:
    """Return `plan` for its own folder, if that is the output folder of its run, moved or renamed."""
    folder = os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path))
    if os.path.basename(path) != plan_file.PLAN_NAME and not os.path.isdir(path):
        return plan
    return plan_file.relocated(plan, folder) if os.path.exists(os.path.join(folder, JOURNAL_NAME)) else plan


def _argv_of(plan: Plan) -> list[str] | None:
    argv = plan.header.get("argv")
    return [str(word) for word in argv] if isinstance(argv, list) else None
