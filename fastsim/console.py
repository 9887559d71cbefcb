"""The terminal: our words reach it, those of the decoders don't."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


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


def out(line: str = "") -> None:
    """One line on stdout; what the terminal's encoding can't show is escaped."""
    encoding = sys.stdout.encoding or "ascii"
    print(line.encode(encoding, "backslashreplace").decode(encoding))
