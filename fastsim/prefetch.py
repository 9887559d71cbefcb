"""Overlap of stages: a bounded, ordered, cancellable map over threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch_map(work: Callable[[T], R], items: Iterable[T], *, workers: int, ahead: int) -> Iterator[R]:
    """`map(work, items)` on `workers` threads, results in order, at most `ahead` of them waiting to be taken.

    The bound keeps memory flat when the consumer is slower. An exception of `work` or `items` is raised at its place in
    the order. When the consumer stops early (Ctrl-C, an error further on), what has not begun is cancelled and what has
    begun is waited for, so that no thread outlives the generator.
    """
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="fastsim")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= max(ahead, workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
