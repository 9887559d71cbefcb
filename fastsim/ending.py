"""How the program ends: every way out is one line on stderr, if any, and an exit code that says what kind it was."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NoReturn

from fastsim import console
from fastsim.errors import ExitCode, FastsimError, shown


def run(program: Callable[[], object]) -> NoReturn:
    """Run `program`, the command line without a way of its own to report errors, and exit."""
    console.open_closed_streams()
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends like Ctrl-C: nothing half-moved
    code = _code_of(program)
    if problem := console.close_stdout():
        console.complain(f"what is printed can't be written ({problem}); what was done is done")
        code = code or ExitCode.ERROR
    sys.exit(int(code))


def _code_of(program: Callable[[], object]) -> int:
    try:
        if program() == ExitCode.INTERRUPTED:  # typer's way to hand on Ctrl-C; a command's own code comes as SystemExit
            raise KeyboardInterrupt
        return ExitCode.DONE
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.DONE
    except FastsimError as error:
        console.complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        console.complain("interrupted; no file was changed")
        return ExitCode.INTERRUPTED
    except Exception as error:
        if type(error).__name__ == "Abort":  # the same, in versions of typer that stand on click
            console.complain("interrupted; no file was changed")
            return ExitCode.INTERRUPTED
        if hasattr(error, "format_message"):
            return _misused(error)
        if os.environ.get("FASTSIM_DEBUG"):
            raise
        return _failed(error)


def _misused(error: Exception) -> int:
    """What typer says about the command line, in one line like ours."""
    text: str = error.format_message()  # type: ignore[attr-defined]
    where = getattr(getattr(error, "ctx", None), "info_name", None)
    command = f"fastsim {where}" if where and "fastsim" not in where else "fastsim"
    options: Sequence[str] = getattr(getattr(error, "param", None), "opts", ("",))
    if "\n" in text.strip():  # no command at all: the help
        error.show()  # type: ignore[attr-defined]
    elif "valid number" in text or "valid integer" in text:
        kind = "number" if "number" in text else "whole number"
        console.complain(f"{options[0]} {_typed(options)}: a {kind} is needed; {command} --help says which")
    else:
        console.complain(f"{text[:1].lower()}{text[1:].rstrip('.')}; {command} --help lists what is allowed")
    return ExitCode.USAGE


def _typed(options: Sequence[str]) -> str:
    """The value that was typed for one of `options` (its long and its short name)."""
    for word, following in pairwise([*sys.argv, ""]):
        name, equals, value = word.partition("=")
        if name in options:
            return shown(value if equals else following)
    return "..."


def _failed(error: Exception) -> int:
    """A bug, or a machine in trouble: one line for the user, the rest on demand."""
    reason = (str(error).splitlines() or [""])[0]
    console.complain(
        f"internal error, {type(error).__name__}: {reason}; a journal, if one was begun, tells how far it came. "
        "FASTSIM_DEBUG=1 shows the details for a report"
    )
    return ExitCode.ERROR
