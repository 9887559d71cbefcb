"""Write similar pairs as a table, with the result of verification (`fastsim pairs`)."""

from __future__ import annotations

from collections.abc import Iterator

from fastsim import config
from fastsim.cli.commands.shared import compute_of, embed_inputs, scan_of, skipped_lines, where
from fastsim.cli.image_options import PairsOptions
from fastsim.errors import ExitCode, shown
from fastsim.records.pairs import STATUSES, VerifiedPairs
from fastsim.report import results
from fastsim.report.left_out import left_out_lines
from fastsim.report.pairs import COLUMNS, pair_records
from fastsim.report.results import plural
from fastsim.report.tables import check_table, write_table
from fastsim.run.progress import for_stream
from fastsim.run.terminal import our_stderr
from fastsim.run.terminal import out as show
from fastsim.run.timing import Timings
from fastsim.verified_pairs import Verifier, unverified


def write_pairs(options: PairsOptions) -> ExitCode:
    """Run `fastsim pairs`: find, verify, write."""
    thres, verify, quiet = config.check_thres(options.match.threshold), options.match.verify, options.output.quiet
    out = options.out or ""
    check_table("--out", options.out)
    compute = compute_of(options.network, options.cache)
    timings: Timings = {}
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, quiet)
        ready = embed_inputs(scan_of(options.input), compute, progress, timings)
        if verify:
            verifier = Verifier(ready.embeddings, ready.files, compute, progress, timings)
            pairs = verifier.complete(verifier.neighbours(thres), thres)
        else:
            pairs = unverified(ready.embeddings, thres, workers=compute.workers, device=compute.device)
    rows = list(pair_records(pairs, ready.embeddings, ready.files, verified=verify))
    write_table("--out", out, rows, COLUMNS, name="pairs")
    if not quiet:
        for line in _summary(pairs, out, verify):
            show(line)
        for line in (*skipped_lines(ready.skipped, options.output.verbose), *left_out_lines(ready.left_out)):
            show(line)
        show(f"{where(ready.environment)}; time {results.summary_timings(timings)}")
    return ExitCode.SKIPPED if ready.skipped else ExitCode.DONE


def _summary(pairs: VerifiedPairs, path: str, verified: bool) -> Iterator[str]:
    yield f"{plural(len(pairs), 'pair')} in {shown(path)}"
    if verified:
        counts = [f"{len(pairs.having(status)):,} {status.value}" for status in STATUSES]
        yield f"Verified: {', '.join(counts)}"
