"""The command line: what a user can type, and nothing else. `commands/` does the work; it is imported late, so that
--help answers at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click

from fastsim import __version__
from fastsim.cli import exits
from fastsim.cli.options import (
    BATCH,
    CACHE,
    CACHES,
    DRY_RUN,
    INPUTS,
    INS,
    JSON,
    NETWORK,
    OUTS,
    QUIET,
    RUNS_ON,
    SCAN,
    SETTINGS,
    THRES,
    VERBOSE,
    WORKERS,
    YES,
    MediaCommand,
    flag,
    path,
    takes,
    word,
)
from fastsim.config import THRES_GUIDE
from fastsim.errors import ExitCode, UsageError
from fastsim.run.terminal import out


def _modes() -> Iterable[str]:
    from fastsim.records import Mode

    return Mode


def _policies() -> Iterable[str]:
    from fastsim.grouping.keep_rules import POLICIES

    return POLICIES


def _groupings() -> Iterable[str]:
    from fastsim.records import GroupBy

    return GroupBy


def _pairs() -> Iterable[str]:
    from fastsim.config import Pairs

    return Pairs


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        out(f"fastsim {__version__}")
        context.exit()


class _Commands(click.Group):
    """In the order in which they are written here, each with all of its sentence, in --help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help or "") for name, command in self.commands.items()])

    def invoke(self, ctx: click.Context) -> Any:
        with exits.interruptible():
            return super().invoke(ctx)


@click.group("fastsim", cls=_Commands, context_settings=SETTINGS, epilog=f"Thresholds. {THRES_GUIDE}")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, show_default=False, callback=_print_version,
    help="Print the version.",
)  # fmt: skip
def app() -> None:
    """Find near-duplicate images, group or clean them. Nothing is overwritten, and every change can be taken back."""


@app.command(cls=MediaCommand)
@takes(
    INPUTS, INS, OUTS, NETWORK, THRES,
    flag(
        "--verify",
        help="Group confirmed copies only: each pair is aligned and its pixels are compared. --thres is a further minimum, "
        "0 if not given.",
    ),
    word(
        "--mode", "MODE", _modes,
        "group_copy or group_move: each group to a folder of its own; clean_move: all but the keepers to --outs; "
        "clean_delete: all but the keepers are deleted.",
        "group_copy",
    ),
    word(
        "--keep", "POLICY", _policies,
        "Which file of a group stays: largest (bytes), resolution, newest, oldest, path, or with --verify uncropped. Ties: "
        "bytes, pixels, a name that is not that of a copy, the oldest, the shortest path. A damaged file never stays for an "
        "intact one.  "
        "[default: largest]",
    ),
    word(
        "--pairs", "WHAT", _pairs,
        "keep: a RAW file goes and stays with the JPEG or HEIC of its shot, which is compared for both; split: they are "
        "two pictures.",
        "keep",
    ),
    flag(
        "--no-sidecars",
        help="Leave the files that belong to pictures where they are: .xmp, .aae, .json, films of Live Photos and the like.",
    ),
    word(
        "--group-by", "WHAT", _groupings,
        "component: a group is all that is linked by similarity; keeper: only what is similar to its keeper.",
        "component",
    ),
    RUNS_ON, SCAN, DRY_RUN,
    path("--plan", "FILE", "Write the plan to FILE and do nothing; fastsim apply FILE carries it out."),
    YES,
    flag("--force", help="Allow clean_delete with a threshold under 0.9."),
    flag("--trash", help="With clean_delete: to the desktop's trash in place of deleting."),
    JSON, WORKERS, BATCH, CACHES, QUIET, VERBOSE,
)  # fmt: skip
def images(**typed: Any) -> None:
    """Find groups of similar images; copy or move each group to a folder, or clean all but the best of each."""
    from fastsim.cli.commands.images import images as command

    leave(command(**with_inputs(_with_thres(typed))))


def _with_thres(typed: dict[str, Any]) -> dict[str, Any]:
    """With --verify, a threshold that was not given is 0: what is confirmed needs no score."""
    source = click.get_current_context().get_parameter_source("thres")
    if typed["verify"] and source == click.core.ParameterSource.DEFAULT:
        return {**typed, "thres": 0.0}
    return typed


@app.command()
@takes(
    click.argument(
        "plan", metavar="PLAN", type=click.Path(), help="A plan that --plan wrote, or of an interrupted run."
    ),
    YES,
    QUIET,
)
def apply(**typed: Any) -> None:
    """Carry out a plan, or finish an interrupted run."""
    from fastsim.cli.commands.apply_undo import apply as command

    leave(command(**typed))


