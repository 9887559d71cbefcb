"""Which files of the input count by size, time and name: --min-size, --max-size, --newer, --older, --include."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fastsim.errors import UsageError, shown
from fastsim.inputs.selection import globs

if TYPE_CHECKING:
    from fastsim.records.files import MediaFile  # which loads NumPy, and the command line needs this module at once

_UNITS = {"": 1} | {
    f"{prefix}{tail}": base**power
    for power, prefix in enumerate("kmgt", 1)
    for tail, base in (("b", 1000), ("", 1000), ("ib", 1024))
} | {"b": 1}  # fmt: skip
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([a-z]*)", re.IGNORECASE | re.ASCII)
_PIXELS = re.compile(r"(\d{1,9})x(\d{1,9})|(\d{1,18}(?:\.\d{1,9})?)\s*(mp)?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([hdwy])", re.IGNORECASE | re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 7 * 24, "y": 365 * 24}


@dataclass(frozen=True, slots=True)
class Filters:
    """Limits that a file has to keep; None and an empty tuple: no limit."""

    min_size: int | None = None
    """Bytes."""
    max_size: int | None = None
    newer: int | None = None
    """Modified at this time or later, nanoseconds since the epoch."""
    older: int | None = None
    """Modified before this time."""
    include: tuple[str, ...] = ()
    """Globs, of which one has to match the name, the path below the input, or the whole path."""

    @classmethod
    def parse(
        cls, *, min_size: str | None = None, max_size: str | None = None, newer: str | None = None,
        older: str | None = None, include: Sequence[str] = (),
    ) -> Filters:  # fmt: skip
        """Read the values of the options. Raises UsageError, also for limits that no file can keep."""
        now = time.time()
        if "" in include:
            raise UsageError("--include must not be empty (got ''); give a glob such as '*.jpg'")
        found = cls(
            None if min_size is None else parse_size(min_size, "--min-size"),
            None if max_size is None else parse_size(max_size, "--max-size"),
            None if newer is None else parse_time(newer, "--newer", now),
            None if older is None else parse_time(older, "--older", now),
            tuple(include),
        )
        if found.min_size is not None and found.max_size is not None and found.min_size > found.max_size:
            raise UsageError(f"--min-size {shown(str(min_size))} is more than --max-size {shown(str(max_size))}")
        if found.newer is not None and found.older is not None and found.newer >= found.older:
            raise UsageError(
                f"--newer {shown(str(newer))} is not before --older {shown(str(older))}; no file can be both"
            )
        return found

    def applied(self, files: Iterable[MediaFile]) -> tuple[tuple[MediaFile, ...], dict[str, int]]:
        """Return the files within all limits, numbered anew, and how many each option left out. References always stay."""
        pattern, out = globs(self.include), Counter[str]()
        stays: list[MediaFile] = []
        for file in files:
            option = "" if file.reference else self._broken(file, pattern)
            if option:
                out[option] += 1
            else:
                stays.append(replace(file, id=len(stays)))
        return tuple(stays), dict(out.most_common())

    def _broken(self, file: MediaFile, include: re.Pattern[str] | None) -> str:
        """Return the option that leaves `file` out; empty if none does."""
        size, mtime_ns = file.snapshot.size, file.snapshot.mtime_ns
        if self.min_size is not None and size < self.min_size:
            return "--min-size"
        if self.max_size is not None and size > self.max_size:
            return "--max-size"
        if self.newer is not None and mtime_ns < self.newer:
            return "--newer"
        if self.older is not None and mtime_ns >= self.older:
            return "--older"
        names = (os.path.basename(file.path), file.relative, file.path)
        if include is not None and not any(include.match(name.replace(os.sep, "/")) for name in names):
            return "--include"
        return ""


NO_FILTERS = Filters()


def parse_size(text: str, option: str) -> int:
    """Read bytes, such as `500`, `20kB`, `1.5 MB` (powers of 1000) or `4MiB` (of 1024). Raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise UsageError(f"{option} must be bytes, such as 500, 20kB, 1.5MB or 4MiB (got {shown(text)!r})")
    return int(float(match[1]) * unit)


def parse_pixels(text: str, option: str) -> int:
    """Read a number of pixels, such as `640x480`, `300000` or `0.5MP`. Raises UsageError."""
    match = _PIXELS.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{option} must be pixels, such as 640x480, 300000 or 0.5MP (got {shown(text)!r})")
    if match[1] is not None:
        return int(match[1]) * int(match[2])
    return int(float(match[3]) * (10**6 if match[4] else 1))


def parse_time(text: str, option: str, now: float) -> int:
    """Read a date (`2024-05-01`, local time, with `T12:30` if need be) or a time before `now` (`12h`, `30d`, `2w`, `1y`).

    now: seconds since the epoch. Returns nanoseconds since the epoch. Raises UsageError.
    """
    word = text.strip()
    try:
        if match := _DURATION.fullmatch(word):
            then = datetime.fromtimestamp(now) - timedelta(hours=float(match[1]) * _HOURS[match[2].lower()])
        else:
            if not re.match(r"\d{4}-", word):
                raise ValueError
            then = datetime.fromisoformat(word)
        return round(then.timestamp() * 1e6) * 1000
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{option} must be a date such as 2024-05-01 or 2024-05-01T12:30, or a time before now such as 12h, 30d, 2w or 1y "
            f"(got {shown(text)!r})"
        ) from None
