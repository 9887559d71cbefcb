"""Define the options of the commands for videos, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from fastsim.choices import ImageFormat
from fastsim.cli.command import RARE
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
    PathOptions,
    flag,
    option,
    path,
)
from fastsim.config import DEFAULT_THRES, FRAME_THRES

_CROP = option(
    MATCHING, "--crop", metavar="F",
    help="Fraction of the frame's area, around its centre and without black bars, to compare, 0.05 to 1; saved frames are "
    "not cropped.",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """Which frames are read."""

    skip: Annotated[
        int | None,
        option(INPUT, "--skip", metavar="N", help="Take every N-th frame; 1 takes all. Default: 10."),
    ] = None
    every: Annotated[
        str | None,
        option(INPUT, "--every", metavar="SECONDS", help="Take one frame per this many seconds, in place of --skip."),
    ] = None
    start: Annotated[
        str | None, option(INPUT, "--start", metavar="TIME", help="Start at this time: seconds, MM:SS or HH:MM:SS.")
    ] = None
    end: Annotated[
        str | None, option(INPUT, "--end", metavar="TIME", help="Stop before this time: seconds, MM:SS or HH:MM:SS.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class FileOptions(PathOptions):
    """One video."""

    inputs: Annotated[
        tuple[str, ...],
        typer.Argument(metavar="FILE", show_default=False, rich_help_panel=INPUT, path_type=str, help="The video."),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class FramesOptions:
    """The options that `fastsim video` and `fastsim videos` have in common."""

    input: PathOptions
    sampling: SamplingOptions
    thres: Annotated[
        float,
        option(MATCHING, "--thres", metavar="SCORE", help="Drop a frame that is this similar to a kept one, 0 to 1."),
    ] = DEFAULT_THRES
    crop: Annotated[float, _CROP] = 0.85
    outs: Annotated[
        str | None,
        path(
            OUTPUT, "--outs", metavar="DIR",
            help="Folder for one folder per video; new, empty, or of an interrupted run with the same settings, which is then "
            "continued. Default: ./fastsim_outputs, or ./fastsim_outputs_2, _3, ... if that is taken.",
        ),
    ] = None  # fmt: skip
    format: Annotated[
        ImageFormat,
        option(
            OUTPUT, "--format", metavar="NAME", case_sensitive=False, help="Format of saved frames: jpg, png or webp."
        ),
    ] = ImageFormat.JPG
    quality: Annotated[
        int, option(RARE + OUTPUT, "--quality", metavar="N", help="Quality of jpg and webp, 1 to 100.")
    ] = 95
    timeline: Annotated[
        bool, flag(OUTPUT, "--timeline", help="Also draw similarity over time, with the kept frames marked.")
    ] = False
    output: OutputOptions
    json: JsonOption
    dry_run: Annotated[bool, flag(SAFETY, "--dry-run", help="Print what would be kept, and write nothing.")] = False
    network: NetworkOptions
    cache: CacheOptions


@dataclass(frozen=True, kw_only=True)
class VideoOptions(FramesOptions):
    """The options of `fastsim video`."""

    input: FileOptions


@dataclass(frozen=True, kw_only=True)
class VideosOptions(FramesOptions):
    """The options of `fastsim videos`."""

    input: InputOptions
    across: Annotated[bool, flag(MATCHING, "--across", help="Keep a scene once over all videos, not once in each.")] = (
        False
    )


@dataclass(frozen=True, kw_only=True)
class VideoDuplicatesOptions:
    """The options of `fastsim video-duplicates`."""

    input: InputOptions
    every: Annotated[
        float, option(INPUT, "--every", metavar="SECONDS", help="Compare one frame per this many seconds.")
    ] = 0.5
    thres: Annotated[
        float, option(MATCHING, "--thres", metavar="SCORE", help="Lowest score of frames that show the same, 0 to 1.")
    ] = FRAME_THRES
    crop: Annotated[float, _CROP] = 0.85
    least: Annotated[float, option(MATCHING, "--least", metavar="SECONDS", help="Shortest common part to report.")] = (
        5.0
    )
    output: OutputOptions
    json: JsonOption
    network: NetworkOptions
    cache: CacheOptions