@app.command()
@takes(
    click.argument(
        "journal", metavar="JOURNAL", type=click.Path(), help="fastsim_journal.jsonl of a run (or its folder)."
    ),
    flag("--yes", "-y", help="Do not ask before following a journal that someone else may have written."),
    QUIET,
)
def undo(**typed: Any) -> None:
    """Take back the moves and copies of a run, finished or interrupted."""
    from fastsim.cli.commands.apply_undo import undo as command

    leave(command(**typed))


@app.command(cls=MediaCommand)
@takes(
    INPUTS, INS, NETWORK, THRES,
    flag("--verify", help="Align each pair, compare its pixels, and print the transform in words."),
    RUNS_ON, JSON, CACHES, QUIET,
)  # fmt: skip
def compare(**typed: Any) -> None:
    """Print the scores between images, as a small table."""
    from fastsim.cli.commands.compare_embed import compare as command

    leave(command(**with_inputs(typed)))


@app.command("pairs", cls=MediaCommand)
@takes(
    INPUTS, INS,
    path("--out", "FILE", "The table: FILE.csv, .json or .parquet (needs pyarrow).", "", show_default=False),
    NETWORK, THRES,
    flag(
        "--verify",
        help="Of the nearest neighbours of each image, say which are copies, and how one lies in the other. --thres is a "
        "further minimum, 0 if not given.",
    ),
    RUNS_ON, SCAN, WORKERS, BATCH, CACHES, QUIET, VERBOSE,
)  # fmt: skip
def pairs(**typed: Any) -> None:
    """Write the pairs of similar images to a file: scores, and what verification says of each."""
    from fastsim.cli.commands.pairs import write_pairs as command

    leave(command(**with_inputs(_with_thres(typed))))


@app.command(cls=MediaCommand)
@takes(
    INPUTS, INS,
    path("--out", "FILE", "The .npz file: paths, vectors (float16[n, d]), sizes.", "", show_default=False),
    NETWORK, RUNS_ON, SCAN, WORKERS, BATCH, CACHES, QUIET, VERBOSE,
)  # fmt: skip
def embed(**typed: Any) -> None:
    """Write the vectors of images to a file, for your own use."""
    from fastsim.cli.commands.compare_embed import embed as command

    leave(command(**with_inputs(typed)))


@app.command()
def doctor() -> None:
    """Show versions, CPU features, runtimes and GPUs, and what `auto` would pick and why."""
    from fastsim import doctor as examination

    for line in examination.lines():
        out(line)


@app.command(cls=MediaCommand)
@takes(
    INPUTS, INS, path("--outs", "DIR", "Where the page, the chart and the table go.", "./fastsim_tune"),
    NETWORK, RUNS_ON, SCAN, JSON, CACHES, WORKERS, BATCH, QUIET, VERBOSE,
)  # fmt: skip
def tune(**typed: Any) -> None:
    """Advise a threshold from your own pictures: what each would group and remove, and borderline pairs to look at."""
    from fastsim.cli.commands.tune import tune_thresholds as command

    leave(command(**with_inputs(typed)))


@app.group(cls=_Commands)
def cache() -> None:
    """Look at the embedding cache, or remove it."""


@cache.command("info")
@takes(CACHE)
def cache_info(cache: str | None) -> None:
    """Show where the embedding cache lies and what it holds."""
    from fastsim.cli.commands.cache import info as command

    leave(command(cache))


@cache.command("clear")
@takes(CACHE)
def cache_clear(cache: str | None) -> None:
    """Remove the embedding cache; the next run makes a new one."""
    from fastsim.cli.commands.cache import clear as command

    leave(command(cache))


def with_inputs(typed: dict[str, Any]) -> dict[str, Any]:
    """INPUT and --ins as one tuple. Raises UsageError if there is none."""
    inputs = (*typed.pop("inputs"), *typed.pop("ins"))
    if not inputs:
        raise UsageError("no INPUT: name a folder or files, or - to read a list from stdin")
    for option, value in typed.items():
        if value == "" and option != "out":  # an unset variable of a script must not mean the current folder
            raise UsageError(f"--{option.replace('_', '-')} '': it is empty; give a value, or leave it out")
    return {"inputs": inputs, **typed}


def leave(code: ExitCode) -> None:
    """The end of a command."""
    sys.exit(int(code))
