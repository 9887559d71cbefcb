"""Report a run of `fastsim images`: JSON, tables, the plan, and the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastsim import config, pipeline
from fastsim.choices import GroupBy, Mode
from fastsim.cli.commands.shared import (
    environment_of,
    outcome_lines,
    skipped_lines,
    where,
)
from fastsim.cli.image_options import ImagesOptions
from fastsim.errors import FastsimError, quoted, shown
from fastsim.files.apply import Outcome
from fastsim.files.default_output import ChosenOuts
from fastsim.grouping.keep_order import Reason
from fastsim.planning import Settled, unit_lines
from fastsim.records.pairs import Group, by_keeper
from fastsim.records.plans import Plan
from fastsim.report import pairs, results
from fastsim.report.exports import image_rows, write_export
from fastsim.report.flagged import flagged_json, flagged_lines
from fastsim.report.left_out import left_out_json, left_out_lines
from fastsim.report.listing import Names, planned_groups, summary_groups
from fastsim.report.results import Member, in_bytes, plural
from fastsim.run.terminal import complain, out

_SHOWN_GROUPS = 3


@dataclass(frozen=True, slots=True)
class Result:
    """The result of the run."""

    settled: Settled
    plan: Plan
    outcome: Outcome | None
    """None if nothing was done."""


def tell(options: ImagesOptions, found: pipeline.Findings, result: Result, outs: ChosenOuts) -> None:
    """Write the JSON file and print the plan and the summary.

    Raises FastsimError for the file after printing everything.
    """
    plan, outcome = result.plan, result.outcome
    told = found.groups if options.group_by == GroupBy.COMPONENT else by_keeper(found.groups)
    held = {i: Reason(words, "") for i, words in result.settled.units.held.items()}
    groups = results.members(told, found.files, found.embeddings, {**found.reasons, **held}, found.flagged)
    problem = _write_files(options, found, result, told, groups)
    if options.dry_run:
        for line in planned_groups(groups, plan, Names(found.files)):
            out(line)
    if not options.output.quiet:
        for line in _summary(options, found, result, groups):
            out(line)
        if outcome is not None and (note := outs.note()):
            out(note)
    if problem is not None:
        for line in outcome_lines(plan, outcome) if outcome is not None and options.output.quiet else ():
            complain(line)  # how to undo the run must be printed all the same
        raise problem


def _write_files(
    options: ImagesOptions, found: pipeline.Findings, result: Result, told: Sequence[Group],
    groups: Sequence[Sequence[Member]],
) -> FastsimError | None:  # fmt: skip
    """Write --json and --export; return what went wrong, to be raised when all has been printed."""
    try:
        if options.json.json:
            results.write_json(_as_json(options, found, result, groups), options.json.json)
        if options.export:
            write_export("--export", options.export, list(image_rows(told, groups, found.files, found.embeddings)))
    except FastsimError as error:
        return error
    return None


def _as_json(
    options: ImagesOptions, found: pipeline.Findings, result: Result, groups: Sequence[Sequence[Member]]
) -> dict[str, Any]:
    """Return the whole result."""
    plan, outcome = result.plan, result.outcome
    numbers = {
        **results.counts(found.files, found.skipped, groups), "companions": result.settled.count(),
        "references": sum(file.reference for file in found.files),
    }  # fmt: skip
    as_json = results.as_json(
        groups=groups, skipped=found.skipped, plan=plan, results=outcome.results if outcome else (),
        numbers=numbers, timings=found.timings, environment=environment_of(found.environment),
        damaged=results.damaged(found.files, found.embeddings),
    )  # fmt: skip
    as_json["left_out"] = left_out_json(found.left_out)
    if options.flag is not None:
        as_json["flagged"] = flagged_json(found.flagged, found.files)
    if found.verified is not None:
        places = pairs.not_different(found.verified)
        as_json["pairs"] = list(pairs.pair_records(found.verified, found.embeddings, found.files, places=places))
    return as_json


def _kind_of_groups(options: ImagesOptions) -> str:
    if not options.match.verify:
        return f"look-alikes at {options.match.threshold:g} or more"
    return "verified copies" + (f" at {options.match.threshold:g} or more" if options.match.threshold > 0 else "")


def _verified_lines(options: ImagesOptions, found: pipeline.Findings) -> Iterator[str]:
    """Yield what could not be decided, or that --verify could decide it."""
    if found.verified is None:
        if options.mode in (Mode.CLEAN_DELETE, Mode.CLEAN_MOVE) and found.groups:
            yield (
                "Scores alone can't tell pages, screens or nearly uniform images of one layout apart; "
                "--verify compares pixels and removes confirmed copies only"
            )
        return
    places = pairs.undecided(found.verified, config.DEFAULT_THRES)
    if places:
        yield (
            f"{plural(len(places), 'pair')} at {config.DEFAULT_THRES:g} or more could not be decided (too even, or of "
            "several frames); no file was removed for it:"
        )
    told = list(
        pairs.pair_records(found.verified, found.embeddings, found.files, places=places[: _shown(options, places)])
    )
    for one in told:
        yield f"  {one['score']:.3f}  {shown(one['left'])}  {shown(one['right'])}"
    if len(told) < len(places):
        yield f"  and {len(places) - len(told):,} more; --verbose or --json FILE lists all of them"


def _shown(options: ImagesOptions, places: Sequence[int]) -> int:
    return len(places) if options.output.verbose else 5


def _summary(
    options: ImagesOptions, found: pipeline.Findings, result: Result, groups: Sequence[Sequence[Member]]
) -> Iterator[str]:
    """Yield the summary, most important first."""
    plan, outcome = result.plan, result.outcome
    numbers = results.counts(found.files, found.skipped, groups)
    if not found.files:
        yield f"No images found in {', '.join(map(shown, options.input.named))}; no file was changed."
        yield from skipped_lines(found.skipped, options.output.verbose)
        yield from left_out_lines(found.left_out)
        return
    references = sum(file.reference for file in found.files)
    among = f", {references:,} of them in reference folders" if options.reference else ""
    yield (
        f"{plural(numbers['files'], 'image')}{among}, {plural(numbers['groups'], 'group')} of {_kind_of_groups(options)}; "
        f"{plural(numbers['redundant'], 'file')} ({in_bytes(numbers['redundant_bytes'])}) "
        "could go, the best of each group kept"
    )
    if not options.dry_run:  # which has listed them all
        limit = len(groups) if options.output.verbose else _SHOWN_GROUPS
        yield from summary_groups(groups, limit, Names(found.files))
    yield from unit_lines(result.settled, found)
    if found.apart:
        yield f"{plural(found.apart, 'pair')} kept apart, as decided before (--forget-decisions groups such pairs)"
    if outcome is not None:
        yield from outcome_lines(plan, outcome)
    elif options.plan:
        yield f"Plan: {plural(len(plan.operations), 'operation')} in {shown(options.plan)}; carry it out with: "
        yield f"  fastsim apply {quoted(options.plan)}"
    elif options.dry_run:
        yield "Dry run: no file was changed."
    else:
        yield "Nothing to do: no file was changed."
    yield from _verified_lines(options, found)
    yield from results.summary_frames(found.embeddings)
    yield from results.summary_damaged(results.damaged(found.files, found.embeddings), options.output.verbose)
    yield from flagged_lines(found.flagged, found.files, everything=options.output.verbose)
    yield from skipped_lines(found.skipped, options.output.verbose)
    yield from left_out_lines(found.left_out)
    yield where(found.environment)
    if options.output.verbose and found.environment.traffic.as_dict():
        yield f"Moved {found.environment.traffic}"
    yield f"Time {results.summary_timings(found.timings)}"
