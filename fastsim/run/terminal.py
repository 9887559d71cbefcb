"""The terminal: our words reach it, those of the decoders don't."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from fastsim.errors import FastsimError


class UnprintableError(FastsimError):
    """Stdout takes no more, for example as its disk is full."""


@contextmanager
def our_stderr(let_libraries_speak: bool = False) -> Iterator[TextIO]:
    """A stream to the real stderr, while whatever C libraries write there (libpng, libtiff: a line for every odd file)
    is dropped; broken files are reported by us, with their names."""
    sys.stderr.flush()
    if let_libraries_speak:
        yield sys.stderr
        return
    try:
        real = os.dup(2)
    except OSError:  # no stderr at all: a service, or pythonw
        yield sys.stderr
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    with open(real, "w", encoding=sys.stderr.encoding, errors="backslashreplace") as stream:
        try:
            yield stream
        finally:
            stream.flush()
            os.dup2(real, 2)


def open_closed_streams() -> None:
    """Lead standard streams that were closed (`2>&-`, a service) to the null device: the next file that is opened would
    get their number, and libraries would write their words into it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(null, mode, encoding="utf-8", errors="surrogateescape"))  # noqa: SIM115


def give_stdout_to_json() -> None:
    """From now on all that is printed goes to stderr, so that a program can read stdout (`sys.__stdout__`)."""
    sys.stdout = sys.stderr


def out(line: str = "") -> None:
    """One line on stdout; what the terminal's encoding can't show is escaped. Raises UnprintableError."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        print(line.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:  # `fastsim ... | head`: the reader has seen enough
        _drop(sys.stdout)
    except OSError as error:
        _drop(sys.stdout)
        raise UnprintableError(f"what is printed can't be written ({error.strerror}); what was done is done") from None


def out_for_programs(text: str) -> None:
    """`text` on the real stdout, wherever words go by now. Raises FastsimError."""
    stream = sys.__stdout__ or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _drop(stream)
    except OSError as error:
        _drop(stream)
        raise FastsimError(f"--json -: stdout can't be written ({error.strerror})") from None


def complain(line: str) -> None:
    """One line on stderr, which may be gone."""
    try:
        encoding = sys.stderr.encoding or "ascii"
        text = line.encode(encoding, "backslashreplace").decode(encoding)
        print(f"fastsim: {text}", file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def close_stdout() -> str:
    """Write what waits for stdout. Returns why it can't be written; a reader that has gone away is no problem."""
    problem = ""
    for stream in {sys.stdout, sys.__stdout__ or sys.stdout}:
        try:
            stream.flush()
        except BrokenPipeError:
            _drop(stream)
        except OSError as error:
            _drop(stream)
            problem = error.strerror or str(error)
    return problem


def _drop(stream: TextIO) -> None:
    """Lead `stream` to the null device, so that what waits in it does no harm at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
