"""Alignment of pairs of pictures by their features; csrc/align.c does the work without the GIL."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastsim import _core
from fastsim.records import Int64Array
from fastsim.run.progress import Bar
from fastsim.verification.features import Features

MATCH = np.dtype([("index", np.int32), ("best", np.uint16), ("second", np.uint16)])
"""`struct match` of csrc/match.h."""

ALIGNMENT = np.dtype([("matrix", np.float64, (2, 3)), ("matches", np.int32), ("inliers", np.int32)])
"""`struct alignment` of csrc/align.h: matrix takes points of the left thumbnail to the right one."""

RATIO = 0.85
"""A match counts where it is nearer than this times the second nearest."""
TOLERANCE = 3.0
"""Pixels of the thumbnail that an inlier may be off."""
CERTAIN = 24
"""Inliers from which on the mirror image is not tried."""
BATCH = 256
"""Pairs of one task."""


class FeatureTable:
    """The features of many pictures one after the other, in temporary files: the system drops their pages where memory
    is short. Picture i has the rows start[i] to start[i + 1] - 1; its mirror image has the same ones."""

    def __init__(self, features: Iterable[Features]) -> None:
        counts = [0]
        with (
            TemporaryFile() as points,
            TemporaryFile() as mirrored_points,
            TemporaryFile() as plain,
            TemporaryFile() as mirrored,
        ):
            for one in features:
                points.write(one.keypoints().tobytes())
                mirrored_points.write(one.mirrored_keypoints().tobytes())
                plain.write(one.plain.tobytes())
                mirrored.write(one.mirrored.tobytes())
                counts.append(len(one))
            self.start: Int64Array = np.cumsum(counts, dtype=np.int64)
            total = int(self.start[-1])
            self.keypoints = _mapped(points, np.float32, (total, 4))
            self.mirrored_keypoints = _mapped(mirrored_points, np.float32, (total, 4))
            self.plain = _mapped(plain, np.uint8, (total, 32))
            self.mirrored = _mapped(mirrored, np.uint8, (total, 32))

    def counts(self) -> Int64Array:
        """int64[n]: features of each picture."""
        return np.diff(self.start)


def _mapped(file: IO[bytes], dtype: Any, shape: tuple[int, int]) -> NDArray[Any]:
    file.flush()
    return np.memmap(file, dtype, "r", shape=shape) if shape[0] else np.empty(shape, dtype)


def align_pairs(
    table: FeatureTable, left: Int64Array, right: Int64Array, *, workers: int, bar: Bar | None = None, isa: str = ""
) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
    """Return (ALIGNMENT[k], whether the left picture was mirrored bool[k]) of the pairs left[i], right[i].

    The result does not depend on `workers` or `isa`. `bar` counts pairs.
    """
    found, mirrored = np.zeros(len(left), ALIGNMENT), np.zeros(len(left), np.bool_)

    def task(start: int) -> int:
        part = slice(start, min(start + BATCH, len(left)))
        found[part], mirrored[part] = _align(table, left[part], right[part], isa)
        return part.stop - start

    with ThreadPoolExecutor(workers, "fastsim-align") as pool:
        for done in pool.map(task, range(0, len(left), BATCH)):
            if bar:
                bar.advance(done)
    return found, mirrored


def _align(
    table: FeatureTable, left: Int64Array, right: Int64Array, isa: str
) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
    pictures, place = np.unique(np.concatenate([left, right]), return_inverse=True)
    count = table.counts()[pictures]
    rows = np.repeat(table.start[pictures] - np.cumsum(count) + count, count) + np.arange(count.sum())
    plain, points = np.ascontiguousarray(table.plain[rows]), np.ascontiguousarray(table.keypoints[rows])
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
    a, b = place[: len(left)].astype(np.int64), place[len(left) :].astype(np.int64)
    found = np.zeros(len(left), ALIGNMENT)
    _core.align(plain, points, start, a, b, RATIO, TOLERANCE, found, isa)
    unsure = np.flatnonzero(found["inliers"] < CERTAIN)
    # the mirror images of the left pictures follow the pictures themselves
    both = np.concatenate([table.mirrored[rows], plain]), np.concatenate([table.mirrored_keypoints[rows], points])
    starts = np.concatenate([start[:-1], start + start[-1]])
    turned = np.zeros(len(unsure), ALIGNMENT)
    _core.align(*both, starts, a[unsure], b[unsure] + len(pictures), RATIO, TOLERANCE, turned, isa)
    better = turned["inliers"] > found["inliers"][unsure]
    found[unsure[better]] = turned[better]
    mirrored = np.zeros(len(left), np.bool_)
    mirrored[unsure[better]] = True
    return found, mirrored
