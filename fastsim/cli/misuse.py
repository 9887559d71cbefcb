"""Report errors of the command line itself, as one line each."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import pairwise

# Typer has no public names for these; pyproject.toml pins its version.
from typer._click.exceptions import NoArgsIsHelpError as NoArguments
from typer._click.exceptions import UsageError as Misuse
from typer._click.types import FLOAT, INT
from typer._types import TyperChoice

from fastsim.errors import lowered, shown

__all__ = ["Misuse", "NoArguments", "misuse_line", "raised_by_typer"]

_NUMBERS = {FLOAT: "a number", INT: "a whole number"}


def misuse_line(error: Misuse) -> str:
    """Return what is wrong with the command line: the option, what is allowed, the value, and what to do next."""
    command = error.ctx.command_path if error.ctx else "fastsim"
    parameter = getattr(error, "param", None)
    kind = getattr(parameter, "type", None)
    allowed = ""
    if isinstance(kind, TyperChoice):
        allowed = f"one of {', '.join(kind.choices)}"
    elif kind is not None:
        allowed = _NUMBERS.get(kind, "")
    names: Sequence[str] = getattr(parameter, "opts", ())
    if allowed and (typed := _typed(names)) is not None:
        return f"{names[0]} must be {allowed} (got {typed}); {command} --help explains it"
    near: Sequence[str] = getattr(error, "possibilities", None) or ()
    meant = f" (did you mean {' or '.join(near)}?)" if near else ""
    text = re.sub(r"\. Did you mean (.*)\?$", r" (did you mean \1?)", error.message or error.format_message()).rstrip(
        "."
    )
    return f"{lowered(text)}{meant}; {command} --help lists what is allowed"


def raised_by_typer(error: BaseException) -> bool:
    """Return whether the innermost frame of `error` is Typer's."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and str(at.tb_frame.f_globals.get("__name__")).partition(".")[0] == "typer"


def _typed(names: Sequence[str]) -> str | None:
    """Return the value that was typed for the option with these names, quoted; None without one."""
    for word, following in pairwise([*sys.argv, ""]):
        name, equals, value = word.partition("=")
        if name in names:
            return repr(shown(value if equals else following))
    return None
