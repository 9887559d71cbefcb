"""`fastsim compare` and `fastsim embed`: scores and vectors, for people and programs that want them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastsim import config, pipeline, similarity
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import cache_folder, environment_of, paths_of, skipped_lines, where
from fastsim.config import Scan
from fastsim.embed_files import to_vectors
from fastsim.errors import ExitCode, FastsimError, UsageError, shown
from fastsim.files import owned
from fastsim.records import STATUSES, MediaFile, Status, VerifiedPairs
from fastsim.report import results
from fastsim.report.left_out import left_out_lines
from fastsim.report.pairs import in_words, pair_records
from fastsim.report.results import plural
from fastsim.run.progress import for_stream
from fastsim.run.terminal import complain, our_stderr
from fastsim.run.terminal import out as show
from fastsim.run.timing import Timings
from fastsim.verified_pairs import Verifier, unverified


def compare(
    *,
    inputs: Sequence[str],
    size: str | None,
    model: str | None,
    thres: float,
    verify: bool,
    device: str,
    runtime: str,
    json: str | None,
    cache: str | None,
    no_cache: bool,
    quiet: bool,
) -> ExitCode:
    """`fastsim compare`: the scores between images, as a table and as JSON."""
    config.check_thres(thres)
    check_json(json)
    compute = config.resolve_compute(
        size=size, model=model, device=device, runtime=runtime, cache=cache_folder(cache, no_cache)
    )
    timings: Timings = {}
    with our_stderr() as stream:
        progress = for_stream(stream, quiet)
        named, listed = paths_of(inputs)
        files, unlisted, left_out = pipeline.scan(Scan(named, listed=listed), progress, timings)
        for line in left_out_lines(left_out):
            progress.note(line)
        _need_two(files, inputs)
        embeddings, undecoded, environment = to_vectors(files, compute, progress, timings)
        known = None
        if verify:
            verifier = Verifier(embeddings, files, compute, progress, timings)
            known = verifier.check(unverified(embeddings, -1.0, workers=compute.workers, device=compute.device).block())
    names = [files[i].path for i in embeddings.ids.tolist()]
    scores = similarity.all_scores(embeddings)
    skipped = (*unlisted, *undecoded)
    result = {
        "paths": names, "scores": [[round(float(s), 6) for s in row] for row in scores],
        "skipped": [{"path": item.path, "reason": item.reason} for item in skipped],
        "environment": environment_of(environment),
        **({} if known is None else {"pairs": list(pair_records(known, embeddings, files))}),
    }  # fmt: skip
    with results.json_first(result, json):
        for line in results.score_table(names, scores, thres):
            show(line)
        for line in () if known is None else _verified_lines(known):
            show(line)
        for line in results.summary_skipped(skipped, everything=True):
            complain(line.strip())
    return ExitCode.SKIPPED if skipped else ExitCode.DONE


def _verified_lines(known: VerifiedPairs) -> Iterator[str]:
    """What each pair is, under the numbers of the table."""
    yield ""
    for k in range(len(known)):
        left, right = (f"{int(row[k]) + 1}" for row in (known.left, known.right))
        status, found = STATUSES[known.status[k]], known.transforms.get(k)
        if status == Status.COPY and found is not None:
            yield f"{left:>4} {right:>4}  copy: {in_words(found, left, right)}"
        elif status == Status.UNKNOWN:
            yield f"{left:>4} {right:>4}  unknown: too even to tell, or of several frames"
        else:
            aligned = f"aligned, but {known.agreement[k]:.0%} of it agrees".replace("%", " %")
            yield f"{left:>4} {right:>4}  different{': ' + aligned if found is not None else ''}"


def embed(
    *, inputs: Sequence[str], out: str, size: str | None, model: str | None, device: str, runtime: str, recursive: bool,
    exclude: tuple[str, ...], follow_links: bool, include_system: bool, workers: int | None, batch: int | None, cache: str | None,
    no_cache: bool, quiet: bool, verbose: bool,
) -> ExitCode:  # fmt: skip
    """`fastsim embed`: vectors to an .npz file."""
    if not out:
        raise UsageError("no --out: name the .npz file to write")
    owned.check_target("--out", out, owned.NPZ)
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
    paths = [files[i].path for i in embeddings.ids.tolist()]
    results.write_npz(out, paths=paths, embeddings=embeddings)
    skipped = (*unlisted, *undecoded)
    if not quiet:
        show(f"{plural(len(paths), 'vector')} of {embeddings.vectors.shape[1]} float16 in {shown(out)}")
        show(f"{where(environment)} in {results.summary_timings(timings)}")
        for line in (*skipped_lines(skipped, verbose), *left_out_lines(left_out)):
            show(line)
    return ExitCode.SKIPPED if skipped else ExitCode.DONE


def _need_two(files: Sequence[MediaFile], inputs: Sequence[str]) -> None:
    if len(files) < 2:
        raise FastsimError(
            f"{plural(len(files), 'image')} in {', '.join(map(shown, inputs))}; at least two different files are needed"
        )
