"""Bytes that crossed between host and device, by what they were: how `--device cuda` shows what it does not copy."""

from __future__ import annotations

import threading
from collections.abc import Iterator


class Traffic:
    """A count a kind of data and direction. Any thread may add to it.

    What is counted is what this program hands over: `files` (encoded pictures, for the decoder; a hybrid nvJPEG sends
    the coefficients that it read out of them instead), `pixels` (pictures that the host decoded), `vectors`, `order`
    (the rows' places by id), `labels` (components that the pairs made so far), `lows` (the least that counts for each
    row), `pairs` (with their scores), `video` (files that the device decodes; at most so much of them is read) and
    `frames` (whole ones, to be written).
    """

    def __init__(self) -> None:
        self._moved: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def up(self, what: str, count: int) -> None:
        """`count` bytes went to the device."""
        self._add(what, "to_device", count)

    def down(self, what: str, count: int) -> None:
        """`count` bytes came to the host."""
        self._add(what, "to_host", count)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """{what: {"to_device": bytes, "to_host": bytes}}; what never moved is not there."""
        return {what: dict(ways) for what, ways in self._moved.items()}

    def __str__(self) -> str:
        return "; ".join(self._phrases())

    def _add(self, what: str, way: str, count: int) -> None:
        if not count:
            return
        with self._lock:
            ways = self._moved.setdefault(what, {"to_device": 0, "to_host": 0})
            ways[way] += count

    def _phrases(self) -> Iterator[str]:
        for what, ways in self._moved.items():
            for way, count in ways.items():
                if count:
                    yield f"{what} {count:,} bytes {way.replace('_', ' the ')}"
