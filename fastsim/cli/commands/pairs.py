"""`fastsim pairs`: similar pairs as a table, with what verification says of each."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence

from fastsim import config, pipeline
from fastsim.cli.commands.shared import cache_folder, paths_of, skipped_lines, where
from fastsim.config import Scan
from fastsim.embed_files import to_vectors
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


def write_pairs(
    *, inputs: Sequence[str], out: str, verify: bool, size: str | None, model: str | None, thres: float, device: str,
    runtime: str, recursive: bool, exclude: tuple[str, ...], follow_links: bool, include_system: bool,
    workers: int | None, batch: int | None, cache: str | None, no_cache: bool, quiet: bool, verbose: bool,
) -> ExitCode:  # fmt: skip
    """`fastsim pairs`: find, verify, write."""
    config.check_thres(thres)
    kind = _kind(out)
    owned.check_target("--out", out, kind)
    compute = config.resolve_compute(
        size=size, model=model, device=device, runtime=runtime, workers=workers, batch=batch,
        cache=cache_folder(cache, no_cache),
    )  # fmt: skip
    timings: Timings = {}
    with our_stderr(verbose) as stream:
        progress = for_stream(stream, quiet)
        named, listed = paths_of(inputs)
        what = Scan(named, recursive, exclude, follow_links, listed=listed, include_system=include_system)
        files, unlisted, left_out = pipeline.scan(what, progress, timings)
        embeddings, undecoded, environment = to_vectors(files, compute, progress, timings)
        if verify:
            pairs = Verifier(embeddings, files, compute, progress, timings).neighbours(thres)
        else:
            pairs = unverified(embeddings, thres, workers=compute.workers, device=compute.device)
    rows = list(pair_records(pairs, embeddings, files, verified=verify))
    with owned.whole_file("--out", out, kind) as file:
        file.write(encoded_pairs(rows, os.path.splitext(out)[1].lower()))
    skipped = (*unlisted, *undecoded)
    if not quiet:
        for line in _summary(pairs, out, verify):
            show(line)
        for line in (*skipped_lines(skipped, verbose), *left_out_lines(left_out)):
            show(line)
        show(f"{where(environment)}; time {results.summary_timings(timings)}")
    return ExitCode.SKIPPED if skipped else ExitCode.DONE


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
