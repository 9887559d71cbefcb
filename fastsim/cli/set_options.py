"""The options of the commands that compare sets of images: leakage between splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fastsim.choices import DropMode
from fastsim.cli.command import RARE
from fastsim.cli.image_options import MatchOptions
from fastsim.cli.options import (
    INPUT,
    OUTPUT,
    SAFETY,
    CacheOptions,
    InputOptions,
    JsonOption,
    NetworkOptions,
    OutputOptions,
    flag,
    option,
    path,
)


@dataclass(frozen=True, kw_only=True)
class SplitOptions(InputOptions):
    """The splits of a data set."""

    inputs: Annotated[
        tuple[str, ...],
        typer.Argument(
            metavar="TRAIN VAL [TEST...]", show_default=False, rich_help_panel=INPUT, path_type=str,
            help="The folders of two or more splits. Folders in them are classes where splits share their names.",
        ),
    ] = ()  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LeakageOptions:
    """The options of `fastsim leakage`."""

    input: SplitOptions
    match: MatchOptions
    out: Annotated[
        str | None,
        path(OUTPUT, "--out", metavar="FILE", help="Write the pairs: FILE.csv, .json or .parquet (needs pyarrow)."),
    ] = None
    outs: Annotated[
        str | None,
        path(
            OUTPUT, "--outs", metavar="DIR",
            help="With --plan: folder for removed files and the journal. Default: ./fastsim_outputs, or the next free "
            "name after it.",
        ),
    ] = None  # fmt: skip
    output: OutputOptions
    json: JsonOption
    drop: Annotated[
        str | None,
        option(
            SAFETY, "--drop", metavar="SPLIT",
            help="With --plan: the split, by the name of its folder, from which copies are removed.",
        ),
    ] = None  # fmt: skip
    plan: Annotated[
        str | None,
        path(
            SAFETY, "--plan", metavar="FILE",
            help="Write a plan that removes from --drop what has copies elsewhere; fastsim apply FILE runs it.",
        ),
    ] = None  # fmt: skip
    mode: Annotated[
        DropMode,
        option(SAFETY, "--mode", metavar="MODE", help="How the plan removes: clean_move to --outs, or clean_delete."),
    ] = DropMode.CLEAN_MOVE
    force: Annotated[bool, flag(RARE + SAFETY, "--force", help="Allow clean_delete with a threshold under 0.9.")] = (
        False
    )
    network: NetworkOptions
    cache: CacheOptions
