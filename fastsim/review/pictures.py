"""Thumbnails and whole images for the page, from a memory of bounded size."""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from fastsim.inputs import formats
from fastsim.inputs.signatures import HEAD_BYTES
from fastsim.records.files import MediaFile
from fastsim.review.store import Place

SIZES = (160, 320)
"""Long sides of thumbnails, in pixels."""
MOST_BYTES = 32 * 2**20
"""Thumbnails that are held in memory; the ones that were not asked for longest go first."""
LONGEST = 4096
"""Long side in pixels of what is sent in place of an image that browsers can't show."""
SHOWN = {
    "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WebP": "image/webp",
    "AVIF": "image/avif", "BMP": "image/bmp",
}  # fmt: skip
"""What browsers show, by the name of the format, and its media type."""


NO_PICTURE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120"><rect width="160" height="120" fill="#8884"/>'
    b'<path d="M60 40l40 40m0-40l-40 40" stroke="#888" stroke-width="4"/></svg>'
)
"""What stands in place of an image that can't be shown."""


class Memory:
    """The encoded thumbnails that were asked for last, up to `limit` bytes. Used from any thread."""

    def __init__(self, limit: int = MOST_BYTES) -> None:
        self.limit, self.held = limit, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[object, bytes] = OrderedDict()

    def get(self, key: object) -> bytes | None:
        """Return what was kept under `key`."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: object, data: bytes) -> None:
        """Keep `data`, and drop the oldest where that is too much."""
        with self._lock:
            self.held += len(data) - len(self._kept.pop(key, b""))
            self._kept[key] = data
            while self.held > self.limit and self._kept:
                self.held -= len(self._kept.popitem(last=False)[1])


@dataclass(frozen=True, slots=True)
class Shown:
    """What is sent of a whole picture: its own file where `path` is set, else `data`."""

    kind: str
    path: str | None = None
    data: bytes = b""


class Pictures:
    """What the page shows of files. Raises UnreadableError or OSError for what can't be shown."""

    def __init__(self, workers: int = 2) -> None:
        self.memory = Memory()
        self._decoding = threading.BoundedSemaphore(max(1, workers))

    def thumbnail(self, file: MediaFile, place: Place | None, size: int) -> bytes:
        """Return a JPEG with a long side of at most `size` pixels."""
        path = lies_at(file, place)
        status = os.stat(path)
        key = (file.id, size, status.st_mtime_ns, status.st_size)
        if (data := self.memory.get(key)) is None:
            from fastsim.decode.preview import preview_jpeg

            with self._decoding:
                data = preview_jpeg(path, size)
            self.memory.put(key, data)
        return data

    def whole(self, file: MediaFile, place: Place | None) -> Shown:
        """Return the image itself if browsers show it, else a JPEG of it."""
        path = lies_at(file, place)
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FileNotFoundError(path)
        with open(path, "rb") as stream:
            known = formats.by_content(stream.read(HEAD_BYTES))
        if known is not None and known.name in SHOWN:
            return Shown(SHOWN[known.name], path)
        from fastsim.decode.preview import preview_jpeg

        with self._decoding:
            return Shown("image/jpeg", None, preview_jpeg(path, LONGEST, 90))

    def about(self, file: MediaFile, place: Place | None) -> dict[str, Any]:
        """Return what the file itself says of its image: EXIF in words."""
        from fastsim.decode.metadata import read_exif

        return read_exif(lies_at(file, place))


def lies_at(file: MediaFile, place: Place | None) -> str:
    """Where a file is now. Raises FileNotFoundError for one that was removed."""
    if place is None:
        return file.path
    if place.target is None:
        raise FileNotFoundError(file.path)
    return place.target if place.op == "move" else file.path
