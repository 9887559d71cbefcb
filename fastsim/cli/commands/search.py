"""`fastsim search`: the best matches of images in folders or in an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from fastsim import config
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import Embedded as Input
from fastsim.cli.commands.shared import compute_of, embed_inputs, environment_of, scan_of, skipped_lines, where
from fastsim.cli.set_options import SearchOptions
from fastsim.config import Compute, Scan
from fastsim.errors import ExitCode, UsageError, shown
from fastsim.report import results
from fastsim.report.left_out import left_out_lines
from fastsim.report.results import plural
from fastsim.retrieval.building import check_network
from fastsim.retrieval.index_file import IndexFile, is_index, open_index
from fastsim.retrieval.matching import Match, Searcher
from fastsim.retrieval.sets import Embedded, ImageSet, Indexed
from fastsim.run.progress import Progress, for_stream
from fastsim.run.terminal import our_stderr, out
from fastsim.run.timing import Timings


def search(options: SearchOptions) -> ExitCode:
    """Run `fastsim search`."""
    _check(options)
    indexes = {path: open_index(path) for path in options.within if is_index(path)}
    compute = _compute(options, list(indexes.values()))
    what, timings = scan_of(options.input), Timings()
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, options.output.quiet)
        asked = embed_inputs(what, compute, progress, timings)
        sets, others = _sets(options.within, indexes, what, compute, progress, timings)
        queries = Embedded("", asked.files, asked.embeddings)
        found = Searcher(sets, compute, progress, timings).find(
            queries, k=options.k, floor=options.thres, verify=options.verify
        )
    skipped = (*asked.skipped, *(item for one in others for item in one.skipped))
    result = {
        "queries": [
            {"path": path, "matches": [asdict(match) for match in matches]}
            for path, matches in zip(asked.paths, found, strict=True)
        ],
        "sets": [{"path": one.name, "images": len(one.vectors)} for one in sets],
        "skipped": [{"path": item.path, "reason": item.reason} for item in skipped],
        "timings": {name: round(seconds, 4) for name, seconds in timings.items()},
        "environment": environment_of(asked.environment),
    }
    with results.json_first(result, options.json.json):
        for line in _told(asked.paths, found):
            out(line)
        if not options.output.quiet:
            for line in skipped_lines(skipped, options.output.verbose):
                out(line)
            for one in (asked, *others):
                for line in left_out_lines(one.left_out):
                    out(line)
            images = plural(sum(len(one.vectors) for one in sets), "image")
            out(f"Searched {images}. {where(asked.environment)}; time {results.summary_timings(timings)}")
    return ExitCode.SKIPPED if skipped else ExitCode.DONE


def _check(options: SearchOptions) -> None:
    """Refuse what is impossible, before any work. Raises UsageError."""
    if not options.within:
        raise UsageError("no --in: name a folder or an index to search in")
    if options.k < 1:
        raise UsageError(f"-k must be at least 1 (got {options.k})")
    config.check_thres(options.thres)
    check_json(options.json.json)


def _compute(options: SearchOptions, indexes: Sequence[IndexFile]) -> Compute:
    """Return how images become vectors, by default with the size of the first index. Raises UsageError."""
    compute = compute_of(options.network, options.cache)
    if indexes and options.network.size is None:
        compute = replace(compute, size=config.resolve_size(str(indexes[0].network.get("size"))))
    for index in indexes:
        check_network(index, compute)
    return compute


def _sets(
    within: Sequence[str], indexes: dict[str, IndexFile], queries: Scan, *job: *tuple[Compute, Progress, Timings]
) -> tuple[list[ImageSet], list[Input]]:
    """Return all sets in the order in which they were named, and those that had to be embedded."""
    sets: list[ImageSet] = []
    others: list[Input] = []
    for path in dict.fromkeys(within):
        if path in indexes:
            sets.append(Indexed(indexes[path]))
            continue
        ready = embed_inputs(replace(queries, inputs=(path,), listed=()), *job)
        others.append(ready)
        sets.append(Embedded(path, ready.files, ready.embeddings))
    return sets, others


def _told(paths: Sequence[str], found: Sequence[Sequence[Match]]) -> Iterator[str]:
    """Yield each query with its matches."""
    for path, matches in zip(paths, found, strict=True):
        yield shown(path)
        for rank, one in enumerate(matches, 1):
            status = "" if one.status is None else f"  {one.status:<9}"
            yield f"  {rank:>3}  {one.score:.3f}{status}  {one.width}x{one.height}  {shown(one.path)}"
        if not matches:
            yield "  no match"
