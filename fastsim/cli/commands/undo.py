"""Undo a run (`fastsim undo`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from fastsim.cli.commands.shared import ask, tell_waiting
from fastsim.cli.image_options import UndoOptions
from fastsim.errors import ExitCode, FastsimError, UsageError, quoted, shown
from fastsim.files import plan_file
from fastsim.files.journal import Journal, journal_in
from fastsim.files.run_record import RunRecord
from fastsim.files.undo import Undone, undo_record
from fastsim.report.results import plural
from fastsim.run.progress import for_stream
from fastsim.run.terminal import complain, our_stderr, out

_SHOWN = 10


def undo(options: UndoOptions) -> ExitCode:
    """Run `fastsim undo`."""
    journal, yes, quiet = options.journal, options.yes, options.output.quiet
    with Journal(journal_in(journal)) as log:
        record = RunRecord(log)
        _approve(record, journal, yes)
        with our_stderr() as stream, for_stream(stream, quiet).bar("undo", len(log.entries), "files") as bar:
            undone = undo_record(record, bar=bar, waiting=tell_waiting)
    for failure in undone.failed[:_SHOWN]:
        complain(f"{shown(failure.path)}: {failure.reason}")
    if len(undone.failed) > _SHOWN:
        complain(f"and {plural(len(undone.failed) - _SHOWN, 'more file')} for such reasons")
    if not quiet:
        for line in _undo_lines(undone, journal):
            out(line)
    if undone.interrupted:
        complain(f"interrupted; run fastsim undo {quoted(journal)} again to go on")
        return ExitCode.INTERRUPTED
    return ExitCode.SKIPPED if undone.failed or undone.gone or undone.trashed else ExitCode.DONE


def _undo_lines(undone: Undone, journal: str) -> Iterator[str]:
    """Yield what was undone, what cannot be, and what to do about that."""
    if undone.restored:
        yield f"Moved back: {plural(undone.restored, 'file')}."
    if undone.removed:
        yield f"Copies removed: {plural(undone.removed, 'file')}."
    outs = os.path.dirname(journal_in(journal))
    if undone.gone:
        yield (
            f"Deleted, cannot be restored: {plural(undone.gone, 'file')}; "
            f"{shown(os.path.join(outs, plan_file.PLAN_NAME))} lists them with the file that was kept for each."
        )
    if undone.trashed:
        yield f"In the trash: {plural(undone.trashed, 'file')}; restore them from there."
    if undone.failed:
        yield (
            f"Could not be taken back: {plural(len(undone.failed), 'file')}, left as they are (see above). Plan and "
            f"journal stay; run fastsim undo {quoted(journal)} again when the reasons are gone."
        )
    elif undone.complete:
        yield "Everything is as it was before the run."


def _approve(record: RunRecord, journal: str, yes: bool) -> None:
    """Show what a journal of someone else would have moved, and ask. Raises UsageError, FastsimError."""
    why = record.stranger()
    if not why or yes:
        return
    moves = record.moves()
    head = f"{shown(journal)} may be someone else's: {why}. It moves back {plural(len(moves), 'file')}"
    if not sys.stdin.isatty():
        example = f", such as {shown(moves[0][0])} to {shown(moves[0][1])}" if moves else ""
        raise UsageError(f"{head}{example}; add --yes if that is right")
    out(f"{head}:")
    for source, target in moves[:_SHOWN]:
        out(f"  {shown(source)} -> {shown(target)}")
    if len(moves) > _SHOWN:
        out(f"  and {len(moves) - _SHOWN:,} more")
    if not ask("Go on?"):
        raise FastsimError("not confirmed; no file was changed")
