"""Align pairs of images by their features; csrc/align.c does the work without the GIL."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastsim import _core
from fastsim.records.arrays import Int32Array, Int64Array
from fastsim.run.progress import Bar
from fastsim.verification.features import Features

MATCH = np.dtype([("index", np.int32), ("best", np.uint16), ("second", np.uint16)])
"""`struct match` of csrc/match.h."""

ALIGNMENT = np.dtype(
    [
        ("matrix", np.float64, (2, 3)),
        ("matches", np.int32),
        ("inliers", np.int32),
        ("mirrored", np.int32),
        ("unused", np.int32),
    ]
)
"""`struct alignment` of csrc/align.h: matrix maps points of the left thumbnail, mirrored first if so, to the right
one.
"""

RATIO = 0.85
"""A match counts if it is nearer than this factor times the second nearest."""
TOLERANCE = 3.0
"""Pixels of the thumbnail that an inlier may be off."""
STEP = 4
"""Every STEP-th feature is compared first, which is enough to give up almost all pairs that do not align."""
BATCH = 256
"""Pairs of one task."""


class FeatureTable:
    """The features of many images one after the other, in temporary files, whose pages the system may drop.

    Image i has the rows start[i] to start[i + 1] - 1 and is width[i] pixels wide.
    """

    def __init__(self, features: Iterable[Features]) -> None:
        counts, widths = [0], []
        with TemporaryFile() as points, TemporaryFile() as descriptors:
            for one in features:
                points.write(one.keypoints().tobytes())
                descriptors.write(one.descriptors.tobytes())
                counts.append(len(one))
                widths.append(one.width)
            self.start: Int64Array = np.cumsum(counts, dtype=np.int64)
            self.width: Int32Array = np.array(widths, np.int32)
            total = int(self.start[-1])
            self.keypoints = _mapped(points, np.float32, (total, 4))
            self.descriptors = _mapped(descriptors, np.uint8, (total, 32))

    def counts(self) -> Int64Array:
        """Return int64[n], the number of features of each image."""
        return np.diff(self.start)


def _mapped(file: IO[bytes], dtype: Any, shape: tuple[int, int]) -> NDArray[Any]:
    file.flush()
    return np.memmap(file, dtype, "r", shape=shape) if shape[0] else np.empty(shape, dtype)


def align_pairs(
    table: FeatureTable, left: Int64Array, right: Int64Array, *, workers: int, bar: Bar | None = None, isa: str = ""
) -> NDArray[np.void]:
    """Return ALIGNMENT[k] of the pairs left[i], right[i]; without inliers if not even a part of the features agrees.

    The result does not depend on `workers` or `isa`. `bar` counts pairs.
    """
    found = np.zeros(len(left), ALIGNMENT)
    left, right = np.ascontiguousarray(left, np.int64), np.ascontiguousarray(right, np.int64)

    def task(start: int) -> int:
        part = slice(start, min(start + BATCH, len(left)))
        _core.align(
            table.descriptors, table.keypoints, table.start, table.width, left[part], right[part], RATIO, TOLERANCE, STEP,
            found[part], isa,
        )  # fmt: skip
        return part.stop - start

    with ThreadPoolExecutor(workers, "fastsim-align") as pool:
        for done in pool.map(task, range(0, len(left), BATCH)):
            if bar:
                bar.advance(done)
    return found
