"""Import OpenCV for this stage; `decode.libraries.configured` makes it single-threaded while pairs are verified."""

from __future__ import annotations

import cv2 as cv2  # noqa: PLC0414
