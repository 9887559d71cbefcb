"""How far two aligned pictures agree: one is warped onto the other, and both are compared block by block (csrc/blocks.c)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsim import _core
from fastsim.records import Uint8Array
from fastsim.verification.opencv import cv2

Matrix = NDArray[np.float64]
"""float64[3, 3]: takes points of the left picture to the right one, in homogeneous pixel coordinates (centres at integers)."""

Blocks = NDArray[np.void]

BLOCK = np.dtype(
    [("correlation", np.float32), ("left", np.float32), ("right", np.float32), ("mean_left", np.float32),
     ("mean_right", np.float32), ("dx", np.int16), ("dy", np.int16), ("seen", np.int32)]
)  # fmt: skip
"""`struct block_agreement` of csrc/blocks.h: left is the picture whose grid is used, right the one that was warped; left and
right are the standard deviations of their blocks."""

FIRM = 0.75
"""Correlation from which on a block's displacement is believed."""


class Comparison(NamedTuple):
    """blocks: BLOCK[rows, columns]; matrix: the transform, corrected by the displacements of blocks that correlate."""

    blocks: Blocks
    matrix: Matrix


def scale_of(matrix: Matrix) -> float:
    """Return the factor by which `matrix` enlarges lengths, the root of that of areas."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))


def resized(matrix: Matrix, left: tuple[float, float], right: tuple[float, float]) -> Matrix:
    """The matrix between pictures whose sides were multiplied by `left` and `right`, (x, y) each."""
    return _zoom(right) @ matrix @ _inverse(_zoom(left))


def compare_blocks(
    left: Uint8Array, right: Uint8Array, matrix: Matrix, *, side: int, reach: int, blur: float
) -> Comparison:
    """Warp the finer picture onto the grid of the coarser one and compare them in blocks of `side` pixels.

    left, right: uint8[h, w]; reach: pixels that a block may be off; blur: sigma of the filter over both, 0 for none.
    Blocks that the overlap does not cover whole are not `seen`.
    """
    onto_right = scale_of(matrix) <= 1.0
    ground, other = (right, left) if onto_right else (left, right)
    moved, inside = _warp(other, matrix if onto_right else _inverse(matrix), ground.shape)
    if blur > 0:
        ground, moved = (cv2.GaussianBlur(picture, (0, 0), blur) for picture in (ground, moved))
    height, width = ground.shape
    blocks = np.zeros((height // side, width // side), BLOCK)
    _core.blocks(np.ascontiguousarray(ground), moved, inside, (width, height), side, reach, blocks)
    correction = _correction(blocks, side)
    return Comparison(blocks, _inverse(correction) @ matrix if onto_right else matrix @ correction)


def _warp(picture: Uint8Array, matrix: Matrix, shape: tuple[int, ...]) -> tuple[Uint8Array, Uint8Array]:
    """Warp uint8[h, w] onto a grid of `shape`, averaging where it shrinks; return it and 255 where it has content."""
    scale, (height, width) = scale_of(matrix), picture.shape
    if scale < 0.75:
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
        matrix = matrix @ _inverse(_zoom((small[0] / width, small[1] / height)))
    size = (shape[1], shape[0])
    moved = cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpPerspective(np.full(picture.shape, 255, np.uint8), matrix, size, flags=cv2.INTER_LINEAR)
    return moved, inside


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _zoom(factors: tuple[float, float]) -> Matrix:
    """Scaling about the outer corner of the first pixel, whose centre is at 0."""
    x, y = factors
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def _correction(blocks: Blocks, side: int) -> Matrix:
    """The transform from places of blocks to where they correlate best; the identity where too few do."""
    firm = (blocks["correlation"] > FIRM) & (np.minimum(blocks["left"], blocks["right"]) > 4)
    rows, columns = np.nonzero(firm)
    if len(rows) < 8 or not (blocks["dx"][firm].any() or blocks["dy"][firm].any()):
        return np.eye(3)
    place = (np.column_stack([columns, rows]) + 0.5) * side
    moved = place + np.column_stack([blocks["dx"][firm], blocks["dy"][firm]])
    method = cv2.findHomography if len(rows) >= 40 else cv2.estimateAffine2D
    found = method(place, moved, method=cv2.RANSAC, ransacReprojThreshold=1.5)[0]
    if found is None or not np.isfinite(found).all():
        return np.eye(3)
    return found if len(found) == 3 else np.vstack([found, [0, 0, 1]])
