"""Define errors with one-line texts for users, and the exit codes for scripts."""

from __future__ import annotations

import shlex
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit code of the process."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    SKIPPED = 3
    """The run is complete, but some files were skipped: they are listed with their reasons, and untouched."""
    FOUND = 4
    """`leakage`: images of one split have copies in another."""
    INTERRUPTED = 130


class FastsimError(Exception):
    """One line for the user: the file or option, its value, what is allowed, and what to do next."""

    exit_code = ExitCode.ERROR


class UsageError(FastsimError):
    """The options ask for something that is not possible; nothing was started."""

    exit_code = ExitCode.USAGE


DISTRIBUTION = "fastsim-dedup"
"""Name on the package index. The index's own `fastsim` is an unrelated vehicle simulator."""


def pip_install(extra: str) -> str:
    """Return the command that installs fastsim with one of its extras, for use in messages."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def shown(path: str) -> str:
    """Return `path` for one line of text: newlines, control characters and bytes that are not UTF-8 are escaped."""
    if path.isprintable():
        return path
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in path)


def quoted(path: str) -> str:
    """Return `path` as a word of a shell command, if it can be typed at all; never taken for an option."""
    path = f"./{path}" if path.startswith("-") else path
    return shlex.quote(path) if path.isprintable() else shown(path)


def of_device(error: BaseException, device: str) -> FastsimError | None:
    """Return what CuPy raised as one line, or None for an error of another origin."""
    if type(error).__module__.partition(".")[0] not in ("cupy", "cupy_backends"):
        return None
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return FastsimError(
        f"--device {device}: CUDA failed ({reason}); see `fastsim doctor` and nvidia-smi, or use --device cpu"
    )


def reason_of(error: Exception) -> str:
    """Return what went wrong in a few words: the system's reason where there is one, the first letter lowered."""
    return lowered(getattr(error, "strerror", None) or str(error)) or type(error).__name__


def lowered(text: str) -> str:
    """Return `text` with its first letter lowered, to follow a colon."""
    return text[:1].lower() + text[1:]
