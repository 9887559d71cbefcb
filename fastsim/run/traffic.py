"""Count bytes copied between host and GPU, by kind."""

from __future__ import annotations

import threading
from collections.abc import Iterator


class Traffic:
    """A count per kind of data and direction. Any thread may add to it.

    The bytes are those that this program passes on: `files` (encoded images, for the decoder; a hybrid nvJPEG sends
    the coefficients that it read from them instead), `pixels` (images that the host decoded), `vectors`, `order`
    (positions of rows by id), `labels` (components of the pairs so far), `lows` (the lowest score that counts for each
    row), `pairs` (with their scores), `video` (files that the device decodes; at most this much of them is read) and
    `frames` (whole ones, to be saved).
    """

    def __init__(self) -> None:
        self._moved: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def up(self, what: str, count: int) -> None:
        """Count bytes sent to the device."""
        self._add(what, "to_device", count)

    def down(self, what: str, count: int) -> None:
        """Count bytes sent to the host."""
        self._add(what, "to_host", count)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Return {what: {"to_device": bytes, "to_host": bytes}}, without kinds that were never moved."""
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
