"""The options that commands share: names, defaults and help, each as a decorator for click."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from fastsim.config import DEFAULT_THRES, THRES_GUIDE, Device, Runtime

Command = Callable[..., None]
Parameter = Callable[[Command], Command]

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}


class MediaCommand(click.Command):
    """A command that ends its --help with the formats that it reads."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from fastsim.inputs.formats import Kind, summary

        self.epilog = summary(Kind.VIDEO if "video" in (self.name or "") else Kind.IMAGE)
        super().format_epilog(ctx, formatter)


def takes(*parameters: Parameter) -> Callable[[Command], Command]:
    """A command with these arguments and options, which --help lists in this order."""

    def decorate(command: Command) -> Command:
        for parameter in reversed(parameters):
            command = parameter(command)
        return command

    return decorate


def text(name: str, metavar: str, help: str, default: str | None = None, **more: Any) -> Parameter:  # noqa: A002
    return click.option(name, metavar=metavar, help=help, default=default, **more)


def word(
    name: str, metavar: str, allowed: Callable[[], Iterable[str]], help: str, default: str | None = None,  # noqa: A002
) -> Parameter:  # fmt: skip
    """One of a few words, which a shell completes; the command itself checks it. `allowed` is called late."""

    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
        return [one for one in map(str, allowed()) if one.startswith(begun)]

    return text(name, metavar, help, default, shell_complete=complete)


def path(name: str, metavar: str, help: str, default: str | None = None, **more: Any) -> Parameter:  # noqa: A002
    """A file or folder, which a shell may complete; what it must be is checked by the command."""
    return click.option(name, metavar=metavar, type=click.Path(), help=help, default=default, **more)


def flag(*names: str, help: str) -> Parameter:  # noqa: A002
    return click.option(*names, is_flag=True, show_default=False, help=help)


INPUTS = click.argument(
    "inputs", metavar="INPUT...", type=click.Path(), nargs=-1,
    help="Folders, files, or - for a list of paths on stdin (one a line, or NUL-separated).",
)  # fmt: skip
INS = path("--ins", "PATH", "The same as INPUT; may be repeated.", multiple=True)
OUTS = path(
    "--outs", "DIR",
    "Where groups or removed files go, and the journal. Empty or new; never scanned. By default ./fastsim_outputs, or "
    "./fastsim_outputs_2, _3, ... where an earlier run is there.",
)  # fmt: skip
SIZE = word(
    "--size", "SIDE", lambda: ("auto", "112", "128", "160", "224"),
    "Side of the network's input: 224, 160, 128, 112, any multiple of 16 from 64 to 512, or auto (112 for an image "
    "smaller than 112x112, else 224). By default what the model's card says: 128 for the packaged one.",
)  # fmt: skip
MODEL = path("--model", "PATH", "An ONNX model in place of the packaged one.")
THRES = click.option(
    "--thres", type=float, metavar="SCORE", default=DEFAULT_THRES,
    help=f"Similar from this score on, 0 to 1. {THRES_GUIDE}",
)  # fmt: skip
DEVICE = word("--device", "NAME", lambda: Device, "auto, cpu, cuda, cuda:N or cuda:N,M.", "auto")
RUNTIME = word("--runtime", "NAME", lambda: Runtime, "auto, openvino, onnxruntime; tensorrt with cuda.", "auto")
RECURSIVE = click.option("--recursive/--no-recursive", default=True, help="Look into subfolders.")
EXCLUDE = click.option(
    "--exclude", metavar="GLOB", multiple=True, help="Leave out paths or names that match; may be repeated."
)
FOLLOW_LINKS = flag("--follow-links", help="Follow symbolic links (loops end; no link stays in place of their target).")
INCLUDE_SYSTEM = flag(
    "--include-system",
    help="Also read folders that are left out by default: trash, snapshots, thumbnails, version control, photo libraries.",
)
DRY_RUN = flag("--dry-run", help="Print what would be done, and do nothing.")
YES = flag("--yes", "-y", help="Do not ask before deleting.")
JSON = path("--json", "FILE", "Write the whole result as JSON; - is stdout.")
CACHE = path("--cache", "DIR", "Where the embedding cache lies; by default in your cache folder.")
NO_CACHE = flag("--no-cache", help="Neither read nor write the embedding cache, nor compiled networks.")
WORKERS = click.option("--workers", type=int, metavar="N", help="Threads; by default one for each usable CPU.")
BATCH = click.option("--batch", type=int, metavar="N", help="Pictures a call of the network; by default what suits it.")
QUIET = flag("--quiet", "-q", help="Print errors only, and what was asked for.")
VERBOSE = flag("--verbose", "-v", help="List every group and every skipped file; let decoders speak.")

# What commands take together.
NETWORK = takes(SIZE, MODEL)
RUNS_ON = takes(DEVICE, RUNTIME)
SCAN = takes(RECURSIVE, EXCLUDE, FOLLOW_LINKS, INCLUDE_SYSTEM)
CACHES = takes(CACHE, NO_CACHE)
