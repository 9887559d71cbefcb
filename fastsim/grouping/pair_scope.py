"""Restrict the pairs that are compared: no two references, and on request only files of different inputs, or of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsim.choices import Scope
from fastsim.records.arrays import Int32Array, Int64Array
from fastsim.records.files import MediaFile
from fastsim.records.pairs import Group, PairBlock

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PairScope:
    """What is known of n rows. side: int32[n], a number for the input of each; reference: bool[n]."""

    scope: Scope
    side: Int32Array
    reference: BoolArray

    @classmethod
    def of(cls, files: Sequence[MediaFile], scope: Scope) -> PairScope | None:
        """Return the scope for one row per file; None if every pair is allowed."""
        reference = np.fromiter((file.reference for file in files), np.bool_, len(files))
        if scope == Scope.ALL and not reference.any():
            return None
        number: dict[str, int] = {}
        side = np.fromiter((number.setdefault(file.root, len(number)) for file in files), np.int32, len(files))
        return cls(scope, side, reference)

    def allowed(self, left: Int64Array | int, right: Int64Array) -> BoolArray:
        """Return bool[k]: whether the rows `left` and `right` may be compared; `left` may be one row for all."""
        found = ~(self.reference[left] & self.reference[right])
        if self.scope == Scope.ALL:
            return found
        equal = self.side[left] == self.side[right]
        return np.asarray(found & (equal if self.scope == Scope.WITHIN else ~equal))

    def filtered(self, block: PairBlock) -> PairBlock:
        """Return the allowed pairs of `block`."""
        good = self.allowed(block.left, block.right)
        return block if good.all() else PairBlock(block.left[good], block.right[good], block.score[good])


def freed(group: Group, references: BoolArray) -> Group:
    """Return `group` with each reference as its own keeper, whatever covers it.

    references: bool[m], whether each member is one.
    """
    covered = references & (group.keeper != group.ids)
    if not covered.any():
        return group
    keeper, score = np.where(covered, group.ids, group.keeper), np.where(covered, np.float32(1), group.score)
    order = np.argsort(keeper != group.ids, kind="stable")
    return Group(group.ids[order], keeper[order], score[order])
