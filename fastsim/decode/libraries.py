"""Set up OpenCV and Pillow once: consistent limits, one thread, no output to stderr."""

from __future__ import annotations

import os
import threading
import warnings
from functools import cache
from importlib import import_module

MAX_PIXELS = 512 * 1024 * 1024
"""Images with more pixels, by their header, are skipped before memory is allocated for them."""

TOO_LARGE = f"more than {MAX_PIXELS // 2**20} megapixels by its header (the limit against decompression bombs)"

# Both libraries read these at import or at first use. setdefault keeps a stricter limit that the user has set.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))

import cv2 as cv2  # noqa: E402, PLC0414
from PIL import Image as Image  # noqa: E402, PLC0414

from fastsim.inputs import formats  # noqa: E402

_REGISTER = {formats.PILLOW_HEIF: "HEIF", formats.PILLOW_JXL: "JXL"}
_lock = threading.Lock()


def _set_up() -> tuple[str, ...]:
    """Return Pillow's names of the formats that it may open.

    Pillow knows further formats that start other programs or are not images.
    """
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    known = [one for one in formats.IMAGES if one.plugin]
    for one in known:  # Image.init() would import thirty more, at the cost of every start
        import_module(f"PIL.{one.plugin}ImagePlugin")
    # MPO opens as JPEG; TGA, which has no signature, is tried last
    return (*(name for one in known for name in one.pillow if name in Image.OPEN and name != "TGA"), "TGA")


PILLOW_FORMATS = _set_up()


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
