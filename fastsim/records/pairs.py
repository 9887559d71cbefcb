"""Hold pairs, groups and the results of verification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from fastsim.records.arrays import Float32Array, Int32Array, Int64Array


@dataclass(frozen=True, slots=True)
class PairBlock:
    """Similar pairs of embedding rows: left int64[k] < right int64[k] (rows of `Embeddings`), score float32[k]."""

    left: Int64Array
    right: Int64Array
    score: Float32Array

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True, slots=True)
class Group:
    """One group of similar images, at least two files.

    ids: int64[m], keepers first, then the others, each part in keep order; keeper: int64[m], the id of the keeper that
    covers each member (its own id for a keeper); score: float32[m], the cosine to that keeper (1 for a keeper).
    """

    ids: Int64Array
    keeper: Int64Array
    score: Float32Array

    def __len__(self) -> int:
        return len(self.ids)

    def members(self) -> Iterator[tuple[int, int, float]]:
        """Yield id, keeper's id and score to it of each member, as Python numbers."""
        return zip(self.ids.tolist(), self.keeper.tolist(), self.score.tolist(), strict=True)


def by_keeper(groups: Sequence[Group]) -> list[Group]:
    """Return a group for each keeper that covers another file, itself first.

    The largest groups come first, ties in the order of `groups`.
    """
    parts: list[Group] = []
    for group in groups:
        place = {keeper: at for at, keeper in enumerate(group.ids.tolist())}
        places = np.array([place[keeper] for keeper in group.keeper.tolist()])
        order = np.argsort(places, kind="stable")  # keepers come first in a group, so each leads its own
        starts = np.flatnonzero(np.diff(places[order]))
        parts += [
            Group(group.ids[rows], group.keeper[rows], group.score[rows])
            for rows in np.split(order, starts + 1)
            if len(rows) > 1
        ]
    return sorted(parts, key=len, reverse=True)


class Status(StrEnum):
    """Result of verification: a copy; different (in content, or not aligned); or not decidable."""

    COPY = "copy"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Transform:
    """The place of one image in the other.

    scale: pixels of the right image per pixel of the left; rotation: of the left image to the right one, degrees
    clockwise, -180 to 180; mirrored: left and right exchanged before that. rectangle_left, rectangle_right: the box
    (x, y, width, height) in pixels around what both show; share_left, share_right: the fraction of each image's area
    that this is, 0 to 1.
    """

    scale: float
    rotation: float
    mirrored: bool
    rectangle_left: tuple[int, int, int, int]
    rectangle_right: tuple[int, int, int, int]
    share_left: float
    share_right: float


STATUSES = tuple(Status)
"""The statuses by their number in arrays."""


@dataclass(frozen=True, slots=True)
class VerifiedPairs:
    """Candidate pairs and the result of their verification, sorted by (left, right).

    left, right: int64[k], rows of `Embeddings`, left < right; score: float32[k], their cosine; status: int8[k], a
    place in STATUSES; inliers: int32[k], matching features that the transform explains; agreement: float32[k],
    fraction of the blocks with content that agree, 0 to 1. transforms: by place, of the pairs that could be aligned.
    """

    left: Int64Array
    right: Int64Array
    score: Float32Array
    status: NDArray[np.int8]
    inliers: Int32Array
    agreement: Float32Array
    transforms: Mapping[int, Transform] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.left)

    @classmethod
    def undecided(cls, pairs: PairBlock) -> VerifiedPairs:
        """Return pairs of which nothing is known but their score."""
        n = len(pairs)
        unknown = np.full(n, STATUSES.index(Status.UNKNOWN), np.int8)
        return cls(pairs.left, pairs.right, pairs.score, unknown, np.zeros(n, np.int32), np.zeros(n, np.float32))

    def take(self, places: Int64Array) -> VerifiedPairs:
        """Return the pairs at `places`, which ascend."""
        transforms = {new: self.transforms[old] for new, old in enumerate(places.tolist()) if old in self.transforms}
        return VerifiedPairs(
            self.left[places], self.right[places], self.score[places], self.status[places], self.inliers[places],
            self.agreement[places], transforms,
        )  # fmt: skip

    def block(self) -> PairBlock:
        """Return the pairs alone."""
        return PairBlock(self.left, self.right, self.score)

    def having(self, status: Status) -> Int64Array:
        """Return int64[m], the places of the pairs with this status."""
        return np.flatnonzero(self.status == STATUSES.index(status))
