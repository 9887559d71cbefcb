"""Print the scores between images, as a table and as JSON (`fastsim compare`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastsim import config, pipeline, similarity
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import compute_of, environment_of, scan_of
from fastsim.cli.image_options import CompareOptions
from fastsim.embed_files import to_vectors
from fastsim.errors import ExitCode, FastsimError, shown
from fastsim.records.files import MediaFile
from fastsim.records.pairs import STATUSES, Status, VerifiedPairs
from fastsim.report import results
from fastsim.report.left_out import left_out_lines
from fastsim.report.pairs import in_words, pair_records
from fastsim.report.results import plural
from fastsim.run.progress import for_stream
from fastsim.run.terminal import complain, our_stderr, out
from fastsim.run.timing import Timings
from fastsim.verified_pairs import Verifier, unverified


def compare(options: CompareOptions) -> ExitCode:
    """Run `fastsim compare`."""
    config.check_thres(options.thres)
    check_json(options.json.json)
    compute = compute_of(options.network, options.cache)
    timings: Timings = {}
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, options.output.quiet)
        files, unlisted, left_out = pipeline.scan(scan_of(options.input), progress, timings)
        for line in left_out_lines(left_out):
            progress.note(line)
        _need_two(files, options.input.named)
        embeddings, undecoded, environment = to_vectors(files, compute, progress, timings)
        known = None
        if options.verify:
            verifier = Verifier(embeddings, files, compute, progress, timings)
            known = verifier.check(unverified(embeddings, -1.0, workers=compute.workers, device=compute.device).block())
    names = [files[i].path for i in embeddings.ids.tolist()]
    scores = similarity.all_scores(embeddings)
    skipped = (*unlisted, *undecoded)
    result = {
        "paths": names, "scores": [[round(float(s), 6) for s in row] for row in scores],
        "skipped": [item.as_json() for item in skipped],
        "environment": environment_of(environment),
        **({} if known is None else {"pairs": list(pair_records(known, embeddings, files))}),
    }  # fmt: skip
    with results.json_first(result, options.json.json):
        for line in results.score_table(names, scores, options.thres):
            out(line)
        for line in () if known is None else _verified_lines(known):
            out(line)
        for line in results.summary_skipped(skipped, everything=True):
            complain(line.strip())
    return ExitCode.SKIPPED if skipped else ExitCode.DONE


def _need_two(files: Sequence[MediaFile], inputs: Sequence[str]) -> None:
    if len(files) < 2:
        raise FastsimError(
            f"{plural(len(files), 'image')} in {', '.join(map(shown, inputs))}; at least two different files are needed"
        )


def _verified_lines(known: VerifiedPairs) -> Iterator[str]:
    """Yield what each pair is, under the numbers of the table."""
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
