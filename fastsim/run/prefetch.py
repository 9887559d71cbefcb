"""Overlap stages: a bounded, ordered, cancellable map over threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch_map(work: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Generator[R]:
    """Return `map(work, items)` on `workers` threads, in order, with at most `ahead` results waiting.

    Work begins at once, not with the first `next`. The bound limits memory if the consumer is slower. An exception of
    `work` is raised at its place in the order, one of `items` as soon as it occurs. If the consumer stops early
    (Ctrl-C, an error further on), work that has not begun is cancelled and work that has begun is awaited, so that no
    thread outlives the generator.
    """
    source, pool = iter(items), ThreadPoolExecutor(max_workers=workers, thread_name_prefix="fastsim")
    try:
        waiting = deque(pool.submit(work, item) for item in islice(source, max(ahead, workers)))
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    results = _results(work, source, pool, waiting)
    next(results)
    return results  # type: ignore[return-value]  # only the first is None


def _results(
    work: Callable[[T], R], source: Iterator[T], pool: ThreadPoolExecutor, waiting: deque[Future[R]]
) -> Generator[R | None]:
    try:
        yield None  # a generator that was never started would not end its threads
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in islice(source, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
