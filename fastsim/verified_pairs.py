"""Turn vectors into verified pairs.

The nearest neighbours of each image are its candidates, and each candidate is verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastsim import similarity
from fastsim.config import Compute
from fastsim.device import Device
from fastsim.grouping.pair_scope import PairScope
from fastsim.records.arrays import Int64Array, Uint8Array
from fastsim.records.files import MediaFile
from fastsim.records.pairs import PairBlock, Status, VerifiedPairs
from fastsim.records.rows import Embeddings
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings, stage

if TYPE_CHECKING:
    from fastsim.verification import Subjects

NEIGHBOURS = 40
"""Most candidates of each image: tight crops of faces are often behind twenty other shots of the same person."""
RELATIVES = 12
"""Copies of an image, the best ones first, that are candidates of each other as well."""
FLOOR = 0.3
"""Lowest score of a candidate: copies that were cropped or turned may score little more."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verify pairs of rows of `embeddings`; `files[i].id` must be i."""

    embeddings: Embeddings
    files: Sequence[MediaFile]
    compute: Compute
    progress: Progress
    timings: Timings

    def neighbours(self, thres: float, scope: PairScope | None = None) -> VerifiedPairs:
        """Verify each pair scoring at least `thres` of which one is among the nearest neighbours of the other.

        scope: pairs that it does not allow are left out, and are no neighbours.
        """
        from fastsim import verification
        from fastsim.similarity.neighbours_within import find_allowed

        n, floor = len(self.embeddings), max(FLOOR, min(thres, 1.0 - 1e-6))
        with stage("candidates", self.timings), self.progress.bar("candidates", n, "images") as bar:
            workers = self.compute.workers
            if scope is None:
                near = similarity.find_neighbours(
                    self.embeddings, NEIGHBOURS, floor, device=self.compute.device, workers=workers, bar=bar
                )
            else:
                near = find_allowed(self.embeddings, NEIGHBOURS, floor, allowed=scope.allowed, workers=workers, bar=bar)
            pairs = verification.candidate_pairs(near.index, near.score)
        return self.check(pairs)

    def complete(self, known: VerifiedPairs, thres: float) -> VerifiedPairs:
        """Verify copies of one image against each other where `known` has not, and add them to `known`.

        Strong edits of one image score too little to be neighbours of each other.
        """
        one, other = _relatives(confirmed(known, thres))
        new = similarity.further(self.embeddings, one, other, known)
        enough = new.score >= min(thres, 1.0 - 1e-6)
        new = PairBlock(new.left[enough], new.right[enough], new.score[enough])
        return joined(known, self.check(new)) if len(new) else known

    def check(self, pairs: PairBlock) -> VerifiedPairs:
        """Verify the pairs, which are sorted by (left, right)."""
        from fastsim import verification
        from fastsim.decode.libraries import configured

        cache = Path(self.compute.cache) if self.compute.cache else None
        with configured(), stage("verify", self.timings), self.progress.bar("verify", len(pairs), "pairs") as bar:
            return verification.verify(pairs, self._subjects(), workers=self.compute.workers, cache=cache, bar=bar)

    def _subjects(self) -> Subjects:
        from fastsim import verification
        from fastsim.decode import grey

        ids, sizes, views = self.embeddings.ids.tolist(), self.embeddings.sizes, self.embeddings.views
        paths = [self.files[file_id].path for file_id in ids]

        def load(row: int, longest: int) -> Uint8Array | None:
            return grey.decode_grey(paths[row], longest)

        return verification.Subjects(
            load=load,
            same_pixels=lambda a, b: grey.same_pixels(paths[a], paths[b]),
            size=lambda row: (int(sizes[row, 0]), int(sizes[row, 1])),
            digests={row: self.embeddings.digests[i] for row, i in enumerate(ids) if i in self.embeddings.digests},
            moving=frozenset(np.flatnonzero(views.kind).tolist()) if views is not None else frozenset(),
        )


def _relatives(copies: PairBlock) -> tuple[Int64Array, Int64Array]:
    """Return the pairs of rows that are both among the best RELATIVES copies of a third one."""
    source, target = np.concatenate([copies.left, copies.right]), np.concatenate([copies.right, copies.left])
    order = np.lexsort([target, -np.concatenate([copies.score, copies.score]), source])
    source, target = source[order], target[order]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    source, target = source[rank < RELATIVES], target[rank < RELATIVES]
    together = [
        (np.flatnonzero(source[:-step] == source[step:]), step) for step in range(1, min(RELATIVES, len(source)))
    ]
    one = np.concatenate([np.empty(0, np.int64), *(target[at] for at, _ in together)])
    return one, np.concatenate([np.empty(0, np.int64), *(target[at + step] for at, step in together)])


def confirmed(pairs: VerifiedPairs, thres: float) -> PairBlock:
    """Return the copies with a score of at least `thres`."""
    places = pairs.having(Status.COPY)
    places = places[pairs.score[places] >= min(thres, 1.0 - 1e-6)]
    return PairBlock(pairs.left[places], pairs.right[places], pairs.score[places])


def joined(first: VerifiedPairs, second: VerifiedPairs) -> VerifiedPairs:
    """Return the pairs of both, sorted by (left, right)."""
    parts = [
        np.concatenate([getattr(first, name), getattr(second, name)])
        for name in ("left", "right", "score", "status", "inliers", "agreement")
    ]
    order = np.lexsort([parts[1], parts[0]])
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    transforms = {int(place[k]): one for k, one in first.transforms.items()}
    transforms |= {int(place[len(first) + k]): one for k, one in second.transforms.items()}
    left, right, score, status, inliers, agreement = (part[order] for part in parts)
    return VerifiedPairs(left, right, score, status, inliers, agreement, transforms)


def cropped_rows(pairs: VerifiedPairs) -> Int64Array:
    """Return int64[m], the rows of images that are a part of another one, by a confirmed pair."""
    found = set()
    for place in pairs.having(Status.COPY).tolist():
        one = pairs.transforms.get(place)
        if one is not None and min(one.share_left, one.share_right) < 0.95 <= max(one.share_left, one.share_right):
            found.add(int(pairs.left[place] if one.share_left > one.share_right else pairs.right[place]))
    return np.array(sorted(found), np.int64)


def unverified(embeddings: Embeddings, thres: float, *, workers: int, device: Device) -> VerifiedPairs:
    """Return all pairs with a score of at least `thres`, none of them decided, sorted by (left, right)."""
    blocks = list(similarity.pair_blocks(embeddings, thres, device=device, workers=workers))
    left = np.concatenate([np.empty(0, np.int64), *(block.left for block in blocks)])
    right = np.concatenate([np.empty(0, np.int64), *(block.right for block in blocks)])
    score = np.concatenate([np.empty(0, np.float32), *(block.score for block in blocks)])
    order = np.lexsort([right, left])
    return VerifiedPairs.undecided(PairBlock(left[order], right[order], score[order]))
