"""End the program: one line on stderr, if any, and an exit code that says what kind of end it was."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from fastsim.cli.misuse import Misuse, NoArguments, misuse_line, raised_by_typer
from fastsim.errors import ExitCode, FastsimError, of_device
from fastsim.run import terminal


def run(program: Callable[[], object]) -> NoReturn:
    """Run the command line with Typer's error output disabled; report errors ourselves and exit.

    program: returns the exit code that Typer was asked for (by --help and --version), if any.
    """
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
    """Exit at once on Ctrl-C; Typer would end without a message."""
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
        code = program()
        return code if isinstance(code, int) else ExitCode.DONE
    except SystemExit as ended:  # a command's own code
        return ended.code if isinstance(ended.code, int) else ExitCode.DONE
    except FastsimError as error:
        terminal.complain(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):  # before a command has begun
        return _interrupted()
    except NoArguments as error:
        error.show()  # the help
        return ExitCode.USAGE
    except Misuse as error:
        terminal.complain(misuse_line(error))
        return ExitCode.USAGE
    except Exception as error:
        if isinstance(error, OSError) and raised_by_typer(error):  # --help and completion are printed by Typer
            terminal.close_stdout()
            terminal.complain(f"what is printed can't be written ({error.strerror})")
            return ExitCode.ERROR
        if os.environ.get("FASTSIM_DEBUG"):
            raise
        if known := of_device(error, "cuda"):
            terminal.complain(str(known))
            return ExitCode.ERROR
        return _failed(error)


def _failed(error: Exception) -> int:
    """Report a bug, or a problem of the machine: one line for the user, details on demand."""
    reason = (str(error).splitlines() or [""])[0]
    terminal.complain(
        f"internal error, {type(error).__name__}: {reason}; a journal, if one was begun, tells how far it came. "
        "FASTSIM_DEBUG=1 shows the details for a report"
    )
    return ExitCode.ERROR
