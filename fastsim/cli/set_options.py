"""The options of the commands that compare sets of images: leakage, index, search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fastsim.choices import DropMode
from fastsim.cli.command import RARE
from fastsim.cli.image_options import MatchOptions
from fastsim.cli.options import (
    INPUT,
    MATCHING,
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
        path(
            OUTPUT, "--out", metavar="FILE", help="Write the pairs: FILE.csv, .json, .npz or .parquet (needs pyarrow)."
        ),
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


@dataclass(frozen=True, kw_only=True)
class IndexOptions:
    """The options of `fastsim index`."""

    input: InputOptions
    out: Annotated[
        str | None,
        path(
            OUTPUT, "--out", metavar="FILE",
            help="The index to write. If it is there, only what is new or has changed is embedded, and what is gone is dropped.",
        ),
    ] = None  # fmt: skip
    output: OutputOptions
    json: JsonOption
    network: NetworkOptions
    cache: CacheOptions


@dataclass(frozen=True, kw_only=True)
class QueryOptions(InputOptions):
    """The images that are searched for."""

    inputs: Annotated[
        tuple[str, ...],
        typer.Argument(
            metavar="QUERY...", show_default=False, rich_help_panel=INPUT, path_type=str,
            help="Images, or folders of images, or - for a list of paths on stdin.",
        ),
    ] = ()  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """The options of `fastsim search`."""

    input: QueryOptions
    within: Annotated[
        tuple[str, ...],
        path(
            INPUT, "--in", metavar="INPUT|INDEX", show_default=False,
            help="Where to search: a folder, an image, or an index that fastsim index wrote; may be repeated.",
        ),
    ] = ()  # fmt: skip
    k: Annotated[int, option(MATCHING, "-k", "--best", metavar="N", help="Matches of each image.")] = 10
    thres: Annotated[
        float, option(MATCHING, "--thres", metavar="SCORE", help="Leave out matches with a lower score, 0 to 1.")
    ] = 0.0
    verify: Annotated[
        bool, flag(MATCHING, "--verify", help="Align each match, compare its pixels, and tell whether it is a copy.")
    ] = False
    output: OutputOptions
    json: JsonOption
    network: NetworkOptions
    cache: CacheOptions
