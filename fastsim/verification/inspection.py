"""The pixels of a pair that aligns: compared at growing resolution, each time with a transform corrected by the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fastsim.records import Transform, Uint8Array
from fastsim.verification.agreement import Matrix, compare_blocks, resized, scale_of
from fastsim.verification.decision import Evidence, is_copy, plainness, weigh
from fastsim.verification.features import SIDE, thumbnail
from fastsim.verification.geometry import Size, describe
from fastsim.verification.opencv import cv2

LEAST_INLIERS = 6
"""Inliers that an alignment needs to be looked at."""
FINE = 1280
"""Long side in pixels of the last comparison, where both pictures have so many: up to 1.6 megapixels."""
_SIDES = (SIDE, 512, FINE)
_BLOCK, _FINE_BLOCK = 16, 24
"""Sides of blocks in pixels: some letters of print hold one."""
_BLUR, _SOFT = 1.0, 2.5
"""Sigma in pixels of the usual filter, and of the strong one that leaves the large shapes only."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What looking at a pair gave."""

    copy: bool
    agreement: float
    transform: Transform


class Pictures:
    """Pictures by row and long side; the last ones are kept, as pairs that follow each other share them."""

    def __init__(self, load: Callable[[int, int], Uint8Array | None], workers: int) -> None:
        self.whole = lru_cache(maxsize=8 + 4 * workers)(lambda row: load(row, FINE))
        self._small = lru_cache(maxsize=1024)(lambda row: load(row, SIDE))

    def thumbnail(self, row: int) -> Uint8Array | None:
        """Return uint8[h, w] with a long side of SIDE."""
        grey = self._small(row)
        return None if grey is None else thumbnail(grey)


def inspect(
    pictures: Pictures, rows: tuple[int, int], sizes: tuple[Size, Size], alignment: np.void, mirrored: bool
) -> Inspection | None:
    """Compare the pictures of `rows`, aligned by their thumbnails. None where one of them can't be read any more.

    sizes: (width, height) of the whole pictures; alignment: of `matching.ALIGNMENT`; mirrored: of the left picture.
    """
    left, right = pictures.thumbnail(rows[0]), pictures.thumbnail(rows[1])
    if left is None or right is None:
        return None
    turned = _flip(left) if mirrored else left
    matrix = np.vstack([alignment["matrix"], [0.0, 0.0, 1.0]])
    matrix = compare_blocks(turned, right, matrix, side=_BLOCK, reach=3, blur=_BLUR).matrix
    soft = compare_blocks(turned, right, matrix, side=_BLOCK, reach=2, blur=_SOFT).blocks
    blocks, matrix = compare_blocks(turned, right, matrix, side=_BLOCK, reach=2, blur=_BLUR)
    shapes = turned.shape, right.shape
    plain = min(plainness(left), plainness(right))
    evidence = weigh(blocks, soft, int(alignment["inliers"]), plain)
    if not _is_hopeless(evidence):
        whole_left, whole_right = pictures.whole(rows[0]), pictures.whole(rows[1])
        if whole_left is None or whole_right is None:
            return None
        for side in _SIDES[1:]:
            finer = _scaled(_flip(whole_left) if mirrored else whole_left, side), _scaled(whole_right, side)
            if (finer[0].shape, finer[1].shape) == shapes or min(max(finer[0].shape), max(finer[1].shape)) <= SIDE:
                break  # of a small picture, the enlarged thumbnail shows all that there is
            matrix = resized(matrix, _factors(shapes[0], finer[0].shape), _factors(shapes[1], finer[1].shape))
            if not _is_usable(matrix):
                break
            shapes = finer[0].shape, finer[1].shape
            block = _FINE_BLOCK if side == FINE else _BLOCK
            blocks, matrix = compare_blocks(*finer, matrix, side=block, reach=2, blur=_BLUR)
        plain = min(plainness(left), plainness(right))
    evidence = weigh(blocks, soft, int(alignment["inliers"]), plain)
    if not _is_usable(matrix):
        return None
    full = resized(matrix, _factors(shapes[0], sizes[0][::-1]), _factors(shapes[1], sizes[1][::-1]))
    return Inspection(is_copy(evidence), evidence.close, describe(full, *sizes, mirrored=mirrored))


def _is_hopeless(evidence: Evidence) -> bool:
    """Whether even the large shapes disagree, so that no finer comparison can confirm the pair."""
    return evidence.blocks >= 24 and evidence.soft < 0.4 and evidence.close < 0.35


def _is_usable(matrix: Matrix) -> bool:
    return bool(np.isfinite(matrix).all()) and 0.02 < scale_of(matrix) < 50


def _flip(picture: Uint8Array) -> Uint8Array:
    return cv2.flip(picture, 1)


def _scaled(picture: Uint8Array, longest: int) -> Uint8Array:
    """Shrink a picture to a long side of `longest` pixels; smaller ones stay as they are."""
    height, width = picture.shape
    factor = longest / max(height, width)
    if factor >= 1:
        return picture
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _factors(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[float, float]:
    """By what the sides (x, y) of a picture grow from shape `old` to shape `new`, (height, width) each."""
    return new[1] / old[1], new[0] / old[0]
