"""Share what commands need: inputs from stdin, provenance, exit codes, and the lines that end a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fastsim import __version__, config, pipeline
from fastsim.cache.embeddings import default_folder
from fastsim.cli.options import CacheOptions, InputOptions, NetworkOptions, PathOptions
from fastsim.config import Compute, Scan
from fastsim.embed_files import Environment, to_vectors
from fastsim.errors import ExitCode, FastsimError, UsageError, quoted, shown
from fastsim.files.apply import Outcome, apply_plan
from fastsim.inputs.discover import read_list
from fastsim.inputs.filters import Filters
from fastsim.records.files import LeftOut, MediaFile, Skipped
from fastsim.records.plans import LINKS, MOVES, Op, Plan
from fastsim.records.rows import Embeddings
from fastsim.report import results
from fastsim.report.results import in_bytes, plural
from fastsim.run.progress import Progress, for_stream
from fastsim.run.terminal import complain, our_stderr
from fastsim.run.timing import Timings


def paths_of(inputs: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the inputs that were named, and those of the list on stdin if one of them is `-`."""
    named = tuple(path for path in inputs if path != "-")
    return named, read_list(sys.stdin.buffer) if len(named) < len(inputs) else ()


def scan_of(paths: PathOptions, outs: str | None = None) -> Scan:
    """Return what discovery takes; `outs` is never scanned. Reads stdin for an input `-`. Raises UsageError."""
    named, listed = paths_of(paths.named)
    rules = paths if isinstance(paths, InputOptions) else InputOptions()
    return Scan(
        named, rules.recursive, rules.exclude, rules.follow_links, None if outs is None else os.path.abspath(outs), listed,
        rules.include_system,
        filters=Filters.parse(
            min_size=rules.min_size, max_size=rules.max_size, newer=rules.newer, older=rules.older, include=rules.include
        ),
    )  # fmt: skip


def compute_of(network: NetworkOptions, cache: CacheOptions | None = None) -> Compute:
    """Return how images become vectors, with every `auto` settled. Raises UsageError."""
    return config.resolve_compute(
        size=network.size, model=network.model, device=network.device, runtime=network.runtime, workers=network.workers,
        batch=network.batch, cache=None if cache is None else cache_folder(cache),
    )  # fmt: skip


def cache_folder(options: CacheOptions) -> str | None:
    """Return the folder of the embedding cache, or None with --no-cache. Raises UsageError for both options at once."""
    if options.no_cache and options.cache is not None:
        raise UsageError(f"--cache {options.cache} and --no-cache exclude each other; leave one of them out")
    return None if options.no_cache else options.cache or str(default_folder())


class Embedded(NamedTuple):
    """The images of the input as vectors, and the other files. `files[i].id` is i."""

    files: tuple[MediaFile, ...]
    embeddings: Embeddings
    skipped: tuple[Skipped, ...]
    left_out: LeftOut
    environment: Environment

    @property
    def paths(self) -> list[str]:
        """Return the path of each row."""
        return [self.files[i].path for i in self.embeddings.ids.tolist()]


def embed_inputs(scan: Scan, compute: Compute, progress: Progress, timings: Timings) -> Embedded:
    """List the images of the input and turn them into vectors."""
    files, unlisted, left_out = pipeline.scan(scan, progress, timings)
    embeddings, undecoded, environment = to_vectors(files, compute, progress, timings)
    return Embedded(files, embeddings, (*unlisted, *undecoded), left_out, environment)


def confirm(plan: Plan, yes: bool) -> None:
    """Ask before files are deleted. Raises UsageError if the answer is no, or if there is no terminal."""
    doomed = [step for step in plan.operations if step.op in (Op.DELETE, Op.TRASH)]
    if not doomed or yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("this plan deletes files and there is no terminal to ask on; add --yes if that is right")
    what = "Delete" if doomed[0].op == Op.DELETE else "Move to the trash"
    size = in_bytes(sum(step.snapshot.size for step in doomed))
    if not ask(f"{what} {plural(len(doomed), 'file')} ({size}), keeping one of each group?"):
        raise FastsimError("not confirmed; no file was changed")


def ask(question: str) -> bool:
    """Ask a yes/no question on the terminal. Text that was typed before it appeared is not an answer."""
    print(f"{question} [y/N] ", end="", flush=True)
    _drop_typed_ahead()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _drop_typed_ahead() -> None:
    try:
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    except ImportError:  # Windows
        if sys.platform == "win32":
            import msvcrt

            while msvcrt.kbhit():
                msvcrt.getwch()
    except (termios.error, OSError, ValueError):
        pass  # no terminal after all


