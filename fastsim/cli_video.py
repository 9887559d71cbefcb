"""The commands for videos: what a user can type. `cli.py` imports this at its end, and holds the options that all share."""

from __future__ import annotations

from typing import Annotated

import typer

from fastsim.cli import (
    DeviceName,
    DryRun,
    Exclude,
    FollowLinks,
    Inputs,
    Ins,
    JsonFile,
    ModelPath,
    Quiet,
    Recursive,
    RuntimeName,
    Size,
    Thres,
    Verbose,
    Workers,
    _exit,
    _with_inputs,
    app,
)
from fastsim.config import DEFAULT_THRES

One = Annotated[list[str] | None, typer.Argument(metavar="FILE", help="The video.", show_default=False)]
Outs = Annotated[
    str,
    typer.Option(
        metavar="DIR",
        help="A folder for each video goes there, named after it. Empty, new, or of an earlier run with the same "
        "settings, which is then continued.",
    ),
]
Skip = Annotated[
    int | None, typer.Option(metavar="N", help="Take every N-th frame; 1 takes all. [default: 10]", show_default=False)
]
Every = Annotated[
    str | None,
    typer.Option(metavar="SECONDS", help="Take a frame every so many seconds, in place of --skip.", show_default=False),
]
Start = Annotated[
    str | None, typer.Option(metavar="TIME", help="Begin there: seconds, MM:SS or HH:MM:SS.", show_default=False)
]
End = Annotated[
    str | None, typer.Option(metavar="TIME", help="Stop before there: seconds, MM:SS or HH:MM:SS.", show_default=False)
]
Crop = Annotated[
    float,
    typer.Option(metavar="F", help="Compare the central F of the frame's area, 0.05 to 1; written frames are whole."),
]
VideoThres = Annotated[float, typer.Option("--thres", help="A frame this similar to a kept one, 0 to 1, is dropped.")]
Format = Annotated[str, typer.Option("--format", help="Of the written frames: jpg, png or webp.")]
Quality = Annotated[int, typer.Option(help="Of jpg and webp, 1 to 100.")]
TimelineOption = Annotated[
    bool, typer.Option("--timeline", help="Also draw similarity over time, the kept frames marked.")
]
Across = Annotated[bool, typer.Option("--across", help="Keep a scene once over all videos, not once in each of them.")]


@app.command()
def video(
    inputs: One = None,
    ins: Ins = None,
    outs: Outs = "./fastsim_outputs",
    skip: Skip = None,
    every: Every = None,
    start: Start = None,
    end: End = None,
    crop: Crop = 0.85,
    thres: VideoThres = DEFAULT_THRES,
    size: Size = None,
    model: ModelPath = None,
    device: DeviceName = "auto",
    runtime: RuntimeName = "auto",
    format: Format = "jpg",  # noqa: A002
    quality: Quality = 95,
    timeline: TimelineOption = False,
    dry_run: DryRun = False,
    json: JsonFile = None,
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the frames of a video that differ, with a contact sheet and a table."""
    options = locals()
    from fastsim.commands.video import video as command

    _exit(command(**_with_inputs(options)))


@app.command()
def videos(
    inputs: Inputs = None,
    ins: Ins = None,
    outs: Outs = "./fastsim_outputs",
    skip: Skip = None,
    every: Every = None,
    start: Start = None,
    end: End = None,
    crop: Crop = 0.85,
    thres: VideoThres = DEFAULT_THRES,
    across: Across = False,
    size: Size = None,
    model: ModelPath = None,
    device: DeviceName = "auto",
    runtime: RuntimeName = "auto",
    format: Format = "jpg",  # noqa: A002
    quality: Quality = 95,
    timeline: TimelineOption = False,
    recursive: Recursive = True,
    exclude: Exclude = None,
    follow_links: FollowLinks = False,
    dry_run: DryRun = False,
    json: JsonFile = None,
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the frames that differ of every video in a folder, a folder for each video."""
    options = locals()
    from fastsim.commands.video import videos as command

    _exit(command(**_with_inputs(options)))


@app.command()
def video_duplicates(
    inputs: Inputs = None,
    ins: Ins = None,
    every: Annotated[float, typer.Option(metavar="SECONDS", help="Compare a frame every so many seconds.")] = 0.5,
    crop: Crop = 0.85,
    thres: Thres = 0.8,
    least: Annotated[
        float, typer.Option("--least", metavar="SECONDS", help="The shortest common part that is reported.")
    ] = 5.0,
    size: Size = None,
    model: ModelPath = None,
    device: DeviceName = "auto",
    runtime: RuntimeName = "auto",
    recursive: Recursive = True,
    exclude: Exclude = None,
    follow_links: FollowLinks = False,
    json: JsonFile = None,
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find videos, or parts of videos, that show the same thing; no file is changed."""
    options = locals()
    from fastsim.commands.video_duplicates import video_duplicates as command

    _exit(command(**_with_inputs(options)))
