"""Build commands whose options are the fields of a dataclass, and whose --help is grouped by purpose."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, Signature, cleandoc
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import typer
from typer._click import Context  # typer.Context is narrower than what its classes declare
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command_from_info
from typer.models import CommandInfo

from fastsim.cli import exits
from fastsim.errors import ExitCode, UsageError

Options = TypeVar("Options")

RARE = "Rare "
"""Options of a help panel with this prefix are shown by --help-all only, in the panel of the rest of its name."""

_ALL = "fastsim.help_all"


def takes(options: type[Options] | str) -> Callable[[Callable[[Options], ExitCode]], Callable[[], None]]:
    """Let a command take one `options` object instead of one parameter per option.

    options: a frozen dataclass whose fields are annotated with typer.Option or typer.Argument, or are such dataclasses
    themselves; or its name, "module.Class" in fastsim.cli, which is imported when the command is used. Default values are
    those of the fields. The process exits with the code that the command returns. Works in a `FastsimGroup`, which builds
    the options of a command only when it is used, as that takes some milliseconds each.
    """

    def decorate(command: Callable[[Options], ExitCode]) -> Callable[[], None]:
        def build() -> Callable[..., None]:
            taken: type[Any] = _imported(options) if isinstance(options, str) else options

            def entry(**typed: object) -> None:
                sys.exit(int(command(_built(taken, typed))))

            entry.__signature__ = Signature(list(_parameters(taken)))  # type: ignore[attr-defined]
            return entry

        def stub() -> None:
            raise AssertionError("a FastsimGroup builds the command before it is invoked")

        stub.__name__, stub.__doc__ = command.__name__, command.__doc__
        stub.build = build  # type: ignore[attr-defined]
        return stub

    return decorate


def _imported(name: str) -> type[Any]:
    module, _, attribute = name.rpartition(".")
    found: type[Any] = getattr(importlib.import_module(f"fastsim.cli.{module}"), attribute)
    return found


def _parameters(options: type[Any]) -> Iterator[Parameter]:
    hints = get_type_hints(options, include_extras=True)
    for field in fields(options):
        hint = hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            yield from _parameters(hint)
            continue
        default = Parameter.empty if field.default is MISSING else field.default
        yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=_as_list(hint))


def _as_list(hint: Any) -> Any:
    """Return Annotated[list[T], info] for Annotated[tuple[T, ...], info].

    Typer treats tuples as a fixed number of values.
    """
    kind, *info = get_args(hint)
    if get_origin(kind) is tuple:
        hint = hint.__class__(list[get_args(kind)[0]], tuple(info))  # type: ignore[misc]
    return hint


def _built(options: type[Any], typed: dict[str, object]) -> Any:
    """Return the options object. Raises UsageError for an empty value, as an unset variable of a script leaves it."""
    values: dict[str, Any] = {}
    hints = get_type_hints(options)
    for field in fields(options):
        if is_dataclass(hints[field.name]):
            values[field.name] = _built(hints[field.name], typed)
            continue
        value = typed[field.name]
        if value == "":
            raise UsageError(
                f"--{field.name.replace('_', '-')} must not be empty (got ''); give a value, or leave it out"
            )
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return options(**values)


class FastsimCommand(TyperCommand):
    """A command whose --help shows the common options, and whose --help-all shows all of them."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._has_rare = any(_panel(one).startswith(RARE) for one in self.params)
        if self._has_rare:
            self.params.append(
                TyperOption(
                    param_decls=["--help-all"], is_flag=True, is_eager=True, expose_value=False, default=False,
                    help="Show all options and exit.", callback=_show_all,
                )
            )  # fmt: skip

    def format_options(self, ctx: Context, formatter: Any) -> None:
        """Write the options under the heading of their panel, in the order in which panels first appear."""
        everything = ctx.meta.get(_ALL, False)
        panels: dict[str, list[tuple[str, str]]] = {}
        for one in self.get_params(ctx):
            panel, record = _panel(one), one.get_help_record(ctx)
            if record is not None and (everything or not panel.startswith(RARE)):
                panels.setdefault(panel.removeprefix(RARE), []).append(record)
        panels["Help"] = panels.pop("Help", [])
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Context, formatter: Any) -> None:
        """Write what stands below the options: for commands that read media, the formats."""
        if self.epilog in _KINDS:
            from fastsim.inputs.formats import Kind, summary

            self.epilog = summary(Kind[_KINDS[self.epilog]])
        super().format_epilog(ctx, formatter)


IMAGES = "images"
VIDEOS = "videos"
"""Epilogs of commands that read images or videos: replaced by the list of formats when they are shown."""
_KINDS = {IMAGES: "IMAGE", VIDEOS: "VIDEO"}


def _panel(parameter: Any) -> str:
    return getattr(parameter, "rich_help_panel", None) or "Help"


def _show_all(ctx: Context, _: object, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        typer.echo(ctx.get_help())
        raise typer.Exit


class FastsimGroup(TyperGroup):
    """A group that lists its commands in order, each with its whole sentence, and exits at once on Ctrl-C."""

    def get_command(self, ctx: Context, cmd_name: str) -> Any:
        """Return the command of that name with its options, or None."""
        stub = super().get_command(ctx, cmd_name)
        build = getattr(getattr(stub, "callback", None), "build", None)
        if stub is None or build is None:
            return stub
        info = CommandInfo(name=cmd_name, cls=FastsimCommand, callback=build(), help=stub.help, epilog=stub.epilog)
        built = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
        self.commands[cmd_name] = built
        return built

    def format_commands(self, ctx: Context, formatter: Any) -> None:
        """Write the commands; Typer's own method would cut their sentences short."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, cleandoc(one.help or "")) for name, one in self.commands.items()])

    def invoke(self, ctx: Context) -> Any:
        """Run the command."""
        with exits.interruptible():
            return super().invoke(ctx)
