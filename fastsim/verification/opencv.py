"""Import OpenCV for this stage; `decode.libraries.configured` makes it single-threaded, as many pairs are verified at once."""

from __future__ import annotations

import cv2 as cv2  # noqa: PLC0414
