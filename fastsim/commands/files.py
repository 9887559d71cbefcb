"""`fastsim apply` and `fastsim undo`: plans carried out, and runs taken back."""

from __future__ import annotations

from fastsim import planfile
from fastsim.commands.shared import confirm, outcome_code, outcome_lines, run_plan
from fastsim.console import complain, our_stderr, out
from fastsim.errors import ExitCode, quoted, shown
from fastsim.journal import count_operations
from fastsim.outs import check_outs
from fastsim.progress import for_stream
from fastsim.records import Plan
from fastsim.report import plural
from fastsim.undo import undo as undo_journal


def apply(*, plan: str, yes: bool, quiet: bool) -> ExitCode:
    """`fastsim apply`: carry out a plan file, or finish an interrupted run."""
    steps = planfile.read_plan(plan)
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


def undo(*, journal: str, quiet: bool) -> ExitCode:
    """`fastsim undo`: take a run back."""
    total = count_operations(journal)
    with our_stderr() as stream, for_stream(stream, quiet).bar("undo", total, "files") as bar:
        undone = undo_journal(journal, bar=bar)
    for failure in undone.failed:
        complain(f"{shown(failure.path)}: {failure.reason}")
    if not quiet:
        out(f"Moved back: {plural(undone.restored, 'file')}. Copies removed: {undone.removed:,}.")
        if undone.gone:
            out(f"Deleted or in the trash, and not to be had back from here: {plural(undone.gone, 'file')}.")
        if undone.failed:
            out(
                f"Could not be taken back: {plural(len(undone.failed), 'file')}; each was left where it is (see above)."
            )
        elif not undone.interrupted:
            out("Everything that could be taken back is back.")
    if undone.interrupted:
        complain(f"interrupted; run fastsim undo {quoted(journal)} again to go on")
        return ExitCode.INTERRUPTED
    return ExitCode.SKIPPED if undone.failed or undone.gone else ExitCode.DONE


def _argv_of(plan: Plan) -> list[str] | None:
    argv = plan.header.get("argv")
    return [str(word) for word in argv] if isinstance(argv, list) else None
