"""`fastsim review`: find groups, or reopen those of a finished run, and serve the page where a person decides."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastsim import config, pipeline
from fastsim.choices import Pairs
from fastsim.cli.commands.shared import compute_of, scan_of
from fastsim.cli.image_options import ReviewOptions
from fastsim.config import Config
from fastsim.errors import ExitCode, FastsimError, UsageError, shown
from fastsim.files import plan_file
from fastsim.files.default_output import DEFAULT as DEFAULT_OUTS
from fastsim.files.journal import JOURNAL_NAME
from fastsim.grouping.keep_words import DEFAULT, KeepRules
from fastsim.inputs.archives import refuse_archives
from fastsim.planning import check_libraries
from fastsim.report.results import plural
from fastsim.review import build, export, from_plan, videos
from fastsim.review.rules import NAMES
from fastsim.review.serve import serve, serve_videos
from fastsim.review.server import Route
from fastsim.review.session import Session
from fastsim.review.store import Store, find_by_outs, folder, path_for
from fastsim.run.progress import for_stream
from fastsim.run.terminal import our_stderr, out


def review(options: ReviewOptions) -> ExitCode:
    """Run `fastsim review`: find or reopen, then serve until Ctrl-C."""
    _check(options)
    if options.export is not None:
        export.check_target(options.export)
    if (route := _videos(options)) is not None:
        serve_videos(route, port=options.port or 0, browser=not options.no_browser, say=_say)
        return ExitCode.DONE
    with _reopened(options) or _interrupted(options) or _reviewed(options) as store:
        if options.export is not None:
            return _export(store, options.export, options)

        outs = options.outs or store.setting("outs") or DEFAULT_OUTS
        if "openvino" in sys.modules or "onnxruntime" in sys.modules:
            _serve_in_a_new_process(store, outs, options)
        serve(store, outs=outs, port=options.port or 0, browser=not options.no_browser, say=_say)
    return ExitCode.DONE


def _serve_in_a_new_process(store: Store, outs: str, options: ReviewOptions) -> None:
    """Replace this process by one that only serves: the network's libraries hold memory as long as a process lives.

    Returns where that cannot be, as on Windows.
    """
    if os.name != "posix":
        return
    store.close()
    sys.stdout.flush()
    command = [sys.executable, "-P", "-m", "fastsim", "review", str(store.path), "--outs", outs]
    command += ["--port", str(options.port)] if options.port else []
    command += ["--no-browser"] if options.no_browser else []
    os.execv(sys.executable, command)


def _say(address: str) -> None:
    """Print where the page is."""
    out(f"Review: {address}")
    out("Ctrl-C ends it. Every decision is kept; the same command opens them again.")
    sys.stdout.flush()


def _videos(options: ReviewOptions) -> Route | None:
    """Return what shows videos, if the input is a report of video-duplicates or an output folder of videos."""
    if len(options.input.named) != 1:
        return None
    path = options.input.named[0]
    if (stretches := videos.read_stretches(path)) is not None:
        return videos.StretchRoutes(stretches)
    if (extracts := videos.read_frames(path)) is not None:
        return videos.FrameRoutes(extracts)
    return None


def _export(store: Store, folder: str, options: ReviewOptions) -> ExitCode:
    """Write the review to a folder that needs no server."""
    session = Session(store)
    total = sum(map(len, session.grouping.members))
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, options.output.quiet)
        with progress.bar("export", total, "images") as bar:
            export.write_export(session, folder, bar, config.usable_cpus())
    if not options.output.quiet:
        out(f"{plural(total, 'image')} in {shown(os.path.join(folder, 'index.html'))}; nothing there changes a file")
        out("Decisions that are saved from it: fastsim apply fastsim-decisions.json")
    return ExitCode.DONE


def _check(options: ReviewOptions) -> None:
    """Refuse what is impossible, before any work. Raises UsageError."""
    if options.port is not None and not 1 <= options.port <= 65535:
        raise UsageError(f"--port must be between 1 and 65535 (got {options.port})")
    config.check_thres(options.match.threshold)
    _rules(options.keep)


def _rules(keep: str | None) -> KeepRules:
    """Return the rules of --keep. Raises UsageError for those that the page does not know."""
    rules = DEFAULT if keep is None else KeepRules.parse(keep)
    for rule in rules.rules:
        if str(rule) not in (*NAMES, "intact") and rule.name not in ("format", "folder") and not rule.optional:
            allowed = ", ".join((*NAMES, "format:A>B>C", "folder:GLOB"))
            raise UsageError(f"--keep {shown(str(rule))}: the review page knows {allowed}; use one of these")
    return rules


def _reopened(options: ReviewOptions) -> Store | None:
    """Return the review of a plan or an output folder; None for other inputs. Raises UsageError."""
    if len(options.input.named) != 1:
        return None
    path = options.input.named[0]
    if Path(path).parent == folder():
        return Store(Path(path))
    is_outs = any(os.path.isfile(os.path.join(path, name)) for name in (plan_file.PLAN_NAME, JOURNAL_NAME))
    if not is_outs and (not os.path.isfile(path) or plan_file.read_head(path) is None):
        return None
    whole = os.path.realpath(path)
    if is_outs and (known := find_by_outs(whole)) is not None:
        return Store(known)
    where = path_for(("plan", whole))
    if (store := _opened(where)) is not None:
        return store
    with our_stderr(options.output.verbose) as stream:
        compute = compute_of(options.network, options.cache)
        return from_plan.create(path, where, compute, for_stream(stream, options.output.quiet))


def _interrupted(options: ReviewOptions) -> Store | None:
    """Return the review of these inputs if it was ended while it applied: that has to be finished or taken back first."""
    store = _opened(path_for(_key(options.input.named))) if "-" not in options.input.named else None
    if store is None:
        return None
    if any(run.state in ("running", "stopped") for run in store.runs()):
        if not options.output.quiet:
            out("The last apply of this review did not end; finish it or take it back, then review again.")
        return store
    store.close()
    return None


def _reviewed(options: ReviewOptions) -> Store:
    """Run the pipeline and store what it finds. Raises FastsimError."""
    settings = Config(
        scan=replace(scan_of(options.input, options.outs or DEFAULT_OUTS), references=options.reference),
        compute=compute_of(options.network, options.cache),
        thres=options.match.threshold,
        keep=_rules(options.keep),
        pairs=options.pairs,
        sidecars=not options.no_sidecars,
        verify=options.match.verify,
    )
    check_libraries(settings.scan)
    refuse_archives((*settings.scan.inputs, *settings.scan.listed))
    with our_stderr(options.output.verbose) as stream:
        found = pipeline.find(settings, for_stream(stream, options.output.quiet))
    if not options.output.quiet:
        out(f"{plural(len(found.files), 'image')}, {plural(len(found.groups), 'group')}")
    return _stored(found, settings, options)


def _stored(found: pipeline.Findings, settings: Config, options: ReviewOptions) -> Store:
    """Store what a run found as a review; decisions of an earlier review of the same inputs are taken over."""
    scan, compute = settings.scan, settings.compute
    about: Mapping[str, Any] = {
        "thres": settings.thres, "verify": settings.verify, "rules": _known(settings.keep),
        "pairs": settings.pairs == Pairs.KEEP, "sidecars": settings.sidecars, "argv": list(sys.argv), "outs": scan.outs,
        "title": ", ".join(map(shown, scan.inputs)) or "a list of files", "references": list(scan.references),
        "inputs": [*scan.inputs, *scan.listed],
    }  # fmt: skip
    fresh = build.found_of(found, about, workers=compute.workers, device=compute.device)
    path = path_for(_key((*scan.inputs, *scan.listed)))
    before = None
    if (earlier := _opened(path)) is not None:
        before = build.decisions_of(earlier)
        earlier.set_aside()  # where it has applied something, its output folder opens it again
    store = Store.create(path, fresh)
    if not options.decided.forget_decisions:
        if before is not None:
            build.take_over(before, store)
        build.take_apart(store)
    return store


def _known(rules: KeepRules) -> list[str]:
    """Return the rules that the page applies; it puts intact files first by itself."""
    return [str(rule) for rule in rules.rules if str(rule) in NAMES or rule.name in ("format", "folder")]


def _key(inputs: Sequence[str]) -> list[str]:
    """Return what names the review of some inputs."""
    return ["images", *map(os.path.realpath, inputs)]


def _opened(path: Path) -> Store | None:
    """Return the review at `path`; None where there is none that can be used."""
    try:
        return Store(path)
    except FastsimError:
        return None
