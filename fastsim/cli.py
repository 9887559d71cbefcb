"""The command line: what a user can type, and nothing else. `commands/` does the work; it is imported late, so that
--help answers at once."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from fastsim import __version__, ending
from fastsim.config import DEFAULT_THRES, THRES_GUIDE
from fastsim.console import out
from fastsim.errors import ExitCode, UsageError

app = typer.Typer(
    name="fastsim",
    help="Find near-duplicate images, group or clean them. Nothing is overwritten, and every change can be taken back.",
    epilog=f"Thresholds. {THRES_GUIDE}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INPUTS = "Folders, files, or - for a list of paths on stdin (one a line, or NUL-separated)."

Inputs = Annotated[list[str] | None, typer.Argument(metavar="INPUT...", help=INPUTS, show_default=False)]
Ins = Annotated[list[str] | None, typer.Option("--ins", metavar="PATH", help="The same as INPUT; may be repeated.")]
Outs = Annotated[
    str,
    typer.Option(metavar="DIR", help="Where groups or removed files go, and the journal. Empty or new; never scanned."),
]
Size = Annotated[
    str | None,
    typer.Option(help="Side of the network's input: 224, 160, 128, 112, any multiple of 16 from 64 to 512, or auto (112 "
                 "for an image smaller than 112x112, else 224).",
                 show_default="what the model's card says: 128 for the packaged one"),
]  # fmt: skip
ModelPath = Annotated[
    str | None, typer.Option("--model", metavar="PATH", help="An ONNX model in place of the packaged one.")
]
Thres = Annotated[float, typer.Option(help=f"Similar from this score on, 0 to 1. {THRES_GUIDE}")]
Mode = Annotated[
    str,
    typer.Option(help="group_copy or group_move: each group to a folder of its own; clean_move: all but the keepers to "
                 "--outs; clean_delete: all but the keepers are deleted."),
]  # fmt: skip
Keep = Annotated[
    str,
    typer.Option(help="Which file of a group stays: largest (bytes), resolution, newest, oldest or path; ties are "
                 "broken by the next rule, at last by path."),
]  # fmt: skip
GroupBy = Annotated[
    str,
    typer.Option(
        help="component: a group is all that is linked by similarity; keeper: only what is similar to its keeper."
    ),
]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or cuda:N,M.")]
RuntimeName = Annotated[str, typer.Option("--runtime", help="auto, openvino, onnxruntime; tensorrt with cuda.")]
Recursive = Annotated[bool, typer.Option("--recursive/--no-recursive", help="Look into subfolders.")]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="GLOB", help="Leave out paths or names that match; may be repeated."),
]
FollowLinks = Annotated[bool, typer.Option("--follow-links", help="Follow symbolic links (loops end; no link stays in "
                                           "place of their target).")]  # fmt: skip
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")]
PlanFile = Annotated[
    str | None,
    typer.Option(
        "--plan", metavar="FILE", help="Write the plan to FILE and do nothing; fastsim apply FILE carries it out."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.")]
Force = Annotated[bool, typer.Option("--force", help="Allow clean_delete with a threshold under 0.9.")]
Trash = Annotated[bool, typer.Option("--trash", help="With clean_delete: to the desktop's trash in place of deleting.")]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write the whole result as JSON; - is stdout.")
]
CacheDir = Annotated[
    str | None,
    typer.Option("--cache", metavar="DIR", help="Where the embedding cache lies; by default in your cache folder."),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither read nor write the embedding cache.")]
Workers = Annotated[int | None, typer.Option(help="Threads; by default one for each usable CPU.", show_default=False)]
Batch = Annotated[
    int | None, typer.Option(help="Pictures a call of the network; by default what suits it.", show_default=False)
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print errors only, and what was asked for."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="List every group and every skipped file; let decoders speak.")
]


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        out(f"fastsim {__version__}")
        raise typer.Exit
    del context


@app.command()
def images(
    inputs: Inputs = None,
    ins: Ins = None,
    outs: Outs = "./fastsim_outputs",
    size: Size = None,
    model: ModelPath = None,
    thres: Thres = DEFAULT_THRES,
    mode: Mode = "group_copy",
    keep: Keep = "largest",
    group_by: GroupBy = "component",
    device: DeviceName = "auto",
    runtime: RuntimeName = "auto",
    recursive: Recursive = True,
    exclude: Exclude = None,
    follow_links: FollowLinks = False,
    dry_run: DryRun = False,
    plan: PlanFile = None,
    yes: Yes = False,
    force: Force = False,
    trash: Trash = False,
    json: JsonFile = None,
    workers: Workers = None,
    batch: Batch = None,
    cache: CacheDir = None,
    no_cache: NoCache = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find groups of similar images; copy or move each group to a folder, or clean all but the best of each."""
    options = locals()
    from fastsim.commands.images import images as command

    _exit(command(**_with_inputs(options)))


