"""Define the options of each command for images, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fastsim.choices import Flag, GroupBy, Mode, Pairs
from fastsim.cli.command import RARE
from fastsim.cli.options import (
    INPUT,
    MATCHING,
    OUTPUT,
    OUTS_HELP,
    SAFETY,
    CacheOptions,
    InputOptions,
    JsonOption,
    NetworkOptions,
    OutputOptions,
    QuietOption,
    completing_list,
    flag,
    option,
    path,
)
from fastsim.config import DEFAULT_THRES
from fastsim.grouping.keep_words import WORDS


@dataclass(frozen=True, kw_only=True)
class MatchOptions:
    """The pairs that count."""

    thres: Annotated[
        float | None,
        option(
            MATCHING, "--thres", metavar="SCORE",
            help="Lowest score of similar images, 0 to 1: 0.95 strict, 0.85 balanced, 0.75 loose (see fastsim --help). "
            f"Default: {DEFAULT_THRES:g}, or 0 with --verify.",
        ),
    ] = None  # fmt: skip
    verify: Annotated[
        bool,
        flag(
            MATCHING, "--verify",
            help="Take confirmed copies only: align each pair and compare its pixels. --thres is then a further minimum.",
        ),
    ] = False  # fmt: skip

    @property
    def threshold(self) -> float:
        """Return --thres, or its default, which is 0 with --verify: a confirmed copy needs no score."""
        if self.thres is not None:
            return self.thres
        return 0.0 if self.verify else DEFAULT_THRES


@dataclass(frozen=True, kw_only=True)
class DecidedOptions:
    """What becomes of decisions of earlier reviews."""

    forget_decisions: Annotated[
        bool,
        flag(
            RARE + MATCHING, "--forget-decisions",
            help='Ignore what was decided in earlier reviews, "not a duplicate" included; nothing is erased.',
        ),
    ] = False  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ImagesOptions:
    """The options of `fastsim images`."""

    input: InputOptions
    reference: Annotated[
        tuple[str, ...],
        path(
            INPUT, "--reference", metavar="DIR", show_default=False,
            help="Compare against the images of DIR as well, which are never moved or deleted and stay before all others; "
            "may be repeated.",
        ),
    ] = ()  # fmt: skip
    min_pixels: Annotated[
        str | None,
        option(
            RARE + INPUT, "--min-pixels", metavar="PIXELS",
            help="Smallest image to take, such as 640x480, 300000 or 0.5MP.",
        ),
    ] = None  # fmt: skip
    match: MatchOptions
    between: Annotated[bool, flag(MATCHING, "--between", help="Compare only files of different inputs.")] = False
    within: Annotated[bool, flag(MATCHING, "--within", help="Compare only files of the same input.")] = False
    group_by: Annotated[
        GroupBy,
        option(
            RARE + MATCHING, "--group-by", metavar="WHAT",
            help="component: a group is all that is linked by similarity; keeper: only what is similar to its keeper.",
        ),
    ] = GroupBy.COMPONENT  # fmt: skip
    mode: Annotated[
        Mode,
        option(
            OUTPUT, "--mode", metavar="MODE",
            help="group_copy, group_move: copy or move each group to a folder of its own; clean_move: move all but the "
            "keepers to --outs; clean_delete: delete all but the keepers; link_hard, link_symbolic, link_reflink: as "
            "clean_move, and put links to the keepers in their place; list: print what clean_move would move.",
        ),
    ] = Mode.GROUP_COPY  # fmt: skip
    null: Annotated[
        bool, flag(RARE + OUTPUT, "--null", "-0", help="With --mode list: end each path with NUL, not a newline.")
    ] = False
    outs: Annotated[str | None, path(OUTPUT, "--outs", metavar="DIR", help=OUTS_HELP)] = None
    flag: Annotated[
        str | None,
        option(
            RARE + OUTPUT, "--flag", metavar="WHAT,...", **completing_list(*Flag),
            help="Mark images in the report and in JSON: blur, dark, bright, low-information.",
        ),
    ] = None  # fmt: skip
    export: Annotated[
        str | None,
        path(
            OUTPUT, "--export", metavar="FILE",
            help="Write every image with its group: FILE.csv, .json, .npz or .parquet (needs pyarrow), or samples.json for "
            "FiftyOne.",
        ),
    ] = None  # fmt: skip
    output: OutputOptions
    json: JsonOption
    keep: Annotated[
        str | None,
        option(
            SAFETY, "--keep", metavar="RULE,...", **completing_list(*WORDS),
            help="The file of a group to keep: rules in the order in which they decide. intact, reference, uncropped (with "
            "--verify), resolution, largest (bytes), raw, format:heic>jpeg>png, exif, sharp, folder:GLOB, name:original, newest, "
            "oldest, shortest-path, path; best: intact, uncropped, resolution, exif, largest, name:original, oldest. "
            "Default: largest. Unless named, intact comes first.",
        ),
    ] = None  # fmt: skip
    review: Annotated[
        bool,
        flag(SAFETY, "--review", help="Look at the groups in a browser first, and decide there; see fastsim review."),
    ] = False
    rules: Annotated[
        str | None,
        path(RARE + SAFETY, "--rules", metavar="FILE", help="Read the rules of --keep from a TOML file: keep = [...]."),
    ] = None
    dry_run: Annotated[bool, flag(SAFETY, "--dry-run", help="Print what would be done, and change nothing.")] = False
    plan: Annotated[
        str | None,
        path(
            SAFETY,
            "--plan",
            metavar="FILE",
            help="Write the plan to FILE, and change nothing; fastsim apply FILE runs it.",
        ),
    ] = None
    yes: Annotated[bool, flag(SAFETY, "--yes", "-y", help="Delete without asking.")] = False
    trash: Annotated[
        bool, flag(SAFETY, "--trash", help="With clean_delete: move to the desktop's trash instead of deleting.")
    ] = False
    force: Annotated[bool, flag(RARE + SAFETY, "--force", help="Allow clean_delete with a threshold under 0.9.")] = (
        False
    )
    allow_different: Annotated[
        bool,
        flag(
            RARE + SAFETY, "--allow-different",
            help="With link_hard and link_reflink: link similar files too, not only those equal byte for byte.",
        ),
    ] = False  # fmt: skip
    pairs: Annotated[
        Pairs,
        option(
            RARE + INPUT, "--pairs", metavar="WHAT",
            help="keep: a RAW file goes and stays with the JPEG or HEIC file of its shot, which is compared for both; "
            "split: they are two images.",
        ),
    ] = Pairs.KEEP  # fmt: skip
    no_sidecars: Annotated[
        bool,
        flag(
            RARE + INPUT, "--no-sidecars",
            help="Leave sidecar files where they are: .xmp, .aae, .json, films of Live Photos and others.",
        ),
    ] = False  # fmt: skip
    decided: DecidedOptions
    network: NetworkOptions
    cache: CacheOptions


@dataclass(frozen=True, kw_only=True)
class ReviewOptions:
    """The options of `fastsim review`."""

    input: InputOptions
    reference: Annotated[
        tuple[str, ...],
        path(
            INPUT, "--reference", metavar="DIR", show_default=False,
            help="Compare against the images of DIR as well, which always stay; may be repeated.",
        ),
    ] = ()  # fmt: skip
    match: MatchOptions
    outs: Annotated[str | None, path(OUTPUT, "--outs", metavar="DIR", help=OUTS_HELP)] = None
    port: Annotated[
        int | None, option(OUTPUT, "--port", metavar="N", help="Port on 127.0.0.1. Default: a free one.")
    ] = None
    no_browser: Annotated[bool, flag(OUTPUT, "--no-browser", help="Print the address, and open no browser.")] = False
    export: Annotated[
        str | None,
        path(
            OUTPUT, "--export", metavar="DIR",
            help="Write a page with thumbnails to hand on, in place of serving one; fastsim apply takes its decisions.",
        ),
    ] = None  # fmt: skip
    output: OutputOptions
    keep: Annotated[
        str | None,
        option(
            SAFETY, "--keep", metavar="RULE,...", **completing_list(*WORDS),
            help="The file of a group to keep until you decide: rules in order, as for images. Default: largest.",
        ),
    ] = None  # fmt: skip
    pairs: Annotated[
        Pairs,
        option(
            RARE + INPUT, "--pairs", metavar="WHAT",
            help="keep: a RAW file goes and stays with the JPEG or HEIC file of its shot; split: they are two images.",
        ),
    ] = Pairs.KEEP  # fmt: skip
    no_sidecars: Annotated[bool, flag(RARE + INPUT, "--no-sidecars", help="Leave sidecar files where they are.")] = (
        False
    )
    decided: DecidedOptions
    network: NetworkOptions
    cache: CacheOptions


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """The options of `fastsim compare`."""

    input: InputOptions
    thres: Annotated[
        float,
        option(MATCHING, "--thres", metavar="SCORE", help="Mark scores from this one on, 0 to 1."),
    ] = DEFAULT_THRES
    verify: Annotated[
        bool, flag(MATCHING, "--verify", help="Align each pair, compare its pixels, and print the transform in words.")
    ] = False
    output: OutputOptions
    json: JsonOption
    network: NetworkOptions
    cache: CacheOptions


@dataclass(frozen=True, kw_only=True)
class PairsOptions:
    """The options of `fastsim pairs`."""

    input: InputOptions
    match: MatchOptions
    out: Annotated[
        str | None,
        path(
            OUTPUT,
            "--out",
            metavar="FILE",
            help="The table to write: FILE.csv, .json, .npz or .parquet (needs pyarrow).",
        ),
    ] = None
    output: OutputOptions
    network: NetworkOptions
    cache: CacheOptions


@dataclass(frozen=True, kw_only=True)
class EmbedOptions:
    """The options of `fastsim embed`."""

    input: InputOptions
    out: Annotated[
        str | None,
        path(OUTPUT, "--out", metavar="FILE", help="The .npz file to write: paths, vectors (float16[n, d]), sizes."),
    ] = None
    output: OutputOptions
    network: NetworkOptions
    cache: CacheOptions


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """The options of `fastsim tune`."""

    input: InputOptions
    outs: Annotated[
        str, path(OUTPUT, "--outs", metavar="DIR", help="Folder for the page, the chart and the table.")
    ] = "./fastsim_tune"
    output: OutputOptions
    json: JsonOption
    network: NetworkOptions
    cache: CacheOptions


@dataclass(frozen=True, kw_only=True)
class ApplyOptions:
    """The options of `fastsim apply`."""

    plan: Annotated[
        str,
        typer.Argument(
            metavar="PLAN", path_type=str, rich_help_panel=INPUT,
            help="A plan that --plan wrote, or the output folder of an interrupted run.",
        ),
    ]  # fmt: skip
    yes: Annotated[bool, flag(SAFETY, "--yes", "-y", help="Delete without asking.")] = False
    output: QuietOption


@dataclass(frozen=True, kw_only=True)
class UndoOptions:
    """The options of `fastsim undo`."""

    journal: Annotated[
        str,
        typer.Argument(
            metavar="JOURNAL", path_type=str, rich_help_panel=INPUT,
            help="fastsim_journal.jsonl of a run, or its folder.",
        ),
    ]  # fmt: skip
    yes: Annotated[
        bool,
        flag(SAFETY, "--yes", "-y", help="Do not ask before following a journal that someone else may have written."),
    ] = False
    output: QuietOption


@dataclass(frozen=True, kw_only=True)
class CacheFolderOption:
    """The option of `fastsim cache`."""

    cache: Annotated[
        str | None,
        path(INPUT, "--cache", metavar="DIR", help="Folder of the embedding cache. Default: your cache folder."),
    ] = None
