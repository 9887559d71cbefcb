"""The commands for videos: what a user can type. `main.py` imports it."""

from __future__ import annotations

from typing import Any

import click

from fastsim.cli.app import app, leave, with_inputs
from fastsim.cli.options import (
    CACHES,
    DRY_RUN,
    INPUTS,
    INS,
    JSON,
    NETWORK,
    QUIET,
    RUNS_ON,
    SCAN,
    VERBOSE,
    WORKERS,
    MediaCommand,
    flag,
    path,
    takes,
    text,
    word,
)
from fastsim.config import DEFAULT_THRES

_OUTS = path(
    "--outs", "DIR",
    "A folder for each video goes there, named after it. Empty, new, or of an earlier run with the same settings, which "
    "is then continued. By default ./fastsim_outputs, or ./fastsim_outputs_2, _3, ... where that is taken.",
)  # fmt: skip
_SAMPLING = (
    click.option("--skip", type=int, metavar="N", help="Take every N-th frame; 1 takes all.  [default: 10]"),
    text("--every", "SECONDS", "Take a frame every so many seconds, in place of --skip."),
    text("--start", "TIME", "Begin there: seconds, MM:SS or HH:MM:SS."),
    text("--end", "TIME", "Stop before there: seconds, MM:SS or HH:MM:SS."),
)
_CROP = click.option(
    "--crop", type=float, metavar="F", default=0.85,
    help="Compare the central F of the frame's area without black bars, 0.05 to 1; written frames are whole.",
)  # fmt: skip
_THRES = click.option(
    "--thres", type=float, metavar="SCORE", default=DEFAULT_THRES,
    help="A frame this similar to a kept one, 0 to 1, is dropped.",
)  # fmt: skip
_WRITTEN = (
    word("--format", "NAME", lambda: ("jpg", "png", "webp"), "Of the written frames: jpg, png or webp.", "jpg"),
    click.option("--quality", type=int, metavar="N", default=95, help="Of jpg and webp, 1 to 100."),
    flag("--timeline", help="Also draw similarity over time, the kept frames marked."),
)


@app.command(cls=MediaCommand)
@takes(
    click.argument("inputs", metavar="FILE", type=click.Path(), nargs=-1, help="The video."),
    INS, _OUTS, *_SAMPLING, _CROP, _THRES, NETWORK, RUNS_ON, *_WRITTEN, DRY_RUN, JSON, WORKERS, QUIET, VERBOSE,
)  # fmt: skip
def video(**typed: Any) -> None:
    """Write the frames of a video that differ, with a contact sheet and a table."""
    from fastsim.cli.commands.video import video as command

    leave(command(**with_inputs(typed)))


@app.command(cls=MediaCommand)
@takes(
    INPUTS, INS, _OUTS, *_SAMPLING, _CROP, _THRES,
    flag("--across", help="Keep a scene once over all videos, not once in each of them."),
    NETWORK, RUNS_ON, *_WRITTEN, SCAN, DRY_RUN, JSON, WORKERS, QUIET, VERBOSE,
)  # fmt: skip
def videos(**typed: Any) -> None:
    """Write the frames that differ of every video in a folder, a folder for each video."""
    from fastsim.cli.commands.video import videos as command

    leave(command(**with_inputs(typed)))


@app.command(cls=MediaCommand)
@takes(
    INPUTS, INS,
    click.option(
        "--every", type=float, metavar="SECONDS", default=0.5, help="Compare a frame every so many seconds."
    ),
    _CROP,
    click.option(
        "--thres", type=float, metavar="SCORE", default=0.8, help="Frames from this score on, 0 to 1, show the same."
    ),
    click.option(
        "--least", type=float, metavar="SECONDS", default=5.0, help="The shortest common part that is reported."
    ),
    NETWORK, RUNS_ON, SCAN, JSON, CACHES, WORKERS, QUIET, VERBOSE,
)  # fmt: skip
def video_duplicates(**typed: Any) -> None:
    """Find videos, or parts of videos, that show the same thing; no file is changed."""
    from fastsim.cli.commands.video_duplicates import video_duplicates as command

    leave(command(**with_inputs(typed)))
