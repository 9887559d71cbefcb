"""Write similar pairs as a table, with the result of verification (`fastsim pairs`)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

from fastsim import config
from fastsim.cli.commands.shared import compute_of, embed_inputs, scan_of, skipped_lines, where
from fastsim.cli.image_options import PairsOptions
from fastsim.errors import ExitCode, UsageError, pip_install, shown
from fastsim.files import owned
from fastsim.records import STATUSES, VerifiedPairs
from fastsim.report import results
from fastsim.report.left_out import left_out_lines
from fastsim.report.pairs import encoded_pairs, pair_records
from fastsim.report.results import plural
from fastsim.run.progress import for_stream
from fastsim.run.terminal import our_stderr
from fastsim.run.terminal import out as show
from fastsim.run.timing import Timings
from fastsim.verified_pairs import Verifier, unverified

_KINDS = {".csv": owned.CSV, ".json": owned.JSON, ".parquet": owned.Kind(start=b"never")}
"""A Parquet file has no place for a mark of ours at its ends: an existing one is never replaced."""


def write_pairs(options: PairsOptions) -> ExitCode:
    """Run `fastsim pairs`: find, verify, write."""
    thres, verify, quiet = config.check_thres(options.match.threshold), options.match.verify, options.output.quiet
    out = options.out or ""
    kind = _kind(out)
    owned.check_target("--out", out, kind)
    compute = compute_of(options.network, options.cache)
    timings: Timings = {}
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, quiet)
        ready = embed_inputs(scan_of(options.input), compute, progress, timings)
        if verify:
            pairs = Verifier(ready.embeddings, ready.files, compute, progress, timings).neighbours(thres)
        else:
            pairs = unverified(ready.embeddings, thres, workers=compute.workers, device=compute.device)
    rows = list(pair_records(pairs, ready.embeddings, ready.files, verified=verify))
    with owned.whole_file("--out", out, kind) as file:
        file.write(encoded_pairs(rows, os.path.splitext(out)[1].lower()))
    if not quiet:
        for line in _summary(pairs, out, verify):
            show(line)
        for line in (*skipped_lines(ready.skipped, options.output.verbose), *left_out_lines(ready.left_out)):
            show(line)
        show(f"{where(ready.environment)}; time {results.summary_timings(timings)}")
    return ExitCode.SKIPPED if ready.skipped else ExitCode.DONE


def _kind(path: str) -> owned.Kind:
    suffix = os.path.splitext(path)[1].lower()
    if not path or suffix not in _KINDS:
        raise UsageError(f"--out must end with one of {', '.join(_KINDS)} (got {shown(path)!r})")
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError(f"--out {shown(path)}: Parquet needs pyarrow; {pip_install('parquet')}, or write .csv")
    return _KINDS[suffix]


def _summary(pairs: VerifiedPairs, path: str, verified: bool) -> Iterator[str]:
    yield f"{plural(len(pairs), 'pair')} in {shown(path)}"
    if verified:
        counts = [f"{len(pairs.having(status)):,} {status.value}" for status in STATUSES]
        yield f"Verified: {', '.join(counts)}"
