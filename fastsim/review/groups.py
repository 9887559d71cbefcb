"""Stored pairs to groups: what a threshold, keep rules and "not a duplicate" make of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsim.grouping.components import Components, group_pairs
from fastsim.grouping.pair_scope import freed
from fastsim.records.arrays import Float32Array, Int64Array
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import Embeddings
from fastsim.review.found import Found
from fastsim.review.rules import Ranking

Pairs = Collection[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups at a threshold.

    members: the ids of each group, what the rules keep first; group_of: int64[n], the group of each file, -1 for none;
    keeper: int64[n], the file that stands for each file, itself where the rules keep it; score: float32[n], to it.
    """

    members: list[list[int]]
    group_of: Int64Array
    keeper: Int64Array
    score: Float32Array

    def stays(self) -> NDArray[np.bool_]:
        """bool[n]: what the rules alone keep."""
        found: NDArray[np.bool_] = self.keeper == np.arange(len(self.keeper))
        return found

    def redundant(self) -> int:
        """Return how many files the rules alone would remove."""
        return int((~self.stays()).sum())


def codes_of(pairs: Pairs, n: int) -> Int64Array:
    """Return int64[k], one number a pair (low id, high id) of n files, ascending."""
    return np.array(sorted(low * n + high for low, high in pairs), np.int64)


def regroup(found: Found, thres: float, ranking: Ranking, apart: Pairs) -> Grouping:
    """Return the groups of the pairs that score at least `thres` and are not in `apart`.

    No two keepers of a group are linked, and each other file is linked to its keeper, as in `group.find_groups`.
    """
    n = len(found)
    grouping = Grouping([], np.full(n, -1, np.int64), np.arange(n), np.ones(n, np.float32))
    _add(grouping, found, found.usable(thres), (ranking, apart))
    return grouping


def regroup_part(
    grouping: Grouping, found: Found, thres: float, ranking: Ranking, changed: tuple[Pairs, Collection[int]]
) -> None:
    """Group some files of `grouping` anew, in place. changed: (the pairs that are apart, the files).

    The groups of these files are left empty in `members`; what comes of them is appended.
    """
    apart, files = changed
    touched = {int(group_of) for group_of in grouping.group_of[list(files)].tolist() if group_of >= 0}
    inside = np.zeros(len(found), bool)
    inside[list(files)] = True
    for number in touched:
        inside[grouping.members[number]] = True
        grouping.members[number] = []
    rows = np.flatnonzero(inside)
    grouping.group_of[rows], grouping.keeper[rows], grouping.score[rows] = -1, rows, 1.0
    good = inside[found.left] & inside[found.right]
    _add(grouping, found, good & found.usable(thres), (ranking, apart))


def _add(grouping: Grouping, found: Found, good: NDArray[np.bool_], by: tuple[Ranking, Pairs]) -> None:
    """Add the groups that the pairs `good` make."""
    ranking, apart = by
    n = len(found)
    if apart:
        good = good & ~np.isin(found.codes(), codes_of(apart, n))
    pairs = PairBlock(found.left[good], found.right[good], found.score[good])
    components = Components(n)
    components.add(pairs)
    bare = Embeddings(np.arange(n), np.zeros((n, 1), np.float16), np.zeros((n, 2), np.int32))
    references = found.references()
    for whole in group_pairs(components, bare, ranking.rank, pairs) if n else ():
        one = freed(whole, references[whole.ids])
        grouping.group_of[one.ids] = len(grouping.members)
        grouping.keeper[one.ids], grouping.score[one.ids] = one.keeper, one.score
        grouping.members.append(one.ids.tolist())
