"""Find groups: the components of the graph of similar pairs, and in each of them the keepers that cover the others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from fastsim import _core
from fastsim.grouping.pair_scope import PairScope
from fastsim.records.arrays import Float32Array, Int32Array, Int64Array
from fastsim.records.pairs import Group, PairBlock
from fastsim.records.rows import Embeddings
from fastsim.rows import core_rows

BATCH = 1024
"""Members that are visited one after the other; the rest are then compared with the new keepers, on all threads."""
SLICE = 4096
"""Members that one task compares with keepers."""


class Components:
    """The connected components of n rows, grown pair by pair, in O(n) memory. Use it from one thread."""

    def __init__(self, n: int) -> None:
        if not 0 <= n < 2**31:
            raise ValueError(f"Components: {n} rows")
        self._parent: Int32Array = np.full(n, -1, np.int32)

    def __len__(self) -> int:
        return len(self._parent)

    def add(self, block: PairBlock) -> int:
        """Join the two rows of each pair. Returns how many components fewer there are."""
        return _core.join(self._parent, block.left, block.right)

    def labels(self, start: int, stop: int) -> Int32Array:
        """Return int32[stop - start], a number per row; two rows have the same one if they are joined so far."""
        label = np.empty(stop - start, np.int32)
        _core.labels(self._parent, start, label)
        return label

    def of(self) -> Int32Array:
        """Return int32[n], the component of each row, named by one of its rows."""
        return self.labels(0, len(self))

    def grouped(self) -> Int64Array:
        """Return the rows of all components of two or more, ascending."""
        label = self.of()
        return np.flatnonzero(np.bincount(label, minlength=len(self))[label] > 1)

    def members(self, rank: Int64Array) -> list[Int64Array]:
        """Return the rows of each component of two or more, by rank; largest first, ties by the smallest rank."""
        label, rows = self.of(), self.grouped()
        rows = rows[np.lexsort((rank[rows], label[rows]))]
        starts = np.flatnonzero(np.diff(label[rows], prepend=-1))
        parts = np.split(rows, starts[1:]) if len(rows) else []
        return sorted(parts, key=lambda part: (-len(part), int(rank[part[0]])))


def find_groups(
    components: Components,
    embeddings: Embeddings,
    rank: Int64Array,
    thres: float,
    *,
    workers: int,
    isa: str | None = None,
    scope: PairScope | None = None,
) -> list[Group]:
    """Return one `Group` per component of two or more rows, largest first, ties by the smallest rank.

    rank: int64[n], the place of each row in keep order, all different: the lower is kept first. Keepers are the
    members that, visited in keep order, are similar to no earlier keeper (score >= thres); every other member is given
    to the first keeper, in keep order, to which it is similar. So no two keepers are similar, and each member is
    similar to its keeper. Scores have the same bits as those of `similarity.pair_blocks`. The result does not depend
    on `workers`. Memory is O(n): no pair is stored. scope: pairs that it does not allow count as not similar.
    """
    if len(components) != len(embeddings) or rank.shape != (len(embeddings),):
        raise ValueError(f"find_groups: {len(components)} rows, {len(embeddings)} embeddings, rank {rank.shape}")
    parts = components.members(rank)
    if not parts:
        return []
    rows = core_rows(embeddings.vectors, embeddings.views, isa)
    thres = min(thres, 1.0 - 1e-6)
    if scope is not None:
        return [_group(embeddings.ids, part, *_keepers_in_scope(rows, part, thres, scope)) for part in parts]
    with ThreadPoolExecutor(workers, "fastsim-keepers") as pool:
        return [_group(embeddings.ids, part, *_keepers(rows, part, thres, pool)) for part in parts]


def group_pairs(components: Components, embeddings: Embeddings, rank: Int64Array, pairs: PairBlock) -> list[Group]:
    """Return groups like `find_groups`, with two rows similar if they are one of `pairs`, whatever their score.

    components: those of `pairs`. Memory is O(n + pairs).
    """
    rows = np.concatenate([pairs.left, pairs.right])
    others, scores = np.concatenate([pairs.right, pairs.left]), np.concatenate([pairs.score, pairs.score])
    order = np.argsort(rows, kind="stable")
    others, scores = others[order], scores[order]
    start = np.searchsorted(rows[order], np.arange(len(embeddings) + 1))
    by, score = np.full(len(embeddings), -1, np.int64), np.zeros(len(embeddings), np.float32)
    parts = components.members(rank)
    for row in (int(row) for part in parts for row in part):
        if by[row] < 0:
            by[row], score[row] = row, 1.0
            near = slice(start[row], start[row + 1])
            free = by[others[near]] < 0
            by[others[near][free]], score[others[near][free]] = row, scores[near][free]
    return [_group(embeddings.ids, part, by[part], score[part]) for part in parts]


def _keepers(
    rows: _core.Rows, members: Int64Array, thres: float, pool: ThreadPoolExecutor
) -> tuple[Int64Array, Float32Array]:
    """Return the row of each member's keeper and the score to it, for members in keep order."""
    by, score = np.full(len(members), -1, np.int64), np.zeros(len(members), np.float32)
    todo = np.arange(len(members))
    while len(todo):
        head, todo = todo[:BATCH], todo[BATCH:]
        keeper = np.empty(len(head), np.int64)
        head_by, head_score = np.full(len(head), -1, np.int64), np.zeros(len(head), np.float32)
        count = rows.choose(thres, keeper, members[head], head_by, head_score)
        by[head], score[head] = head_by, head_score
        cover = partial(_cover, rows, thres, keeper[:count])
        slices = [todo[i : i + SLICE] for i in range(0, len(todo), SLICE)]
        for part, covered in zip(slices, pool.map(cover, (members[part] for part in slices)), strict=True):
            by[part], score[part] = covered
        todo = todo[by[todo] < 0]
    return by, score


def _keepers_in_scope(
    rows: _core.Rows, members: Int64Array, thres: float, scope: PairScope
) -> tuple[Int64Array, Float32Array]:
    """Return the same as `_keepers`, for pairs that `scope` allows: each keeper in turn covers what it may."""
    by, score = np.full(len(members), -1, np.int64), np.zeros(len(members), np.float32)
    for place, row in enumerate(members.tolist()):
        if by[place] >= 0:
            continue
        by[place], score[place] = row, 1.0
        free = np.flatnonzero(by < 0)
        free = free[scope.allowed(row, members[free])]
        if len(free):
            by[free], score[free] = _cover(rows, thres, np.array([row]), members[free])
    return by, score


def _cover(rows: _core.Rows, thres: float, keeper: Int64Array, members: Int64Array) -> tuple[Int64Array, Float32Array]:
    by, score = np.full(len(members), -1, np.int64), np.zeros(len(members), np.float32)
    rows.cover(thres, keeper, members, by, score)
    return by, score


def _group(ids: Int64Array, members: Int64Array, by: Int64Array, score: Float32Array) -> Group:
    order = np.argsort(by != members, kind="stable")  # keepers first, each part in keep order
    return Group(ids[members[order]], ids[by[order]], score[order])
