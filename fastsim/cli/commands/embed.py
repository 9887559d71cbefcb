"""Write the vectors of images as an .npz file (`fastsim embed`)."""

from __future__ import annotations

from fastsim.cli.commands.shared import compute_of, embed_inputs, scan_of, skipped_lines, where
from fastsim.cli.image_options import EmbedOptions
from fastsim.errors import ExitCode, UsageError, shown
from fastsim.files import owned
from fastsim.report import results
from fastsim.report.left_out import left_out_lines
from fastsim.report.results import plural
from fastsim.run.progress import for_stream
from fastsim.run.terminal import our_stderr, out
from fastsim.run.timing import Timings


def embed(options: EmbedOptions) -> ExitCode:
    """Run `fastsim embed`."""
    if options.out is None:
        raise UsageError("no --out: name the .npz file to write")
    owned.check_target("--out", options.out, owned.NPZ)
    compute = compute_of(options.network, options.cache)
    timings: Timings = {}
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, options.output.quiet)
        ready = embed_inputs(scan_of(options.input), compute, progress, timings)
    results.write_npz(options.out, paths=ready.paths, embeddings=ready.embeddings)
    if not options.output.quiet:
        shape = ready.embeddings.vectors.shape
        out(f"{plural(shape[0], 'vector')} of {shape[1]} float16 in {shown(options.out)}")
        out(f"{where(ready.environment)} in {results.summary_timings(timings)}")
        for line in (*skipped_lines(ready.skipped, options.output.verbose), *left_out_lines(ready.left_out)):
            out(line)
    return ExitCode.SKIPPED if ready.skipped else ExitCode.DONE
