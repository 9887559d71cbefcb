"""Carry out a plan, or finish an interrupted run (`fastsim apply`)."""

from __future__ import annotations

import os

from fastsim.cli.commands.shared import confirm, outcome_code, outcome_lines, run_plan
from fastsim.cli.image_options import ApplyOptions
from fastsim.errors import ExitCode
from fastsim.files import plan_file
from fastsim.files.journal import JOURNAL_NAME
from fastsim.files.output_folder import check_outs
from fastsim.records import Plan
from fastsim.run.terminal import out


def apply(options: ApplyOptions) -> ExitCode:
    """Run `fastsim apply`."""
    plan, yes, quiet = options.plan, options.yes, options.output.quiet
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


def _at_its_place(plan: Plan, path: str) -> Plan:
    """Return `plan` for its own folder, if that is the output folder of its run, moved or renamed."""
    folder = os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path))
    if os.path.basename(path) != plan_file.PLAN_NAME and not os.path.isdir(path):
        return plan
    return plan_file.relocated(plan, folder) if os.path.exists(os.path.join(folder, JOURNAL_NAME)) else plan


def _argv_of(plan: Plan) -> list[str] | None:
    argv = plan.header.get("argv")
    return [str(word) for word in argv] if isinstance(argv, list) else None
