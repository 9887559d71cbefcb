"""`fastsim leakage`: which images of one split have copies in another, and a plan that removes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np

from fastsim import config
from fastsim.choices import DropMode
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import compute_of, environment_of, scan_of, skipped_lines, where
from fastsim.cli.set_options import LeakageOptions
from fastsim.errors import ExitCode, UsageError, quoted, shown
from fastsim.files import plan_file
from fastsim.files.default_output import choose_outs
from fastsim.inputs.archives import refuse_archives
from fastsim.leakage import find_leaks
from fastsim.leakage.leaks import COLUMNS, Between, Leaks, plan_removal
from fastsim.planning import check_libraries
from fastsim.records.pairs import Status
from fastsim.records.plans import Plan
from fastsim.report import results
from fastsim.report.left_out import left_out_json, left_out_lines
from fastsim.report.results import plural
from fastsim.report.tables import check_table, write_table
from fastsim.run.progress import for_stream
from fastsim.run.terminal import our_stderr, out

_SHOWN = 10


def leakage(options: LeakageOptions) -> ExitCode:
    """Run `fastsim leakage`: compare the splits, tell, plan."""
    _check(options)
    compute, what = compute_of(options.network, options.cache), scan_of(options.input)
    if options.plan:
        check_libraries(what)
        refuse_archives(what.inputs)
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, options.output.quiet)
        leaks = find_leaks(what, compute, options.match.threshold, verify=options.match.verify, progress=progress)
    plan = _plan(options, leaks) if options.plan and options.drop else None
    records = list(leaks.records())
    with results.json_first(_as_json(leaks, records), options.json.json):
        if options.out:
            write_table("--out", options.out, records, COLUMNS, name="pairs")
        if plan is not None and options.plan:
            plan_file.write_plan(plan, options.plan)
        for line in _summary(options, leaks, records, plan):
            out(line)
    if leaks.leaked():
        return ExitCode.FOUND
    return ExitCode.SKIPPED if leaks.skipped else ExitCode.DONE


def _check(options: LeakageOptions) -> None:
    """Refuse what is impossible or unsafe, before any work. Raises UsageError."""
    thres = config.check_thres(options.match.threshold)
    if "-" in options.input.named:
        raise UsageError(
            "leakage takes the folder of each split, not a list on stdin (got '-'); name two or more folders"
        )
    if bool(options.plan) != bool(options.drop):
        missing, why = ("--drop SPLIT", "--plan") if options.plan else ("--plan FILE", "--drop")
        raise UsageError(f"{why} needs {missing}, as a plan removes files from one split; give both, or neither")
    if options.mode == DropMode.CLEAN_DELETE:
        config.check_delete(thres, verified=options.match.verify, forced=options.force)
    written = [
        os.path.realpath(path) for path in (options.plan, options.out, options.json.json) if path and path != "-"
    ]
    if len(set(written)) < len(written):
        raise UsageError("--plan, --out and --json: two of them name the same file; name a file each")
    if options.plan:
        plan_file.check_plan_target(options.plan)
    if options.out is not None:
        check_table("--out", options.out)
    check_json(options.json.json)


def _plan(options: LeakageOptions, leaks: Leaks) -> Plan:
    """Return the plan of --plan. Raises UsageError for a split that is not there."""
    header: dict[str, object] = {
        "argv": list(sys.argv), "thres": options.match.threshold,
        **({"verify": True} if options.match.verify else {}),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    outs = os.path.abspath(choose_outs(options.outs, sys.argv, acts=False).path)
    return plan_removal(leaks, options.drop or "", options.mode, outs=outs, header=header)


def _as_json(leaks: Leaks, records: Sequence[dict[str, object]]) -> dict[str, object]:
    return {
        "splits": [asdict(split) for split in leaks.splits],
        "classes": list(leaks.classes),
        "between": [asdict(one) for one in _told(leaks)],
        "pairs": list(records),
        "skipped": [{"path": item.path, "reason": item.reason} for item in leaks.skipped],
        "timings": {name: round(seconds, 4) for name, seconds in leaks.timings.items()},
        "environment": environment_of(leaks.environment),
        "left_out": left_out_json(leaks.left_out),
    }


def _told(leaks: Leaks) -> list[Between]:
    """Return the counts of every two splits, and those of one split if it holds a copy of another class."""
    return [one for one in leaks.between() if one.left != one.right or one.conflicts]


def _table(counts: Sequence[Between], classes: bool) -> Iterator[str]:
    width = max([len("split"), *(len(shown(name)) for one in counts for name in (one.left, one.right))])
    head = f"{'split':<{width}}  {'split':<{width}}{'images':>9}{'images':>9}{'pairs':>9}"
    yield head + (f"{'other class':>13}" if classes else "")
    for one in counts:
        left, right = (f"{shown(name):<{width}}" for name in (one.left, one.right))
        of_right = "" if one.left == one.right else f"{one.of_right:,}"
        end = f"{one.conflicts:>13,}" if classes else ""
        yield f"{left}  {right}{one.of_left:>9,}{of_right:>9}{one.pairs:>9,}{end}"


def _summary(
    options: LeakageOptions, leaks: Leaks, records: Sequence[dict[str, object]], plan: Plan | None
) -> Iterator[str]:
    kind = "verified copies" if leaks.verified else f"look-alikes at {options.match.threshold:g} or more"
    counts = _told(leaks)
    if options.output.quiet:
        yield from _table(counts, bool(leaks.classes))
        return
    yield ", ".join(f"{shown(split.name)}: {plural(split.files, 'image')}" for split in leaks.splits)
    yield f"Images with copies in another split ({kind}):"
    yield from _table(counts, bool(leaks.classes))
    counted = np.flatnonzero(leaks.counted)
    best = counted[np.argsort(-leaks.pairs.score[counted], kind="stable")].tolist()
    shown_pairs = best if options.output.verbose else best[:_SHOWN]
    for k in shown_pairs:
        one = records[k]
        conflict = f"  classes {one['left_class']}, {one['right_class']}" if one["conflict"] else ""
        yield f"  {one['score']:.3f}  {shown(str(one['left']))}  {shown(str(one['right']))}{conflict}"
    if len(shown_pairs) < len(best):
        yield f"  and {len(best) - len(shown_pairs):,} more; --verbose, --out FILE.csv or --json FILE lists all of them"
    if undecided := len(leaks.pairs.having(Status.UNKNOWN)) if leaks.verified else 0:
        yield f"{plural(undecided, 'pair')} could not be decided (too even, or of several frames), and not counted"
    if plan is not None and options.plan:
        yield f"Plan: {plural(len(plan.operations), 'operation')} in {shown(options.plan)}; carry it out with:"
        yield f"  fastsim apply {quoted(options.plan)}"
    yield from skipped_lines(leaks.skipped, options.output.verbose)
    yield from left_out_lines(leaks.left_out)
    yield f"{where(leaks.environment)}; time {results.summary_timings(leaks.timings)}"
