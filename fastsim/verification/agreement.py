"""Measure how far two aligned images agree.

One is warped onto the other, and both are compared block by block (csrc/blocks.c).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsim import _core
from fastsim.records.arrays import Uint8Array
from fastsim.verification.opencv import cv2

Matrix = NDArray[np.float64]
"""float64[3, 3]: maps points of the left image to the right one, in homogeneous pixel coordinates (centres at
integers).
"""

Blocks = NDArray[np.void]

BLOCK = np.dtype(
    [("correlation", np.float32), ("left", np.float32), ("right", np.float32), ("mean_left", np.float32),
     ("mean_right", np.float32), ("dx", np.int16), ("dy", np.int16), ("seen", np.int32)]
)  # fmt: skip
"""`struct block_agreement` of csrc/blocks.h: left is the image whose grid is used, right the one that was warped; left
and right are the standard deviations of their blocks.
"""

FIRM = 0.75
"""Correlation from which on the displacement of a block is trusted."""
_KERNEL = (5, 5)
"""Pixels of the filter: enough for a sigma of 1, and for one of 1.25 nearly."""
_STILL = 0.1
"""Share of the blocks that must be moved for the transform to be corrected."""
_OFF = 1.5
"""Pixels that a displacement may be off the transform that is fitted to all of them."""


class Comparison(NamedTuple):
    """blocks: BLOCK[rows, columns]; matrix: the transform, corrected by the displacements of blocks that correlate."""

    blocks: Blocks
    matrix: Matrix


def scale_of(matrix: Matrix) -> float:
    """Return the factor by which `matrix` enlarges lengths, the root of that of areas."""
    return float(abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])) ** 0.5


def resized(matrix: Matrix, left: tuple[float, float], right: tuple[float, float]) -> Matrix:
    """Return the matrix between images whose sides were multiplied by `left` and `right`, (x, y) each."""
    return _zoom(right) @ matrix @ _inverse(_zoom(left))


def compare_blocks(
    left: Uint8Array, right: Uint8Array, matrix: Matrix, *, side: int, reach: int, blur: float
) -> Comparison:
    """Warp the finer image onto the grid of the coarser one and compare them in blocks of `side` pixels.

    left, right: uint8[h, w]; reach: pixels that a block may be off; blur: sigma of the filter over both, 0 for none.
    Blocks that the overlap does not fully cover are not `seen`.
    """
    onto_right = scale_of(matrix) <= 1.0
    ground, other = (right, left) if onto_right else (left, right)
    moved, inside = _warp(other, matrix if onto_right else _inverse(matrix), ground.shape)
    if blur > 0:
        ground, moved = (cv2.GaussianBlur(picture, _KERNEL, blur) for picture in (ground, moved))
    height, width = ground.shape
    blocks = np.zeros((height // side, width // side), BLOCK)
    _core.blocks(np.ascontiguousarray(ground), moved, inside, (width, height), side, reach, blocks)
    correction = _correction(blocks, side)
    if correction is None:
        return Comparison(blocks, matrix)
    return Comparison(blocks, _inverse(correction) @ matrix if onto_right else matrix @ correction)


def _warp(picture: Uint8Array, matrix: Matrix, shape: tuple[int, ...]) -> tuple[Uint8Array, Uint8Array]:
    """Warp uint8[h, w] onto a grid of `shape`, averaging where it shrinks; return it and 255 where it has content."""
    scale, (height, width) = scale_of(matrix), picture.shape
    if scale < 0.75:
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        matrix = matrix @ _inverse(_zoom((small[0] / width, small[1] / height)))
    size = (shape[1], shape[0])
    if np.abs(matrix[2] - (0.0, 0.0, 1.0)).max() < 1e-12:
        moved = cv2.warpAffine(picture, matrix[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    else:
        moved = cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved, _covered(picture.shape, matrix, shape)


def _covered(source: tuple[int, ...], matrix: Matrix, shape: tuple[int, ...]) -> Uint8Array:
    """Return uint8[shape]: 255 where the warped image has content, without half a pixel along its edges."""
    low, wide, high = 0.5, max(0.5, source[1] - 1.5), max(0.5, source[0] - 1.5)
    corners = np.array([[low, low, 1.0], [wide, low, 1.0], [wide, high, 1.0], [low, high, 1.0]]) @ matrix.T
    inside = np.zeros(shape, np.uint8)
    if (corners[:, 2] > 1e-9).all() or (corners[:, 2] < -1e-9).all():
        places = np.clip(corners[:, :2] / corners[:, 2:], -30000, 30000)
        cv2.fillConvexPoly(inside, np.rint(places * 256).astype(np.int32), 255, cv2.LINE_8, 8)
    return inside


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _zoom(factors: tuple[float, float]) -> Matrix:
    """Return the scaling about the outer corner of the first pixel, whose centre is at 0."""
    x, y = factors
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def _correction(blocks: Blocks, side: int) -> Matrix | None:
    """Return the transform from places of blocks to where they correlate best, by least squares without outliers.

    None if nothing moves or too few blocks correlate.
    """
    firm = (blocks["correlation"] > FIRM) & (np.minimum(blocks["left"], blocks["right"]) > 4)
    rows, columns = np.nonzero(firm)
    moves = (blocks["dx"][firm] != 0) | (blocks["dy"][firm] != 0)
    if len(rows) < 8 or moves.sum() <= _STILL * len(rows):
        return None
    length = float(side * max(blocks.shape))
    unit = np.array([[1 / length, 0, -0.5], [0, 1 / length, -0.5], [0, 0, 1]])
    place = (np.column_stack([columns, rows]) + 0.5) * (side / length) - 0.5
    moved = place + np.column_stack([blocks["dx"][firm], blocks["dy"][firm]]) / length
    good, found = np.ones(len(place), np.bool_), np.eye(3)
    for _ in range(3):
        if good.sum() < 8:
            return None
        found = _fitted(place[good], moved[good])
        back = np.column_stack([place, np.ones(len(place))]) @ found.T
        off = np.abs(back[:, :2] / back[:, 2:] - moved).max(axis=1)
        good = off <= max(_OFF / length, float(np.median(off)))
    if not np.isfinite(found).all():
        return None
    whole = _inverse(unit) @ found @ unit
    return np.asarray(whole / whole[2, 2], np.float64)


def _fitted(place: NDArray[Any], moved: NDArray[Any]) -> Matrix:
    """Fit float64[3, 3] from `place` to `moved` by least squares: perspective for many points, affine for few."""
    n, count = len(place), 8 if len(place) >= 40 else 6
    rows = np.zeros((2 * n, 8))
    rows[:n, :2], rows[:n, 2], rows[n:, 3:5], rows[n:, 5] = place, 1.0, place, 1.0
    rows[:n, 6:], rows[n:, 6:] = -place * moved[:, :1], -place * moved[:, 1:]
    rows, target = rows[:, :count], np.concatenate([moved[:, 0], moved[:, 1]])
    try:
        solution = np.linalg.solve(rows.T @ rows, rows.T @ target)
    except np.linalg.LinAlgError:
        return np.eye(3)
    return np.append(np.pad(solution, (0, 8 - count)), 1.0).reshape(3, 3)
