"""Measure what makes an image a poor one of its kind: blur, darkness, glare, lack of content.

The measures follow CleanVision (github.com/cleanlab/cleanvision): percentiles of brightness for dark and bright images, the
entropy of grey values for lack of information. Blur is the variance of the Laplacian (Pech-Pacheco et al., "Diatom
autofocusing in brightfield microscopy", ICPR 2000).
"""

from __future__ import annotations

import numpy as np

from fastsim.decode.grey import decode_grey
from fastsim.decode.libraries import cv2
from fastsim.records.arrays import Uint8Array
from fastsim.records.files import Quality

SIDE = 512
"""Long side in pixels at which images are measured; smaller ones are not enlarged."""


def measure(path: str) -> Quality | None:
    """Measure the first view of the file `path`; None if it cannot be read."""
    grey = decode_grey(path, SIDE)
    return None if grey is None else measure_grey(grey)


def measure_grey(grey: Uint8Array) -> Quality:
    """Measure a grey image, uint8[h, w]."""
    low, high = np.percentile(grey, (5, 99)) / 255
    counts = np.bincount(grey.ravel(), minlength=256)
    shares = counts[counts > 0] / grey.size
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    return Quality(sharpness, float(low), float(high), float(-(shares * np.log2(shares)).sum()) + 0.0)
