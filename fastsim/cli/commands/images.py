"""Find, plan, apply, report (`fastsim images`)."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from fastsim import __version__, config, pipeline
from fastsim.choices import EQUAL_MODES, LINK_MODES, Mode, Scope
from fastsim.cli.commands.images_report import Result, tell
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import (
    compute_of,
    confirm,
    outcome_code,
    outcome_lines,
    run_plan,
    scan_of,
)
from fastsim.cli.image_options import ImagesOptions, ReviewOptions
from fastsim.config import Config
from fastsim.errors import ExitCode, UsageError, shown
from fastsim.files import plan_file
from fastsim.files.apply import Outcome
from fastsim.files.default_output import choose_outs, settle
from fastsim.files.plan import make_plan
from fastsim.files.unchanged import with_digests
from fastsim.grouping.keep_words import DEFAULT, UNCROPPED, KeepRules, read_rules
from fastsim.inputs.archives import refuse_archives
from fastsim.inputs.filters import parse_pixels
from fastsim.planning import check_libraries, groups_for, refuse_losses, settle_units
from fastsim.quality import parse_flags
from fastsim.report.tables import check_table
from fastsim.run.progress import for_stream
from fastsim.run.terminal import UnprintableError, complain, our_stderr, out_paths
from fastsim.run.timing import stage


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
        tell(options, found, Result(settled, plan, outcome), outs)
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
