"""Find, plan, apply, report (`fastsim images`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastsim import __version__, config, pipeline
from fastsim.choices import EQUAL_MODES, LINK_MODES, GroupBy, Mode, Scope
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import (
    compute_of,
    confirm,
    environment_of,
    outcome_code,
    outcome_lines,
    run_plan,
    scan_of,
    skipped_lines,
    where,
)
from fastsim.cli.image_options import ImagesOptions, ReviewOptions
from fastsim.config import Config
from fastsim.errors import ExitCode, FastsimError, UsageError, quoted, shown
from fastsim.files import plan_file
from fastsim.files.apply import Outcome
from fastsim.files.default_output import ChosenOuts, choose_outs, settle
from fastsim.files.plan import make_plan
from fastsim.files.unchanged import with_digests
from fastsim.grouping.keep_order import Reason
from fastsim.grouping.keep_words import DEFAULT, UNCROPPED, KeepRules, read_rules
from fastsim.inputs.archives import refuse_archives
from fastsim.inputs.filters import parse_pixels
from fastsim.planning import Settled, check_libraries, groups_for, refuse_losses, settle_units, unit_lines
from fastsim.quality import parse_flags
from fastsim.records import Group, Plan, by_keeper
from fastsim.report import pairs, results
from fastsim.report.exports import image_rows, write_export
from fastsim.report.flagged import flagged_json, flagged_lines
from fastsim.report.left_out import left_out_json, left_out_lines
from fastsim.report.listing import Names, planned_groups, summary_groups
from fastsim.report.results import Member, in_bytes, plural
from fastsim.report.tables import check_table
from fastsim.run.progress import for_stream
from fastsim.run.terminal import UnprintableError, complain, our_stderr, out, out_paths
from fastsim.run.timing import stage

_SHOWN_GROUPS = 3


@dataclass(frozen=True, slots=True)
class _Result:
    """The result of the run."""

    settled: Settled
    plan: Plan
    outcome: Outcome | None
    """None if nothing was done."""


def images(options: ImagesOptions) -> ExitCode:
    """Run `fastsim images`: find, plan, apply, report."""
    _check(options)
    if options.review:
        return _review(options)
    mode, group_by = options.mode, options.group_by
    acts = _acts(options)
    outs = choose_outs(options.outs, sys.argv, acts=acts)
    settings = _resolve(options, outs.path)
    if mode != Mode.GROUP_COPY and not options.dry_run:
        check_libraries(settings.scan)
    if acts or options.plan:
        refuse_archives((*settings.scan.inputs, *settings.scan.listed))
    if options.plan:
        plan_file.check_plan_target(options.plan)
        if options.json.json and os.path.realpath(options.plan) == os.path.realpath(options.json.json):
            raise UsageError(f"--plan and --json {shown(options.json.json)}: the same file; name a file each")
    if options.export is not None:
        _check_export(options.export, options)
    check_json(options.json.json, outs.path if acts else None)
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, options.output.quiet)
        found = groups_for(pipeline.find(settings, progress), mode, allow_different=options.allow_different)
        with stage("plan", found.timings):
            settled = settle_units(found, mode, group_by)
            if mode == Mode.CLEAN_DELETE and _keep(options) is None and not options.dry_run:
                refuse_losses(settled.losses, found)
            make = partial(
                make_plan, found.groups, {file.id: file for file in found.files}, mode=mode, group_by=group_by,
                trash=options.trash, header=_header(options), units=settled.units,
            )  # fmt: skip
            if acts:
                outs, plan = settle(outs, sys.argv, lambda folder: make(outs=folder))
            else:
                plan = make(outs=os.path.abspath(outs.path))
    outcome = None
    if acts and plan.operations:
        confirm(plan, options.yes)
        with stage("apply", found.timings):
            hashed = mode == Mode.CLEAN_DELETE or mode in LINK_MODES
            outcome = run_plan(with_digests(plan) if hashed else plan, quiet=options.output.quiet)
    elif options.plan:
        plan_file.write_plan(with_digests(plan), options.plan)
    if mode == Mode.LIST:
        out_paths([one.source for one in plan.operations], null=options.null)
        return _exit_code(found, None)
    try:
        _tell(options, found, _Result(settled, plan, outcome), outs)
    except UnprintableError:
        for line in () if outcome is None else outcome_lines(plan, outcome):
            complain(line)
        raise
    except KeyboardInterrupt:
        if outcome is None:
            raise
        complain(f"interrupted while telling of it; what was done is in {shown(outcome.journal or plan.outs)}")
        return ExitCode.INTERRUPTED
    return _exit_code(found, outcome)


def _tell(options: ImagesOptions, found: pipeline.Findings, result: _Result, outs: ChosenOuts) -> None:
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
    options: ImagesOptions, found: pipeline.Findings, result: _Result, told: Sequence[Group],
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
    options: ImagesOptions, found: pipeline.Findings, result: _Result, groups: Sequence[Sequence[Member]]
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


def _check_export(export: str, options: ImagesOptions) -> None:
    """Raise UsageError if --export cannot be written."""
    check_table("--export", export)
    for name, other in (("--plan", options.plan), ("--json", options.json.json)):
        if other and os.path.realpath(other) == os.path.realpath(export):
            raise UsageError(f"{name} and --export {shown(export)}: the same file; name a file each")


def _review(options: ImagesOptions) -> ExitCode:
    """Find groups as without --review, and leave the rest to the page."""
    from fastsim.cli.commands.review import review

    return review(
        ReviewOptions(
            input=options.input, reference=options.reference, match=options.match, outs=options.outs,
            output=options.output, keep=options.keep, pairs=options.pairs, no_sidecars=options.no_sidecars,
            decided=options.decided, network=options.network, cache=options.cache,
        )
    )  # fmt: skip


def _check(options: ImagesOptions) -> None:
    """Reject impossible or unsafe options, before any work. Raises UsageError."""
    mode, thres = options.mode, config.check_thres(options.match.threshold)
    keep = _keep(options)
    if keep is not None and keep.requires(UNCROPPED) and not options.match.verify:
        raise UsageError(f"--keep {UNCROPPED} needs --verify, which finds out what is a crop of what; add --verify")
    unreviewed = options.between or options.within or options.min_pixels or options.rules or options.flag
    if options.review and unreviewed:
        raise UsageError("--review goes without --between, --within, --min-pixels, --rules and --flag for now")
    if options.review and (options.dry_run or options.plan or options.json.json):
        raise UsageError("--review goes without --dry-run, --plan and --json: the page shows the plan, and applies it")
    if options.trash and mode != Mode.CLEAN_DELETE:
        raise UsageError(f"--trash goes with --mode clean_delete, not with {mode}; leave one of them out")
    if mode == Mode.CLEAN_DELETE and thres < config.DELETE_THRES and not (options.force or options.match.verify):
        raise UsageError(
            f"--mode clean_delete with --thres {thres:g}: refused under {config.DELETE_THRES:g}, where files "
            "may be merely alike; use --thres 0.95, or --verify, or --mode clean_move (can be undone), or --force if you are sure"
        )
    acts = _acts(options)
    if mode == Mode.LIST and (options.dry_run or options.plan or options.json.json or options.export or options.review):
        raise UsageError("--mode list prints paths only; leave out --dry-run, --plan, --json, --export and --review")
    if options.null and mode != Mode.LIST:
        raise UsageError(f"--null goes with --mode list, not with {mode}; leave one of them out")
    if options.allow_different and mode not in EQUAL_MODES:
        raise UsageError(
            f"--allow-different goes with --mode {' and '.join(EQUAL_MODES)}, not with {mode}; leave it out"
        )
    if options.review and mode in LINK_MODES:
        raise UsageError(f"--review goes without --mode {mode} for now; leave one of them out")
    asks = mode == Mode.CLEAN_DELETE and acts and not (options.yes or options.review)
    if asks and not (sys.stdin is not None and sys.stdin.isatty()):
        raise UsageError("--mode clean_delete: there is no terminal to ask on; add --yes, or look first with --dry-run")


def _keep(options: ImagesOptions) -> KeepRules | None:
    """Return the rules of --keep or --rules; None without either. Raises UsageError."""
    if options.keep is not None and options.rules is not None:
        raise UsageError(f"--keep and --rules {shown(options.rules)} exclude each other; leave one of them out")
    if options.rules is not None:
        return read_rules(options.rules)
    return None if options.keep is None else KeepRules.parse(options.keep)


def _acts(options: ImagesOptions) -> bool:
    """Whether the run changes files."""
    return not (options.dry_run or options.plan or options.mode == Mode.LIST)


def _scope(options: ImagesOptions) -> Scope:
    """Return the scope of --between and --within. Raises UsageError for both."""
    if options.between and options.within:
        raise UsageError("--between and --within exclude each other; leave one of them out")
    return Scope.BETWEEN if options.between else Scope.WITHIN if options.within else Scope.ALL


def _resolve(options: ImagesOptions, outs: str) -> Config:
    scan = replace(scan_of(options.input, outs), references=options.reference)
    return Config(
        scan=scan,
        compute=compute_of(options.network, options.cache),
        thres=options.match.threshold,
        keep=_keep(options) or DEFAULT,
        pairs=options.pairs,
        sidecars=not options.no_sidecars,
        verify=options.match.verify,
        decisions=not options.decided.forget_decisions,
        scope=config.check_scope(_scope(options), scan),
        flags=() if options.flag is None else parse_flags(options.flag),
        min_pixels=0 if options.min_pixels is None else parse_pixels(options.min_pixels, "--min-pixels"),
    )


def _header(options: ImagesOptions) -> dict[str, object]:
    return {
        "version": __version__,
        "argv": list(sys.argv),
        "mode": options.mode.value,
        "thres": options.match.threshold,
        **({"verify": True} if options.match.verify else {}),
        **({"references": [os.path.realpath(one) for one in options.reference]} if options.reference else {}),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _exit_code(found: pipeline.Findings, outcome: Outcome | None) -> ExitCode:
    code = ExitCode.DONE if outcome is None else outcome_code(outcome)
    return ExitCode.SKIPPED if code == ExitCode.DONE and found.skipped else code


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
    options: ImagesOptions, found: pipeline.Findings, result: _Result, groups: Sequence[Sequence[Member]]
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
