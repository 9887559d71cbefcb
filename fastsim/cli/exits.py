"""How the program ends: every way out is one line on stderr, if any, and an exit code that says what kind it was."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NoReturn

import click

from fastsim.errors import ExitCode, FastsimError, of_device, shown
from fastsim.run import terminal


def run(program: Callable[[], object]) -> NoReturn:
    """Run `program`, the command line without a way of its own to report errors, and exit."""
    terminal.open_closed_streams()
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill ends like Ctrl-C: nothing half-moved
    code = _code_of(program)
    if problem := terminal.close_stdout():
        terminal.complain(f"what is printed can't be written ({problem}); what was done is done")
        code = code or ExitCode.ERROR
    sys.exit(int(code))


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C in here ends the program at once; click would add an empty line to ours."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(int(_interrupted()))


def _interrupted() -> ExitCode:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would cut this line short
    terminal.complain("interrupted; no file was changed")
    return ExitCode.INTERRUPTED


def _code_of(program: Callable[[], object]) -> int:
    try:
        program()
        return ExitCode.DONE
    except SystemExit as ended:  # a command's own code
        return ended.code if isinstance(ended.code, int) else ExitCode.DONE
    except FastsimError as error:
        terminal.complain(str(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):  # before a command has begun
        return _interrupted()
    except click.UsageError as error:
        return _misused(error)
    except Exception as error:
        if isinstance(error, OSError) and _raised_by_click(error):  # --help and completion are printed by click
            terminal.close_stdout()
            terminal.complain(f"what is printed can't be written ({error.strerror})")
            return ExitCode.ERROR
        if os.environ.get("FASTSIM_DEBUG"):
            raise
        if known := of_device(error, "cuda"):
            terminal.complain(str(known))
            return ExitCode.ERROR
        return _failed(error)


def _raised_by_click(error: BaseException) -> bool:
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and str(at.tb_frame.f_globals.get("__name__")).partition(".")[0] == "click"


_NUMBERS = {click.FLOAT: "number", click.INT: "whole number"}


def _misused(error: click.UsageError) -> ExitCode:
    """What click says about the command line, in one line like ours."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return ExitCode.USAGE
    command = error.ctx.command_path if error.ctx else "fastsim"
    parameter = getattr(error, "param", None)
    if isinstance(parameter, click.Option) and (kind := _NUMBERS.get(parameter.type)):
        terminal.complain(
            f"{parameter.opts[0]} {_typed(parameter.opts)}: a {kind} is needed; {command} --help says which"
        )
        return ExitCode.USAGE
    near: Sequence[str] = getattr(error, "possibilities", None) or ()
    meant = f" (did you mean {' or '.join(near)}?)" if near else ""
    text = (error.message or error.format_message()).rstrip(".")
    terminal.complain(f"{text[:1].lower()}{text[1:]}{meant}; {command} --help lists what is allowed")
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
    terminal.complain(
        f"internal error, {type(error).__name__}: {reason}; a journal, if one was begun, tells how far it came. "
        "FASTSIM_DEBUG=1 shows the details for a report"
    )
    return ExitCode.ERROR
