"""Compose transparent images with the backgrounds that a viewer may show behind them."""

from __future__ import annotations

import numpy as np

from fastsim.decode.libraries import cv2
from fastsim.decode.shrink import Array, Band, in_bands, square
from fastsim.records.arrays import Float32Array, Uint8Array

_SEEN = 0.15
"""An image is shown on white, unless it differs from white by less than this fraction of its difference from black."""
_CLEAR = 5e-4
"""If less than this fraction of the image is transparent (the corners of a screenshot), one background is enough."""
_NOTHING = 1e-3
"""If less than this fraction of the image is opaque, nothing is visible on any background, and alpha is ignored."""


def views(width: int, height: int, size: int, band: Band, order: tuple[int, ...] = (0, 1, 2, 3)) -> list[Uint8Array]:
    """Return RGB uint8[size, size, 3] on white, and on black where that looks different.

    The first is on the background on which the image is visible: black for white drawings. It is compared with copies
    without alpha; two transparent images are compared on both backgrounds. band: uint8[h, w, 4]; order: positions of
    red, green, blue and alpha in it.
    """
    straight = list(order)
    premultiplied = in_bands(width, height, size, lambda top, end: band(top, end)[..., straight], _premultiplied)
    alpha = premultiplied[..., 3:]
    if float(alpha.mean()) < _NOTHING:
        bare = in_bands(width, height, size, lambda top, end: band(top, end)[..., straight[:3]], np.ascontiguousarray)
        return [square(bare, size)]
    black = premultiplied[..., :3]
    white = black + 255.0 * (1.0 - alpha)
    on_white, on_black = (square(_rounded(part), size) for part in (white, black))
    if 1.0 - float(alpha.mean()) < _CLEAR:
        return [on_white]
    seen_on_white, seen_on_black = float((255.0 - white).max(axis=2).mean()), float(black.max(axis=2).mean())
    return [on_black, on_white] if seen_on_white < _SEEN * seen_on_black else [on_white, on_black]


def _premultiplied(rgba: Uint8Array) -> Float32Array:
    """Return float32[h, w, 4]: colours 0 to 255 multiplied by alpha, and alpha 0 to 1."""
    out = rgba.astype(np.float32)
    out[..., 3] *= 1.0 / 255.0
    out[..., :3] *= out[..., 3:]
    return out


def _rounded(values: Array) -> Array:
    return np.asarray(cv2.convertScaleAbs(values))
