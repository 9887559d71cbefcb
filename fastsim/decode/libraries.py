"""Import OpenCV and Pillow, and apply our settings to them while they work: consistent limits, one thread, no output."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import TypeVar

MAX_PIXELS = 512 * 1024 * 1024
"""Images with more pixels, by their header, are skipped before memory is allocated for them."""

TOO_LARGE = f"more than {MAX_PIXELS // 2**20} megapixels by its header (the limit against decompression bombs)"

_LIMIT = "OPENCV_IO_MAX_IMAGE_PIXELS"
_limited = _LIMIT in os.environ
os.environ.setdefault(_LIMIT, str(MAX_PIXELS))  # OpenCV reads it when it is imported; a limit of the user stays

import cv2 as cv2  # noqa: E402, PLC0414
from PIL import Image as Image  # noqa: E402, PLC0414

if not _limited:
    os.environ.pop(_LIMIT, None)

from fastsim.inputs import formats  # noqa: E402

_REGISTER = {formats.PILLOW_HEIF: "HEIF", formats.PILLOW_JXL: "JXL"}
_lock = threading.Lock()
T = TypeVar("T")


class _Settings:
    """Settings that belong to the process, ours from the first block that asks for them to the end of the last.

    Blocks may overlap on several threads. A setting that someone else changes meanwhile is left as it is then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._restore: list[Callable[[], None]] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Apply the settings while the block runs."""
        with self._lock:
            if self._blocks == 0:
                self._apply()
            self._blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if self._blocks == 0:
                    while self._restore:
                        self._restore.pop()()

    def _apply(self) -> None:
        log = cv2.utils.logging
        limit: int | None = MAX_PIXELS
        self._set(cv2.getNumThreads, cv2.setNumThreads, 1)
        self._set(log.getLogLevel, log.setLogLevel, log.LOG_LEVEL_SILENT)
        self._set(lambda: Image.MAX_IMAGE_PIXELS, lambda most: setattr(Image, "MAX_IMAGE_PIXELS", most), limit)
        self._ignore(module=r"PIL\.")
        self._ignore(category=Image.DecompressionBombWarning)

    def _set(self, get: Callable[[], T], put: Callable[[T], object], value: T) -> None:
        before = get()

        def restore() -> None:
            if get() == value:
                put(before)

        put(value)
        self._restore.append(restore)

    def _ignore(self, *, module: str = "", category: type[Warning] = Warning) -> None:
        known = list(warnings.filters)
        warnings.filterwarnings("ignore", category=category, module=module)
        ours = warnings.filters[0]

        def restore() -> None:
            with suppress(ValueError):
                warnings.filters.remove(ours)  # type: ignore[attr-defined]

        if ours not in known:
            self._restore.append(restore)


configured = _Settings()


def _registered() -> tuple[str, ...]:
    """Return Pillow's names of the formats that it may open.

    Pillow knows further formats that start other programs or are not images.
    """
    known = [one for one in formats.IMAGES if one.plugin]
    for one in known:  # Image.init() would import thirty more, at the cost of every start
        import_module(f"PIL.{one.plugin}ImagePlugin")
    # MPO opens as JPEG; TGA, which has no signature, is tried last
    return (*(name for one in known for name in one.pillow if name in Image.OPEN and name != "TGA"), "TGA")


PILLOW_FORMATS = _registered()


@cache
def plug_in(reader: formats.Reader) -> tuple[str, ...]:
    """Import a plug-in of Pillow when the first file of its format is met.

    Returns Pillow's names of the formats that it opens, empty if it is not installed.
    """
    with _lock:
        if not reader.is_installed():
            return ()
        if reader == formats.PILLOW_HEIF:
            import pillow_heif

            pillow_heif.register_heif_opener()
        else:
            import_module(reader.module)
    return (_REGISTER[reader],)


def opencv(data: bytes, flags: int) -> cv2.Mat | None:
    """Call `cv2.imdecode`, and return None for every kind of failure."""
    import numpy as np

    try:
        image: cv2.Mat | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return image
