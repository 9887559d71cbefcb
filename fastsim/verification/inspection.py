"""Compare the pixels of an aligned pair at increasing resolution.

Each step uses the transform that the step before has corrected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fastsim.records.arrays import Uint8Array
from fastsim.records.pairs import Transform
from fastsim.verification.agreement import Blocks, Matrix, compare_blocks, resized, scale_of
from fastsim.verification.decision import Evidence, agreement, plainness, weigh
from fastsim.verification.features import SIDE, thumbnail
from fastsim.verification.geometry import Size, describe
from fastsim.verification.opencv import cv2

LEAST_INLIERS = 6
"""Inliers that an alignment needs to be inspected."""
FINE = 1280
"""Long side in pixels of the last comparison, if both images are that large: up to 1.6 megapixels."""
_THUMBNAILS = 1536
"""Thumbnails that are kept: up to 100 MB."""
PHOTO = 0.3
"""Plainness below which an image is not print: thumbnails that agree everywhere are enough."""
_SIDES = (SIDE, 512, FINE)
_BLOCK, _FINE_BLOCK = 16, 24
"""Sides of blocks in pixels: one holds some letters of print."""
_BLUR, _SOFT = 1.0, 1.25
"""Sigma in pixels of the usual filter, and of the one over thumbnails of half the size, which leaves the large shapes.
"""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The result of inspecting a pair."""

    evidence: Evidence
    transform: Transform


class Pictures:
    """Images by row and long side; the last ones are kept, because consecutive pairs share them."""

    def __init__(self, load: Callable[[int, int], Uint8Array | None], workers: int) -> None:
        self.whole = lru_cache(maxsize=8 + 4 * workers)(lambda row: load(row, FINE))
        self.thumbnail = lru_cache(maxsize=_THUMBNAILS)(lambda row: _thumbnail(load(row, SIDE)))
        """uint8[h, w] with a long side of SIDE."""


def _thumbnail(grey: Uint8Array | None) -> Uint8Array | None:
    return None if grey is None else thumbnail(grey)


def inspect(
    pictures: Pictures, rows: tuple[int, int], sizes: tuple[Size, Size], alignment: np.void
) -> Inspection | None:
    """Compare the images of `rows`, aligned by their thumbnails. Returns None if one cannot be read any more.

    sizes: (width, height) of the whole images; alignment: of `matching.ALIGNMENT`.
    """
    left, right = pictures.thumbnail(rows[0]), pictures.thumbnail(rows[1])
    if left is None or right is None:
        return None
    mirrored = bool(alignment["mirrored"])
    turned = _flip(left) if mirrored else left
    aligned = np.vstack([alignment["matrix"], [0.0, 0.0, 1.0]])
    soft, matrix = _softly(turned, right, aligned)
    if not _is_usable(matrix):
        return None
    mid = compare_blocks(turned, right, matrix, side=_BLOCK, reach=2, blur=_BLUR)
    if mid.matrix is not matrix and _is_usable(mid.matrix):
        mid = compare_blocks(turned, right, mid.matrix, side=_BLOCK, reach=2, blur=_BLUR)
    fine, matrix = mid
    if matrix is not aligned:
        soft, _ = _softly(turned, right, matrix)
    shapes = turned.shape, right.shape
    plain = min(plainness(left), plainness(right))
    if not _is_hopeless(mid.blocks, soft) and not (plain < PHOTO and _is_obvious(mid.blocks)):
        whole_left, whole_right = pictures.whole(rows[0]), pictures.whole(rows[1])
        if whole_left is None or whole_right is None:
            return None
        for side in _SIDES[1:]:
            finer = _scaled(_flip(whole_left) if mirrored else whole_left, side), _scaled(whole_right, side)
            if (finer[0].shape, finer[1].shape) == shapes or min(max(finer[0].shape), max(finer[1].shape)) <= SIDE:
                break  # of a small image, the enlarged thumbnail shows everything
            matrix = resized(matrix, _factors(shapes[0], finer[0].shape), _factors(shapes[1], finer[1].shape))
            if not _is_usable(matrix):
                break
            shapes = finer[0].shape, finer[1].shape
            block = _FINE_BLOCK if side == FINE else _BLOCK
            fine, matrix = compare_blocks(*finer, matrix, side=block, reach=1, blur=_BLUR)
    if not _is_usable(matrix):
        return None
    known = (
        float(alignment["inliers"]), float(alignment["inliers"]) / max(1.0, float(alignment["matches"])),
        float(min(max(shapes[0]), max(shapes[1]))), plain,
    )  # fmt: skip
    full = resized(matrix, _factors(shapes[0], sizes[0][::-1]), _factors(shapes[1], sizes[1][::-1]))
    return Inspection(weigh(fine, mid.blocks, soft, known), describe(full, *sizes, mirrored=mirrored))


def _softly(left: Uint8Array, right: Uint8Array, matrix: Matrix) -> tuple[Blocks, Matrix]:
    """Compare the large shapes of thumbnails: at half the size, after a strong blur. Return the corrected transform, too."""
    halves = _scaled(left, max(left.shape) // 2), _scaled(right, max(right.shape) // 2)
    factors = _factors(left.shape, halves[0].shape), _factors(right.shape, halves[1].shape)
    small = resized(matrix, *factors)
    found = compare_blocks(*halves, small, side=_BLOCK // 2, reach=1, blur=_SOFT)
    if found.matrix is small:
        return found.blocks, matrix
    back = tuple((1 / x, 1 / y) for x, y in factors)
    return found.blocks, resized(found.matrix, back[0], back[1])


def _is_hopeless(mid: Blocks, soft: Blocks) -> bool:
    """Return whether even the large shapes disagree, so that no finer comparison can confirm the pair."""
    close, rough = agreement(mid), agreement(soft)
    return close.blocks >= 24 and close.share < 0.35 and rough.share < 0.4


def _is_obvious(mid: Blocks) -> bool:
    """Return whether thumbnails of a photo agree everywhere, so that no finer comparison is needed."""
    found = agreement(mid)
    return found.blocks >= 100 and found.share >= 0.98


def _is_usable(matrix: Matrix) -> bool:
    return bool(np.isfinite(matrix).all()) and 0.02 < scale_of(matrix) < 50


def _flip(picture: Uint8Array) -> Uint8Array:
    return cv2.flip(picture, 1)


def _scaled(picture: Uint8Array, longest: int) -> Uint8Array:
    """Shrink an image to a long side of `longest` pixels; smaller ones stay as they are."""
    height, width = picture.shape
    factor = longest / max(height, width)
    if factor >= 1:
        return picture
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _factors(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[float, float]:
    """Return the factors (x, y) from shape `old` to shape `new`, (height, width) each."""
    return new[1] / old[1], new[0] / old[0]
