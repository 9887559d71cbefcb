"""`fastsim index`: keep the vectors of a set of images in a file for later searches."""

from __future__ import annotations

import os

from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import compute_of, environment_of, scan_of, skipped_lines, where
from fastsim.cli.set_options import IndexOptions
from fastsim.errors import ExitCode, UsageError, shown
from fastsim.report import results
from fastsim.report.left_out import left_out_json, left_out_lines
from fastsim.report.results import in_bytes, plural
from fastsim.retrieval.building import Built, build_index
from fastsim.run.progress import for_stream
from fastsim.run.terminal import our_stderr, out


def index(options: IndexOptions) -> ExitCode:
    """Run `fastsim index`."""
    if options.out is None:
        raise UsageError("no --out: name the index file to write")
    if options.json.json and os.path.realpath(options.json.json) == os.path.realpath(options.out):
        raise UsageError(f"--out and --json {shown(options.out)}: the same file; name a file each")
    check_json(options.json.json)
    compute = compute_of(options.network, options.cache)
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, options.output.quiet)
        built = build_index(scan_of(options.input), options.out, compute, progress)
    with results.json_first(_as_json(built), options.json.json):
        if not options.output.quiet:
            size = in_bytes(os.stat(options.out).st_size)
            out(f"{plural(built.images, 'image')} in {shown(options.out)} ({size}):")
            out(f"  {built.new:,} new, {built.kept:,} kept, {built.gone:,} gone or changed")
            out(f"{where(built.environment)} in {results.summary_timings(built.timings)}")
            for line in (*skipped_lines(built.skipped, options.output.verbose), *left_out_lines(built.left_out)):
                out(line)
    return ExitCode.SKIPPED if built.skipped else ExitCode.DONE


def _as_json(built: Built) -> dict[str, object]:
    return {
        "index": built.path,
        "counts": {"images": built.images, "new": built.new, "kept": built.kept, "gone": built.gone},
        "skipped": [{"path": item.path, "reason": item.reason} for item in built.skipped],
        "timings": {name: round(seconds, 4) for name, seconds in built.timings.items()},
        "environment": environment_of(built.environment),
        "left_out": left_out_json(built.left_out),
    }