@app.command()
def apply(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A plan that --plan wrote, or of an interrupted run.")],
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Carry out a plan, or finish an interrupted run."""
    from fastsim.commands.files import apply as command

    _exit(command(plan=plan, yes=yes, quiet=quiet))


@app.command()
def undo(
    journal: Annotated[str, typer.Argument(metavar="JOURNAL", help="fastsim_journal.jsonl of a run (or its folder).")],
    quiet: Quiet = False,
) -> None:
    """Take back the moves and copies of a run, finished or interrupted."""
    from fastsim.commands.files import undo as command

    _exit(command(journal=journal, quiet=quiet))


@app.command()
def compare(
    inputs: Inputs = None,
    ins: Ins = None,
    size: Size = None,
    model: ModelPath = None,
    thres: Thres = DEFAULT_THRES,
    device: DeviceName = "auto",
    runtime: RuntimeName = "auto",
    json: JsonFile = None,
    cache: CacheDir = None,
    no_cache: NoCache = False,
    quiet: Quiet = False,
) -> None:
    """Print the scores between images, as a small table."""
    options = locals()
    from fastsim.commands.vectors import compare as command

    _exit(command(**_with_inputs(options)))


@app.command()
def embed(
    inputs: Inputs = None,
    ins: Ins = None,
    out: Annotated[
        str, typer.Option(metavar="FILE", help="The .npz file: paths, vectors (float16[n, d]), sizes.")
    ] = "",
    size: Size = None,
    model: ModelPath = None,
    device: DeviceName = "auto",
    runtime: RuntimeName = "auto",
    recursive: Recursive = True,
    exclude: Exclude = None,
    follow_links: FollowLinks = False,
    workers: Workers = None,
    batch: Batch = None,
    cache: CacheDir = None,
    no_cache: NoCache = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the vectors of images to a file, for your own use."""
    options = locals()
    from fastsim.commands.vectors import embed as command

    _exit(command(**_with_inputs(options)))


@app.command()
def doctor() -> None:
    """Show versions, CPU features, runtimes and GPUs, and what `auto` would pick and why."""
    from fastsim import doctor as examination

    for line in examination.lines():
        out(line)


@app.command()
def tune(
    inputs: Inputs = None,
    ins: Ins = None,
    outs: Annotated[
        str, typer.Option(metavar="DIR", help="Where the page, the chart and the table go.")
    ] = "./fastsim_tune",
    size: Size = None,
    model: ModelPath = None,
    device: DeviceName = "auto",
    runtime: RuntimeName = "auto",
    recursive: Recursive = True,
    exclude: Exclude = None,
    follow_links: FollowLinks = False,
    json: JsonFile = None,
    cache: CacheDir = None,
    no_cache: NoCache = False,
    workers: Workers = None,
    batch: Batch = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Advise a threshold from your own pictures: what each would group and remove, and borderline pairs to look at."""
    options = locals()
    from fastsim.commands.tune import tune_thresholds as command

    _exit(command(**_with_inputs(options)))


cache_app = typer.Typer(help="Look at the embedding cache, or remove it.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(cache_app, name="cache")


@cache_app.command("info")
def cache_info(cache: CacheDir = None) -> None:
    """Show where the embedding cache lies and what it holds."""
    from fastsim.commands.cache import info as command

    _exit(command(cache))


@cache_app.command("clear")
def cache_clear(cache: CacheDir = None) -> None:
    """Remove the embedding cache; the next run makes a new one."""
    from fastsim.commands.cache import clear as command

    _exit(command(cache))


def main() -> None:
    """The `fastsim` program. Errors are one line on stderr; the exit code says what kind (see `ExitCode`)."""
    ending.run(lambda: app(prog_name="fastsim", standalone_mode=False))


def _with_inputs(options: dict[str, Any]) -> dict[str, Any]:
    """INPUT and --ins as one list. Raises UsageError if there is none."""
    inputs = (*(options.pop("inputs") or ()), *(options.pop("ins") or ()))
    if not inputs:
        raise UsageError("no INPUT: name a folder or files, or - to read a list from stdin")
    for option, value in options.items():
        if value == "" and option != "out":  # an unset variable of a script must not mean the current folder
            raise UsageError(f"--{option.replace('_', '-')} '': it is empty; give a value, or leave it out")
    return {"inputs": inputs, **options}


def _exit(code: ExitCode) -> None:
    sys.exit(int(code))  # and not typer.Exit, whose 130 would be taken for Ctrl-C


from fastsim import cli_video  # noqa: E402, F401 - registers the commands for videos, with the options from above
