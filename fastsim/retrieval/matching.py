"""The best matches of some images in sets, and what verification says of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np

from fastsim import similarity
from fastsim.config import Compute
from fastsim.records.files import MediaFile
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import Embeddings, Views
from fastsim.report.pairs import pair_records
from fastsim.retrieval.sets import Embedded, ImageSet
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings, stage
from fastsim.similarity.neighbours import Neighbours, find_nearest_among
from fastsim.verified_pairs import Verifier


@dataclass(frozen=True, slots=True)
class Match:
    """An image that was found. score: cosine to the query; width, height: in pixels; within: the set that it is in.

    status: "copy", "different" or "unknown" with verification, else None; transform: with verification, the other columns of
    `fastsim pairs` that have a value, the query on the left.
    """

    path: str
    score: float
    width: int
    height: int
    within: str
    status: str | None = None
    transform: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """A row of a set, and its image."""

    score: float
    within: ImageSet
    row: int
    file: MediaFile

    def match(self, verdict: Mapping[str, Any]) -> Match:
        """Return what is reported of it; verdict: the columns of `fastsim pairs`, or nothing."""
        told = {name: value for name, value in verdict.items() if value is not None and name not in _OWN}
        return Match(
            self.file.path, round(self.score, 6), *self.within.size(self.row), self.within.name, verdict.get("status"), told
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Searcher:
    """Search for images in `sets`: up to k matches each, with a score of at least `floor`."""

    sets: Sequence[ImageSet]
    compute: Compute
    progress: Progress
    timings: Timings

    def find(self, queries: Embedded, *, k: int, floor: float, verify: bool) -> list[list[Match]]:
        """Return the matches of each row of `queries`, best first. An image is no match of itself."""
        with stage("search", self.timings):
            found = self._best(queries, k, floor)
        verdicts = self._verdicts(queries, found) if verify else repeat({})
        return [[one.match(next(verdicts)) for one in row] for row in found]

    def _best(self, queries: Embedded, k: int, floor: float) -> list[list[_Found]]:
        """Return the k best of each query over all sets, each path once, without the query itself."""
        near = [
            find_nearest_among(
                queries.vectors, one.vectors, k + 1, similarity.effective(floor), workers=self.compute.workers,
                query_views=queries.views, views=one.views,
            )
            for one in self.sets
        ]  # fmt: skip
        return [self._merged(near, row, queries.file(row).path, k) for row in range(len(queries.vectors))]

    def _merged(self, near: Sequence[Neighbours], row: int, own: str, k: int) -> list[_Found]:
        candidates = [
            (-score, number, at)
            for number, one in enumerate(near)
            for at, score in zip(one.index[row].tolist(), one.score[row].tolist(), strict=True)
            if at >= 0
        ]
        seen, best = {own}, list[_Found]()
        for score, number, at in sorted(candidates):
            file = self.sets[number].file(at)
            if file.path not in seen and len(best) < k:
                seen.add(file.path)
                best.append(_Found(-score, self.sets[number], at, file))
        return best

    def _verdicts(self, queries: Embedded, found: Sequence[Sequence[_Found]]) -> Iterator[dict[str, Any]]:
        """Yield what verification says of each match in turn, as the columns of `fastsim pairs`."""
        q, flat = len(found), [one for row in found for one in row]
        files = [*(queries.file(row) for row in range(q)), *(one.file for one in flat)]
        rows = [*((queries, row) for row in range(q)), *((one.within, one.row) for one in flat)]
        known = Embeddings(
            np.arange(len(rows), dtype=np.int64),
            np.zeros((len(rows), 1), np.float16),
            np.array([within.size(row) for within, row in rows], np.int32).reshape(-1, 2),
            views=_kinds([_kind(within, row) for within, row in rows]),
            digests={i: file.snapshot.digest for i, file in enumerate(files) if file.snapshot.digest is not None},
        )
        pairs = PairBlock(
            np.repeat(np.arange(q), [len(row) for row in found]),
            q + np.arange(len(flat), dtype=np.int64),
            np.array([one.score for one in flat], np.float32),
        )
        verified = Verifier(known, files, self.compute, self.progress, self.timings).check(pairs)
        yield from pair_records(verified, known, files)


_OWN = ("left", "right", "score", "status")
"""Columns of a pair that a match has under other names."""


def _kind(within: ImageSet, row: int) -> int:
    return 0 if within.views is None else int(within.views.kind[row])


def _kinds(kinds: Sequence[int]) -> Views | None:
    if not any(kinds):
        return None
    return Views(np.array(kinds, np.int32), np.zeros(len(kinds) + 1, np.int64), np.empty((0, 1), np.float16))
