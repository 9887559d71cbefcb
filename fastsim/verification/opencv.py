"""OpenCV for this stage: single-threaded, as many pairs are verified at once."""

from __future__ import annotations

import cv2 as cv2  # noqa: PLC0414

cv2.setNumThreads(1)
