"""Defer Ctrl-C and SIGTERM to the time between two operations, so that none is cut in half."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


@contextmanager
def held_back(stop: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """Only note signals that end a program while the block runs; yield a function that returns whether one came.

    The function also returns True if `stop` does. A signal that is ignored (nohup) stays ignored. Outside of the main
    thread, which receives all signals, this changes nothing.
    """
    caught: list[int] = []

    def asked() -> bool:
        return bool(caught) or stop()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, lambda received, _frame: caught.append(received))
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
