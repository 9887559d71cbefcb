"""What a review is about: files, pairs with scores, and the settings of the run that found them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsim.records.arrays import Float16Array, Float32Array, Int32Array, Int64Array
from fastsim.records.files import MediaFile
from fastsim.records.pairs import STATUSES, Status, Transform

UNVERIFIED = -1
"""Status of a pair that was not verified."""


@dataclass(frozen=True, slots=True)
class Found:
    """Files that are similar to another one, and all stored pairs. Nothing of it changes during a review.

    files: `files[i].id` is i; sizes: int32[n, 2], width and height in pixels, 0 where they are not known. left, right:
    int64[k], ids, left < right, sorted; score: float32[k]; status: int8[k], a place in STATUSES, or UNVERIFIED.
    transforms: the place of the right image in the left one, by place. vectors: float16[n, d], to score pairs that are not
    stored; None where they are not known.
    """

    files: tuple[MediaFile, ...]
    sizes: Int32Array
    left: Int64Array
    right: Int64Array
    score: Float32Array
    status: NDArray[np.int8]
    settings: Mapping[str, Any]
    """`thres`, `floor`, `verify`, `rules`, `pairs`, `sidecars`, `mode`, `outs`, `argv`, `scanned`, `title`."""
    transforms: Mapping[int, Transform] = field(default_factory=dict)
    vectors: Float16Array | None = None
    damage: Mapping[int, str] = field(default_factory=dict)
    frames: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)

    def references(self) -> NDArray[np.bool_]:
        """bool[n]: the files of reference folders, which stay."""
        return np.fromiter((file.reference for file in self.files), np.bool_, len(self.files))

    def codes(self) -> Int64Array:
        """int64[k]: one number a pair, ascending."""
        return self.left * len(self.files) + self.right

    def places_of(self, code: Int64Array) -> Int64Array:
        """int64[m]: the place of each pair with this code, -1 where none is stored."""
        codes = self.codes()
        place = np.searchsorted(codes, code)
        inside = np.minimum(place, max(len(codes) - 1, 0))
        known = codes[inside] == code if len(codes) else np.zeros(len(code), bool)
        return np.where(known, inside, -1)

    def usable(self, thres: float) -> NDArray[np.bool_]:
        """bool[k]: the pairs that link files at `thres`; of verified pairs the copies alone."""
        good: NDArray[np.bool_] = self.score >= np.float32(min(thres, 1.0 - 1e-6))
        if self.settings.get("verify"):
            good &= self.status == STATUSES.index(Status.COPY)
        return good
