"""Write to the terminal, and keep the output of decoders away from it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from fastsim.errors import FastsimError, shown


class UnprintableError(FastsimError):
    """Report that stdout cannot be written, for example because its disk is full."""


@contextmanager
def our_stderr(let_libraries_speak: bool = False) -> Iterator[TextIO]:
    """Yield a stream to the real stderr, and drop what C libraries write there.

    libpng and libtiff write a line for every odd file; fastsim reports broken files itself, with their names.
    """
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
    """Connect standard streams that were closed (`2>&-`, a service) to the null device.

    Otherwise the next file that is opened gets their number, and libraries write their messages into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(null, mode, encoding="utf-8", errors="surrogateescape"))  # noqa: SIM115


def give_stdout_to_json() -> None:
    """Send everything that is printed from now on to stderr, so that a program can read stdout (`sys.__stdout__`)."""
    sys.stdout = sys.stderr


def out(line: str = "") -> None:
    """Print one line on stdout; escape what the terminal's encoding cannot show. Raises UnprintableError."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        print(line.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:  # `fastsim ... | head`: the reader has seen enough
        _drop(sys.stdout)
    except OSError as error:
        _drop(sys.stdout)
        raise UnprintableError(f"what is printed can't be written ({error.strerror}); what was done is done") from None


def out_for_programs(text: str) -> None:
    """Write `text` to the real stdout, wherever printed text goes. Raises FastsimError."""
    stream = sys.__stdout__ or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _drop(stream)
    except OSError as error:
        _drop(stream)
        raise FastsimError(f"--json -: stdout can't be written ({error.strerror})") from None


def out_paths(paths: Sequence[str], *, null: bool) -> None:
    """Write the bytes of `paths` to the real stdout, each with a newline or NUL behind it. Raises FastsimError.

    A path that holds a newline can't be told from two, and is refused without `null` before anything is written.
    """
    if not null and (odd := next((path for path in paths if "\n" in path), None)) is not None:
        raise FastsimError(f"{shown(odd)}: its name holds a newline; add --null, and read the list with xargs -0")
    stream = sys.__stdout__ or sys.stdout
    try:
        stream.flush()
        stream.buffer.write(b"".join(os.fsencode(path) + (b"\0" if null else b"\n") for path in paths))
        stream.flush()
    except BrokenPipeError:
        _drop(stream)
    except OSError as error:
        _drop(stream)
        raise FastsimError(f"the list can't be written to stdout ({error.strerror}); no file was changed") from None


def complain(line: str) -> None:
    """Print one line on stderr, which may be gone."""
    try:
        encoding = sys.stderr.encoding or "ascii"
        text = line.encode(encoding, "backslashreplace").decode(encoding)
        print(f"fastsim: {text}", file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def close_stdout() -> str:
    """Flush stdout. Return why it cannot be written; a closed pipe is not a problem."""
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
    """Connect `stream` to the null device, so that its buffered text does no harm at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
