"""Define the commands. `commands/` does the work and is imported late, so that --help answers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastsim import __version__
from fastsim.cli.command import IMAGES, VIDEOS, FastsimCommand, FastsimGroup, takes
from fastsim.config import THRES_GUIDE
from fastsim.errors import ExitCode
from fastsim.run.terminal import out

if TYPE_CHECKING:
    from fastsim.cli.image_options import (
        ApplyOptions,
        CacheFolderOption,
        CompareOptions,
        EmbedOptions,
        ImagesOptions,
        PairsOptions,
        ReviewOptions,
        TuneOptions,
        UndoOptions,
    )
    from fastsim.cli.set_options import IndexOptions, LeakageOptions, SearchOptions
    from fastsim.cli.video_options import VideoDuplicatesOptions, VideoOptions, VideosOptions

_TYPER: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False, "add_completion": False}
_SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}

app = typer.Typer(
    name="fastsim", cls=FastsimGroup, context_settings=_SETTINGS, epilog=f"Thresholds. {THRES_GUIDE}", no_args_is_help=True,
    **_TYPER,
)  # fmt: skip
cache = typer.Typer(cls=FastsimGroup, no_args_is_help=True, **_TYPER)
decisions = typer.Typer(cls=FastsimGroup, no_args_is_help=True, **_TYPER)


def _print_version(wanted: bool) -> None:
    if wanted:
        out(f"fastsim {__version__}")
        raise typer.Exit


@app.callback()
def fastsim(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, show_default=False, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """Find near-duplicate images and video frames, and group or clean them.

    Nothing is overwritten, and `fastsim undo` takes back every copy and move.
    """
    del version  # its callback has answered


@app.command(cls=FastsimCommand, epilog=IMAGES)
@takes("image_options.ImagesOptions")
def images(options: ImagesOptions) -> ExitCode:
    """Find groups of similar images; copy or move each group to a folder, or clean all but the best of each."""
    from fastsim.cli.commands.images import images as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=IMAGES)
@takes("image_options.ReviewOptions")
def review(options: ReviewOptions) -> ExitCode:
    """Look at groups in a browser, decide, apply and take back. INPUT may be a plan, or the output folder of a run."""
    from fastsim.cli.commands.review import review as command

    return command(options)


@app.command(cls=FastsimCommand)
@takes("image_options.ApplyOptions")
def apply(options: ApplyOptions) -> ExitCode:
    """Carry out a plan, or finish an interrupted run."""
    from fastsim.cli.commands.apply import apply as command

    return command(options)


@app.command(cls=FastsimCommand)
@takes("image_options.UndoOptions")
def undo(options: UndoOptions) -> ExitCode:
    """Take back the moves and copies of a run, finished or interrupted."""
    from fastsim.cli.commands.undo import undo as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=IMAGES)
@takes("image_options.CompareOptions")
def compare(options: CompareOptions) -> ExitCode:
    """Print the scores between images, as a small table."""
    from fastsim.cli.commands.compare import compare as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=IMAGES)
@takes("image_options.PairsOptions")
def pairs(options: PairsOptions) -> ExitCode:
    """Write the pairs of similar images to a file, with scores and the results of verification."""
    from fastsim.cli.commands.pairs import write_pairs as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=IMAGES)
@takes("set_options.LeakageOptions")
def leakage(options: LeakageOptions) -> ExitCode:
    """Find images of one split of a data set that have copies in another, and copies in folders of other classes."""
    from fastsim.cli.commands.leakage import leakage as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=IMAGES)
@takes("set_options.SearchOptions")
def search(options: SearchOptions) -> ExitCode:
    """Find the best matches of images in folders or in an index."""
    from fastsim.cli.commands.search import search as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=IMAGES)
@takes("set_options.IndexOptions")
def index(options: IndexOptions) -> ExitCode:
    """Write an index of images for `fastsim search`, or bring one up to date."""
    from fastsim.cli.commands.index import index as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=IMAGES)
@takes("image_options.EmbedOptions")
def embed(options: EmbedOptions) -> ExitCode:
    """Write the vectors of images to a file."""
    from fastsim.cli.commands.embed import embed as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=IMAGES)
@takes("image_options.TuneOptions")
def tune(options: TuneOptions) -> ExitCode:
    """Suggest a threshold for your own images: what each threshold would group and remove, and borderline pairs."""
    from fastsim.cli.commands.tune import tune_thresholds as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=VIDEOS)
@takes("video_options.VideoOptions")
def video(options: VideoOptions) -> ExitCode:
    """Write the distinct frames of a video, with a contact sheet and a table."""
    from fastsim.cli.commands.video import video as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=VIDEOS)
@takes("video_options.VideosOptions")
def videos(options: VideosOptions) -> ExitCode:
    """Write the distinct frames of every video in a folder, one folder per video."""
    from fastsim.cli.commands.video import videos as command

    return command(options)


@app.command(cls=FastsimCommand, epilog=VIDEOS)
@takes("video_options.VideoDuplicatesOptions")
def video_duplicates(options: VideoDuplicatesOptions) -> ExitCode:
    """Find videos, or parts of videos, that show the same thing; no file is changed."""
    from fastsim.cli.commands.video_duplicates import video_duplicates as command

    return command(options)


@app.command(cls=FastsimCommand)
def doctor() -> None:
    """Show versions, CPU features, runtimes and GPUs, and what `auto` would pick and why."""
    from fastsim import doctor as examination

    for line in examination.lines():
        out(line)


app.add_typer(decisions, name="decisions", help='List what was called "not a duplicate" in reviews, or forget it.')


@decisions.command("list", cls=FastsimCommand)
def decisions_list() -> None:
    """List the pairs that were called "not a duplicate", the oldest first."""
    from fastsim.cli.commands.decisions import list_decisions

    list_decisions()


@decisions.command("clear", cls=FastsimCommand)
def decisions_clear() -> None:
    """Forget all pairs that were called "not a duplicate"."""
    from fastsim.cli.commands.decisions import clear_decisions

    clear_decisions()


app.add_typer(cache, name="cache", help="Inspect the embedding cache, or remove it.")


@cache.command("info", cls=FastsimCommand)
@takes("image_options.CacheFolderOption")
def cache_info(options: CacheFolderOption) -> ExitCode:
    """Show where the embedding cache is and what it holds."""
    from fastsim.cli.commands.cache import info as command

    return command(options.cache)


@cache.command("clear", cls=FastsimCommand)
@takes("image_options.CacheFolderOption")
def cache_clear(options: CacheFolderOption) -> ExitCode:
    """Remove the embedding cache; the next run makes a new one."""
    from fastsim.cli.commands.cache import clear as command

    return command(options.cache)
