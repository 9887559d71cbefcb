"""Describe a transform for a report: scale, rotation, mirroring, and the common part of both images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastsim.records.pairs import Transform
from fastsim.verification.agreement import Matrix, scale_of
from fastsim.verification.opencv import cv2

Size = tuple[int, int]
"""Width and height in pixels."""


def describe(matrix: Matrix, left: Size, right: Size, *, mirrored: bool) -> Transform:
    """Return what `matrix`, from pixels of the left image (mirrored first if so) to those of the right one, does."""
    overlap, here = _overlap(matrix, left, right), np.asarray(np.linalg.inv(matrix), np.float64)
    back = _moved(here, overlap) if len(overlap) else overlap
    if mirrored:
        back = np.array([left[0] - 1, 0]) * [1, 1] - back * [1, -1] if len(back) else back
    middle = _moved(matrix, np.array([[left[0] / 2, left[1] / 2], [left[0] / 2 + 1, left[1] / 2]]))
    turn = np.degrees(np.arctan2(*(middle[1] - middle[0])[::-1]))
    return Transform(
        scale=_local_scale(matrix, left), rotation=float(turn), mirrored=mirrored,
        rectangle_left=_box(back, left), rectangle_right=_box(overlap, right),
        share_left=min(1.0, _area(back) / (left[0] * left[1])), share_right=min(1.0, _area(overlap) / (right[0] * right[1])),
    )  # fmt: skip


def identity(left: Size, right: Size) -> Transform:
    """Return the transform of images that show the same from edge to edge."""
    factors = right[0] / left[0], right[1] / left[1]
    matrix = np.array([[factors[0], 0, (factors[0] - 1) / 2], [0, factors[1], (factors[1] - 1) / 2], [0, 0, 1]])
    return describe(matrix, left, right, mirrored=False)


def _corners(size: Size) -> NDArray[np.float64]:
    right, low = size[0] - 0.5, size[1] - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [right, low], [-0.5, low]])


def _moved(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    moved: NDArray[np.float64] = rows[:, :2] / rows[:, 2:]
    return moved


def _local_scale(matrix: Matrix, left: Size) -> float:
    """Return the factor of lengths in the middle of the left image."""
    x, y = left[0] / 2, left[1] / 2
    points = _moved(matrix, np.array([[x, y], [x + 1, y], [x, y + 1]]))
    return float(np.sqrt(abs(np.linalg.det(points[1:] - points[0])))) or scale_of(matrix)


def _overlap(matrix: Matrix, left: Size, right: Size) -> NDArray[np.float64]:
    """Return the corners, in the right image, of what both show; empty if that is nothing."""
    moved = _moved(matrix, _corners(left)).astype(np.float32)
    area, corners = cv2.intersectConvexConvex(moved, _corners(right).astype(np.float32))
    if corners is None or area <= 0:
        return np.empty((0, 2))
    return corners.reshape(-1, 2).astype(np.float64)


def _area(corners: NDArray[np.float64]) -> float:
    return float(cv2.contourArea(corners.astype(np.float32))) if len(corners) else 0.0


def _box(corners: NDArray[np.float64], size: Size) -> tuple[int, int, int, int]:
    if not len(corners):
        return (0, 0, 0, 0)
    low = np.clip(np.rint(corners.min(axis=0) + 0.5), 0, size)
    high = np.clip(np.rint(corners.max(axis=0) + 0.5), 0, size)
    return (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
