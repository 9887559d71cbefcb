"""Suggest a threshold for the user's own images (`fastsim tune`)."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np

from fastsim import __version__, similarity
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import compute_of, embed_inputs, environment_of, scan_of, skipped_lines, where
from fastsim.cli.image_options import TuneOptions
from fastsim.errors import ExitCode, FastsimError, UsageError, shown
from fastsim.files import owned
from fastsim.grouping.keep_order import keep_order
from fastsim.grouping.keep_rules import Candidates
from fastsim.grouping.keep_words import DEFAULT
from fastsim.records.rows import Embeddings
from fastsim.report import results
from fastsim.report.left_out import left_out_lines
from fastsim.report.results import plural
from fastsim.run.progress import for_stream
from fastsim.run.terminal import our_stderr, out
from fastsim.run.timing import Timings, stage
from fastsim.tuning import thresholds
from fastsim.tuning.page import chart, page
from fastsim.tuning.thresholds import Advice

LIMIT = 50_000
"""More files than this are sampled: the advice would not change, and all pairs from 0.6 on are counted."""
_KINDS = {"tune.html": owned.HTML, "scores.svg": owned.SVG, "thresholds.csv": owned.CSV}
_NEAR = (0.75, 0.85, 0.9, 0.95)


def tune_thresholds(options: TuneOptions) -> ExitCode:
    """Run `fastsim tune`: embed, count, print the table, write the page, the chart and the table to --outs."""
    outs, quiet, verbose = options.outs, options.output.quiet, options.output.verbose
    _check_outs(outs)
    check_json(options.json.json, outs)
    compute = compute_of(options.network, options.cache)
    timings: Timings = {}
    with our_stderr(verbose) as stream:
        progress = for_stream(stream, quiet)
        files, embeddings, skipped, left_out, environment = embed_inputs(
            scan_of(options.input, outs), compute, progress, timings
        )
        embeddings, sampled = _sample(embeddings)
        if len(embeddings) < 2:
            named = ", ".join(map(shown, options.input.named))
            raise FastsimError(f"{plural(len(embeddings), 'readable image')} in {named}; at least 2 are needed")
        n = len(embeddings)
        with stage("compare", timings), progress.bar("compare", n * (n - 1) // 2, "pairs") as bar:
            blocks = similarity.pair_blocks(
                embeddings, thresholds.LOWEST, device=compute.device, workers=compute.workers, bar=bar
            )
            taken = Candidates([files[i] for i in embeddings.ids.tolist()], embeddings.sizes)
            rank = keep_order(taken, DEFAULT).rank
            advice = thresholds.advise(blocks, embeddings, rank, near=_NEAR, workers=compute.workers)
    paths = [files[i].path for i in embeddings.ids.tolist()]
    page = _write(os.path.abspath(outs), advice, paths)
    told = [item.as_json() for item in skipped]
    result = {**_as_dict(advice, paths), "skipped": told, "environment": environment_of(environment)}
    with results.json_first(result, options.json.json):
        if not quiet:
            for line in _lines(advice, n, sampled):
                out(line)
            for line in (*skipped_lines(skipped, verbose), *left_out_lines(left_out)):
                out(line)
            out(f"{'Look at the borderline pairs' if advice.borderline else 'The page with the curve'}: {shown(page)}")
            out(where(environment))
            out(f"Time {results.summary_timings(timings)}; another threshold costs no new embedding")
    return ExitCode.SKIPPED if skipped else ExitCode.DONE


def _sample(embeddings: Embeddings) -> tuple[Embeddings, bool]:
    if len(embeddings) <= LIMIT:
        return embeddings, False
    rows = np.sort(np.random.default_rng(0).choice(len(embeddings), LIMIT, replace=False))
    return embeddings.take(rows), True


def _check_outs(outs: str) -> None:
    """Raise UsageError, before hours of work, if the page cannot be written.

    Only files of an earlier page are replaced.
    """
    folder = os.path.abspath(outs)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise UsageError(f"--outs {shown(outs)}: it is not a folder; give a new one")
    for name, kind in _KINDS.items():
        owned.check_target("--outs", os.path.join(outs, name), kind, outs=outs)
    if not owned.is_writable_folder(folder if os.path.lexists(folder) else owned.nearest_folder(folder)):
        raise UsageError(f"--outs {shown(outs)}: can't be written to; give another --outs")


def _write(folder: str, advice: Advice, paths: Sequence[str]) -> str:
    """Write the page, the chart and the table; return the page's path. Those of an earlier run are replaced."""
    contents = (page(advice, paths, "fastsim: which threshold?"), chart(advice), _table(advice))
    for (name, kind), content in zip(_KINDS.items(), contents, strict=True):
        with owned.whole_file("--outs", os.path.join(folder, name), kind) as stream:
            stream.write(content.encode("utf-8", "backslashreplace"))
    return os.path.join(folder, "tune.html")


def _table(advice: Advice) -> str:
    """Return the curve as CSV. Its first column holds the version that wrote it: CSV has no comments."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow([owned.CSV.start.decode().rstrip(","), *asdict(advice.curve[0])])
    writer.writerows([__version__, *asdict(at).values()] for at in advice.curve)
    return table.getvalue()


def _lines(advice: Advice, n: int, sampled: bool) -> Iterator[str]:
    median = round(advice.unrelated[0], 2) + 0.0  # no -0.00
    yield f"{n:,} images{' (a sample)' if sampled else ''}; unrelated pairs score {median:.2f} (median), " \
          f"999 of 1,000 under {advice.unrelated[1]:.2f}"  # fmt: skip
    yield ""
    yield f"{'threshold':>10} {'pairs':>12} {'groups':>8} {'in groups':>10} {'removable':>10} {'largest':>8}"
    for at in advice.curve:
        mark = "  <- suggested" if at.thres == advice.suggested else ""
        yield f"{at.thres:>10g} {at.pairs:>12,} {at.groups:>8,} {at.grouped:>10,} {at.removable:>10,} {at.largest:>8,}{mark}"
    yield ""
    yield f"Suggested: --thres {advice.suggested:g}: {advice.reason}."


def _as_dict(advice: Advice, paths: Sequence[str]) -> dict[str, object]:
    return {
        "suggested": advice.suggested,
        "reason": advice.reason,
        "unrelated": {"median": advice.unrelated[0], "p99_9": advice.unrelated[1]},
        "curve": [asdict(at) for at in advice.curve],
        "histogram": [
            {"from": round(float(edge), 4), "pairs": int(count)}
            for edge, count in zip(advice.edges, advice.histogram, strict=False)
        ],
        "borderline": [
            {"thres": pair.thres, "a": paths[pair.left], "b": paths[pair.right], "score": round(pair.score, 6)}
            for pair in advice.borderline
        ],
    }
