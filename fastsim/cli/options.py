"""Define the options that commands share, as frozen dataclasses for `command.takes`: names, types, defaults, help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from fastsim.choices import DeviceKind, Runtime
from fastsim.cli.command import RARE
from fastsim.errors import UsageError

INPUT, MATCHING, OUTPUT, SAFETY, PERFORMANCE = "Input", "Matching", "Output", "Safety", "Performance"
"""The panels of --help."""

OUTS_HELP = (
    "Folder for grouped or removed files and the journal; new or empty, never scanned. Default: ./fastsim_outputs, or "
    "./fastsim_outputs_2, _3, ... if an earlier run is there."
)


def option(panel: str, *names: str, metavar: str, help: str, **more: Any) -> Any:  # noqa: A002
    """Describe an option with a value; `more` are further arguments of typer.Option."""
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel, **more)


def path(panel: str, *names: str, metavar: str, help: str, **more: Any) -> Any:  # noqa: A002
    """Describe an option that names a file or folder, which a shell may complete."""
    return option(panel, *names, metavar=metavar, help=help, path_type=str, **more)


def flag(panel: str, *names: str, help: str) -> Any:  # noqa: A002
    """Describe an option without a value."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False)


def completing(*words: str) -> dict[str, Any]:
    """Return arguments of typer.Option by which a shell completes `words`; other values are allowed."""
    return {"autocompletion": lambda incomplete: [word for word in words if word.startswith(incomplete)]}


def completing_list(*words: str) -> dict[str, Any]:
    """Like `completing`, for a list with commas between: completes its last word, and none that is there already."""

    def complete(incomplete: str) -> list[str]:
        *before, last = incomplete.split(",")
        head = "".join(f"{word}," for word in before)
        return [head + word for word in words if word.startswith(last) and word not in before]

    return {"autocompletion": complete}


@dataclass(frozen=True, kw_only=True)
class PathOptions:
    """The files and folders that a command reads."""

    inputs: Annotated[
        tuple[str, ...],
        typer.Argument(
            metavar="INPUT...", show_default=False, rich_help_panel=INPUT, path_type=str,
            help="Folders or files, or - for a list of paths on stdin (one a line, or separated by NUL).",
        ),
    ] = ()  # fmt: skip
    ins: Annotated[
        tuple[str, ...],
        path(RARE + INPUT, "--ins", metavar="PATH", show_default=False, help="The same as INPUT; may be repeated."),
    ] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """Return INPUT and --ins together. Raises UsageError if there is none."""
        if not (named := (*self.inputs, *self.ins)):
            raise UsageError("no INPUT: name a folder or files, or - to read a list from stdin")
        return named


@dataclass(frozen=True, kw_only=True)
class InputOptions(PathOptions):
    """Which files are read."""

    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive/--no-recursive", rich_help_panel=RARE + INPUT, help="Search subfolders as well."
        ),
    ] = True  # fmt: skip
    exclude: Annotated[
        tuple[str, ...],
        option(
            INPUT, "--exclude", metavar="GLOB", show_default=False,
            help="Leave out paths or names that match; may be repeated.",
        ),
    ] = ()  # fmt: skip
    include: Annotated[
        tuple[str, ...],
        option(
            RARE + INPUT, "--include", metavar="GLOB", show_default=False,
            help="Take only files whose path or name matches; may be repeated.",
        ),
    ] = ()  # fmt: skip
    min_size: Annotated[
        str | None,
        option(RARE + INPUT, "--min-size", metavar="BYTES", help="Smallest file to take, such as 20kB or 4MiB."),
    ] = None
    max_size: Annotated[
        str | None, option(RARE + INPUT, "--max-size", metavar="BYTES", help="Largest file to take, such as 50MB.")
    ] = None
    newer: Annotated[
        str | None,
        option(
            RARE + INPUT, "--newer", metavar="TIME",
            help="Take only files modified since a date (2024-05-01), or within a time (12h, 30d, 2w, 1y).",
        ),
    ] = None  # fmt: skip
    older: Annotated[
        str | None,
        option(
            RARE + INPUT, "--older", metavar="TIME", help="Take only files modified before a date, or longer ago than a time."
        ),
    ] = None  # fmt: skip
    follow_links: Annotated[
        bool,
        flag(
            RARE + INPUT, "--follow-links",
            help="Follow symbolic links; loops end, and no link is kept in place of its target.",
        ),
    ] = False  # fmt: skip
    include_system: Annotated[
        bool,
        flag(
            RARE + INPUT, "--include-system",
            help="Also read what is left out by default: trash, snapshot, thumbnail and version control folders, and the "
            "inside of photo libraries.",
        ),
    ] = False  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """How images become vectors."""

    size: Annotated[
        str | None,
        option(
            RARE + PERFORMANCE, "--size", metavar="SIDE", **completing("auto", "112", "128", "160", "224"),
            help="Side of the network's input in pixels: a multiple of 16 from 64 to 512, or auto (112 for images smaller "
            "than 112x112, else 224). Default: what the model's card says; 128 for the packaged model.",
        ),
    ] = None  # fmt: skip
    model: Annotated[
        str | None,
        path(RARE + PERFORMANCE, "--model", metavar="PATH", help="An ONNX model in place of the packaged one."),
    ] = None
    device: Annotated[
        str,
        option(
            PERFORMANCE, "--device", metavar="NAME", **completing(*DeviceKind),
            help="Where to run: auto, cpu, cuda, cuda:N or cuda:N,M.",
        ),
    ] = DeviceKind.AUTO.value  # fmt: skip
    runtime: Annotated[
        Runtime,
        option(
            RARE + PERFORMANCE, "--runtime", metavar="NAME",
            help="What runs the network: auto, openvino, onnxruntime, or tensorrt (with cuda).",
        ),
    ] = Runtime.AUTO  # fmt: skip
    workers: Annotated[
        int | None,
        option(PERFORMANCE, "--workers", metavar="N", help="Number of threads. Default: the CPUs that may be used."),
    ] = None
    batch: Annotated[
        int | None,
        option(
            RARE + PERFORMANCE, "--batch", metavar="N", help="Images per inference batch. Default: depends on the device."
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CacheOptions:
    """Where results of earlier runs are kept."""

    cache: Annotated[
        str | None,
        path(
            RARE + PERFORMANCE, "--cache", metavar="DIR", help="Folder of the embedding cache. Default: your cache folder."
        ),
    ] = None  # fmt: skip
    no_cache: Annotated[
        bool,
        flag(
            RARE + PERFORMANCE, "--no-cache",
            help="Neither read nor write the embedding cache and compiled networks.",
        ),
    ] = False  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class QuietOption:
    """How much is printed."""

    quiet: Annotated[
        bool, flag(OUTPUT, "--quiet", "-q", help="Print only errors and what was asked for.")
    ] = False  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OutputOptions(QuietOption):
    """What is printed."""

    verbose: Annotated[
        bool,
        flag(OUTPUT, "--verbose", "-v", help="List every group and every skipped file; show decoder warnings."),
    ] = False


@dataclass(frozen=True, kw_only=True)
class JsonOption:
    """The result for programs."""

    json: Annotated[
        str | None, path(OUTPUT, "--json", metavar="FILE", help="Write the whole result as JSON; - is stdout.")
    ] = None
