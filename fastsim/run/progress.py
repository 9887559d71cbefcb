"""Show progress on stderr: one bar per stage with rate and time left, or nothing."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

Callback = Callable[[str, int, int | None], None]
"""callback(stage, done, total): how much of a stage is done; total is None if it is unknown."""


class Bar(Protocol):
    """Count work done."""

    def advance(self, n: int = 1) -> None:
        """Count `n` more units."""


class Progress(Protocol):
    """Make one bar per stage, and write lines without breaking a bar."""

    def bar(self, label: str, total: int | None, unit: str) -> AbstractContextManager[Bar]:
        """Return a bar for one stage; total: None if it is unknown."""

    def note(self, line: str) -> None:
        """Write one line."""


class _NullBar:
    def advance(self, n: int = 1) -> None:
        del n


class NullProgress:
    """Show nothing: for --quiet, for scripts and for the Python API."""

    @contextmanager
    def bar(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        """Return a bar that shows nothing."""
        del label, total, unit
        yield _NullBar()

    def note(self, line: str) -> None:
        """Discard the line."""
        del line


class _CountingBar:
    def __init__(self, call: Callback, stage: str, total: int | None) -> None:
        self._call, self._stage, self._total, self._done = call, stage, total, 0

    def advance(self, n: int = 1) -> None:
        self._done += n
        self._call(self._stage, self._done, self._total)


class CallbackProgress:
    """Call a function whenever work is done; notes go to Python's warnings."""

    def __init__(self, call: Callback) -> None:
        self._call = call

    @contextmanager
    def bar(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        """Return a bar that calls the function."""
        del unit
        yield _CountingBar(self._call, label, total)

    def note(self, line: str) -> None:
        """Warn with the line."""
        warnings.warn(line, stacklevel=2)


class _TqdmBar:
    def __init__(self, tqdm_bar: object) -> None:
        self._update = tqdm_bar.update  # type: ignore[attr-defined]

    def advance(self, n: int = 1) -> None:
        self._update(n)


class TqdmProgress:
    """Show tqdm bars on `stream`; with `show` False, write notes but no bars (stderr is a file or a pipe)."""

    def __init__(self, stream: TextIO, show: bool = True) -> None:
        self._stream = stream
        self._show = show

    @contextmanager
    def bar(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        """Return a tqdm bar, or one that shows nothing."""
        if not self._show:
            yield _NullBar()
            return
        from tqdm import tqdm

        with tqdm(
            desc=f"{label:<8}", total=total, unit=f" {unit}", file=self._stream, smoothing=0.1, mininterval=0.2,
            dynamic_ncols=True, leave=False, unit_scale=unit == "pairs",
        ) as bar:  # fmt: skip
            yield _TqdmBar(bar)

    def note(self, line: str) -> None:
        """Write one line above the bars."""
        if self._show:
            from tqdm import tqdm

            tqdm.write(line, file=self._stream)
        else:
            print(line, file=self._stream, flush=True)


def for_stream(stream: TextIO | None = None, quiet: bool = False) -> Progress:
    """Return bars for a terminal, nothing with `quiet`, and only notes if stderr is not a terminal."""
    stream = sys.stderr if stream is None else stream
    if quiet:
        return NullProgress()
    return TqdmProgress(stream, show=stream.isatty())
