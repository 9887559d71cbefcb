"""Measure seconds per stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

Timings = dict[str, float]
"""Seconds per stage, in the order in which the stages began."""


@contextmanager
def stage(name: str, timings: Timings) -> Iterator[None]:
    """Add the seconds of the block to `timings[name]`."""
    start = time.perf_counter()
    try:
        yield
    finally:
        timings[name] = timings.get(name, 0.0) + time.perf_counter() - start