def tell_waiting() -> None:
    """Print why the run waits."""
    complain("another fastsim is moving or deleting files; waiting for it (Ctrl-C ends this run)")


def run_plan(plan: Plan, *, quiet: bool) -> Outcome:
    """Carry `plan` out. Print on stderr why it ended early, even with --quiet."""
    with our_stderr() as stream, for_stream(stream, quiet).bar("apply", len(plan.operations), "files") as bar:
        outcome = apply_plan(plan, bar=bar, waiting=tell_waiting)
    if outcome.stopped:
        complain(outcome.stopped)
    return outcome


def outcome_code(outcome: Outcome) -> ExitCode:
    """Return the exit code for the outcome of a plan."""
    if outcome.interrupted:
        return ExitCode.INTERRUPTED
    if outcome.stopped:
        return ExitCode.ERROR
    return ExitCode.SKIPPED if any(not result.done for result in outcome.results) else ExitCode.DONE


def environment_of(ran: Environment) -> dict[str, object]:
    """Return what --json says of the run and the network."""
    return {
        "version": __version__,
        "argv": list(sys.argv),
        "device": ran.ran_on.device,
        "runtime": ran.ran_on.runtime,
        "precision": ran.ran_on.precision,
        "model": ran.model,
        "model_sha256": ran.model_sha256,
        "size": ran.size or "auto",
        "cached": ran.cached,
        "moved": ran.traffic.as_dict(),
    }


def where(ran: Environment) -> str:
    """Return `Ran on cpu, OpenVINO 2026.4, ...`: where the network ran, or that it was not needed."""
    size = f"{ran.size} px" if ran.size else "auto size"
    cached = f"; {plural(ran.cached, 'vector')} from the cache" if ran.cached else ""
    on, model = ran.ran_on, f"model {ran.model_sha256[:12]}"
    if on.precision == "not run":
        return f"The network was not needed ({on.device}, {on.runtime}, {size}, {model}){cached}"
    return f"Ran on {on.device}, {on.runtime}, {on.precision}, {size}, {model}{cached}"


def skipped_lines(skipped: Sequence[Skipped], everything: bool) -> Iterator[str]:
    """Yield the skipped files with their reasons."""
    if skipped:
        yield f"Skipped {plural(len(skipped), 'file')}, left untouched:"
        yield from results.summary_skipped(skipped, everything)


def partly_lines(partly: Sequence[Skipped], everything: bool) -> Iterator[str]:
    """Yield videos that were read up to a break, or without their damaged frames."""
    if partly:
        yield f"Read in part, {plural(len(partly), 'video')}:"
        yield from results.summary_skipped(partly, everything)


_DONE_WORDS: Mapping[Op, str] = {
    Op.COPY: "Copied",
    Op.MOVE: "Moved",
    Op.DELETE: "Deleted",
    Op.TRASH: "Moved to the trash:",
    Op.LINK_HARD: "Replaced by hard links:",
    Op.LINK_SYMBOLIC: "Replaced by symbolic links:",
    Op.LINK_REFLINK: "Replaced by reflinks:",
}


def outcome_lines(plan: Plan, outcome: Outcome) -> Iterator[str]:
    """Yield what was done, what was not, and how to undo it."""
    op = plan.operations[0].op
    done = [result.operation for result in outcome.results if result.done]
    failed = [result for result in outcome.results if result.reason]
    size = in_bytes(sum(step.snapshot.size for step in done))
    where = f" to {shown(plan.outs)}" if op in (Op.COPY, Op.MOVE) else ""
    if op in LINKS:
        where = f"; the files themselves are in {shown(plan.outs)}, whose removal frees the space"
    earlier = f" ({outcome.before:,} of them by an earlier run)" if outcome.before else ""
    yield f"{_DONE_WORDS[op]} {plural(len(done), 'file')} ({size}){where}{earlier}."
    if failed:
        yield f"Not done, left as they are: {plural(len(failed), 'file')}:"
        for result in failed[:10]:
            yield f"  {shown(result.operation.source)}: {result.reason}"
        if len(failed) > 10:
            yield f"  and {len(failed) - 10} more (the journal in --outs names all)"
    if outcome.plan and op in (Op.DELETE, Op.TRASH) and done:
        yield f"Listed with the file that was kept for each: {shown(outcome.plan)}"
    if outcome.journal and op in (Op.COPY, *MOVES) and not outcome.stopped:
        yield f"Take it back: fastsim undo {quoted(outcome.journal)}"
