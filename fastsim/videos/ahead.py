"""Run a generator ahead of its consumer on its own thread, within a budget."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


def run_ahead(items: Iterator[T], *, budget: int, weigh: Callable[[T], int]) -> Generator[T]:
    """Yield the items in order, produced while the consumer works on earlier ones.

    At most `budget` of weight waits to be taken (one item may exceed it by itself). An exception of `items` is raised
    at its place in the order. If the consumer stops early, `items` is closed on its thread, which is awaited.
    """
    shared = _Shared(items, budget, weigh)
    thread = threading.Thread(target=shared.produce, name="fastsim-ahead", daemon=True)
    thread.start()
    try:
        yield from shared.consume()
    finally:
        shared.stop()
        thread.join()


class _Shared(Generic[T]):
    def __init__(self, items: Iterator[T], budget: int, weigh: Callable[[T], int]) -> None:
        self._items = items
        self._budget = budget
        self._weigh = weigh
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._stopped = False
        self._ended = False
        self._error: BaseException | None = None

    def produce(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:
            self._error = error
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def consume(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    if self._error is not None:
                        raise self._error
                    return
                item, weight = self._waiting.popleft()
                self._weight -= weight
                self._changed.notify_all()
            yield item

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()

    def _put(self, item: T) -> bool:
        weight = self._weigh(item)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._waiting or self._weight + weight <= self._budget)
            if self._stopped:
                return False
            self._waiting.append((item, weight))
            self._weight += weight
            self._changed.notify_all()
            return True
