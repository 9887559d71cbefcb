"""Groups without the pairs that a person has called "not a duplicate"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from fastsim.decisions import Pair
from fastsim.grouping.components import Components, group_pairs
from fastsim.inputs.digest import digest_of
from fastsim.records.arrays import Int64Array
from fastsim.records.files import MediaFile
from fastsim.records.pairs import Group, PairBlock
from fastsim.records.rows import Embeddings

Within = Callable[[Int64Array], PairBlock]
"""within(rows): the similar pairs of these rows, ascending, as rows of the embeddings."""


@dataclass(slots=True)
class Remembered:
    """The decisions, and what they need to be found again. `files[i].id` must be i."""

    known: Set[Pair]
    files: Sequence[MediaFile]
    digests: Mapping[int, bytes]
    found: int = 0
    """Pairs in groups that were kept apart."""
    _partners: dict[bytes, set[bytes]] = field(default_factory=dict)
    _read: dict[int, bytes | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for first, second in self.known:
            self._partners.setdefault(first, set()).add(second)
            self._partners.setdefault(second, set()).add(first)

    def parted(self, groups: Sequence[Group], embeddings: Embeddings, rank: Int64Array, within: Within) -> list[Group]:
        """Return `groups`, of which those that hold such a pair are grouped anew without it.

        rank: int64[n], keep order, see `group.find_groups`.
        """
        if not self.known:
            return list(groups)
        row_of = {file_id: row for row, file_id in enumerate(embeddings.ids.tolist())}
        found: list[Group] = []
        for group in groups:
            apart = set(self._pairs_in(group))
            if not apart:
                found.append(group)
                continue
            self.found += len(apart)
            rows = np.array(sorted(row_of[i] for i in group.ids.tolist()), np.int64)
            codes = [min(row_of[a], row_of[b]) * len(embeddings) + max(row_of[a], row_of[b]) for a, b in apart]
            found += _grouped(within(rows), np.array(codes, np.int64), embeddings, rank)
        return sorted(found, key=lambda group: (-len(group), int(rank[row_of[int(group.ids[0])]])))

    def _pairs_in(self, group: Group) -> Iterator[tuple[int, int]]:
        """(id, id) of the files of a group that are not duplicates of each other."""
        having: dict[bytes, list[int]] = {}
        for file_id in group.ids.tolist():
            if (digest := self._digest(file_id)) is not None:
                having.setdefault(digest, []).append(file_id)
        for digest, ids in having.items():
            for partner in self._partners.get(digest, ()):
                if digest < partner and partner in having:
                    yield from product(ids, having[partner])

    def _digest(self, file_id: int) -> bytes | None:
        if file_id in self.digests:
            return self.digests[file_id]
        if file_id not in self._read:
            try:
                self._read[file_id] = digest_of(self.files[file_id].path)
            except OSError:  # it is gone, which apply will say
                self._read[file_id] = None
        return self._read[file_id]


def _grouped(pairs: PairBlock, apart: Int64Array, embeddings: Embeddings, rank: Int64Array) -> list[Group]:
    good = ~np.isin(pairs.left * len(embeddings) + pairs.right, apart)
    left = PairBlock(pairs.left[good], pairs.right[good], pairs.score[good])
    components = Components(len(embeddings))
    components.add(left)
    return group_pairs(components, embeddings, rank, left)


def only(pairs: PairBlock, rows: Int64Array) -> PairBlock:
    """Return the pairs of which both are among `rows`."""
    good = np.isin(pairs.left, rows) & np.isin(pairs.right, rows)
    return PairBlock(pairs.left[good], pairs.right[good], pairs.score[good])
