"""What leaked: pairs, counts, and a plan that removes them from one split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsim import __version__, pipeline
from fastsim.choices import DropMode, GroupBy, Mode
from fastsim.embed_files import Environment
from fastsim.errors import UsageError, shown
from fastsim.files.plan import make_plan
from fastsim.files.unchanged import with_digests
from fastsim.grouping.keep_order import Reason
from fastsim.inputs.sidecars import Sidecars
from fastsim.leakage.splits import Split
from fastsim.planning import settle_units
from fastsim.records.arrays import Int64Array
from fastsim.records.files import LeftOut, MediaFile, Skipped
from fastsim.records.pairs import STATUSES, Group, Status, VerifiedPairs
from fastsim.records.plans import Plan
from fastsim.records.rows import Embeddings
from fastsim.report.pairs import COLUMNS as PAIR_COLUMNS
from fastsim.report.pairs import pair_records
from fastsim.report.tables import Columns
from fastsim.run.timing import Timings

COLUMNS: Columns = {
    "left_split": str, "right_split": str, "left_class": str, "right_class": str, "conflict": bool, **PAIR_COLUMNS,
}  # fmt: skip
"""What is reported of a pair: its splits and classes, whether the classes differ, and the columns of `fastsim pairs`."""
_Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Between:
    """What two splits have in common, in images. conflicts: pairs whose images are in folders of different classes."""

    left: str
    right: str
    of_left: int
    of_right: int
    pairs: int
    conflicts: int


@dataclass(frozen=True, slots=True)
class Leaks:
    """Pairs of images of different splits, and pairs of one split in different classes.

    split_of: int64[n], the split of each row of `embeddings`; class_of: int64[n], its class in `classes`, -1 for none.
    pairs: of each image, up to 40 in each other split; with verification only those that are copies or undecided.
    """

    splits: tuple[Split, ...]
    files: tuple[MediaFile, ...]
    skipped: tuple[Skipped, ...]
    embeddings: Embeddings
    split_of: Int64Array
    class_of: Int64Array
    classes: tuple[str, ...]
    pairs: VerifiedPairs
    verified: bool
    thres: float
    environment: Environment
    left_out: LeftOut
    timings: Timings = field(default_factory=dict)

    @property
    def counted(self) -> _Flags:
        """bool[k]: the pairs that are copies; without verification all of them."""
        if not self.verified:
            return np.ones(len(self.pairs), np.bool_)
        return np.asarray(self.pairs.status == STATUSES.index(Status.COPY))

    @property
    def crossing(self) -> _Flags:
        """bool[k]: the pairs of different splits."""
        return np.asarray(self.split_of[self.pairs.left] != self.split_of[self.pairs.right])

    @property
    def conflicting(self) -> _Flags:
        """bool[k]: the pairs whose images have different classes."""
        left, right = self.class_of[self.pairs.left], self.class_of[self.pairs.right]
        return np.asarray((left >= 0) & (right >= 0) & (left != right))

    def between(self) -> Iterator[Between]:
        """Yield the counts of every two splits, and of each split with itself, which has conflicting copies only."""
        left, right = self.split_of[self.pairs.left], self.split_of[self.pairs.right]
        for a in range(len(self.splits)):
            for b in range(a, len(self.splits)):
                those = np.flatnonzero(self.counted & (np.minimum(left, right) == a) & (np.maximum(left, right) == b))
                rows = np.unique(np.concatenate([self.pairs.left[those], self.pairs.right[those]]))
                of_left, of_right = (int((self.split_of[rows] == one).sum()) for one in (a, b))
                conflicts = int(self.conflicting[those].sum())
                yield Between(self.splits[a].name, self.splits[b].name, of_left, of_right, len(those), conflicts)

    def leaked(self) -> bool:
        """Whether an image of one split has a copy in another."""
        return bool((self.counted & self.crossing).any())

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield each pair under COLUMNS."""
        told = pair_records(self.pairs, self.embeddings, self.files, verified=self.verified)
        for record, left, right, conflict in zip(
            told, self.pairs.left.tolist(), self.pairs.right.tolist(), self.conflicting.tolist(), strict=True
        ):
            row: dict[str, Any] = {"conflict": conflict}
            for side, at in (("left", left), ("right", right)):
                number = int(self.class_of[at])
                row[f"{side}_split"] = self.splits[int(self.split_of[at])].name
                row[f"{side}_class"] = self.classes[number] if number >= 0 else None
            yield {**row, **record}

    def dropping(self, name: str) -> pipeline.Findings:
        """Return what a plan needs to remove from one split the images that have copies in another.

        Each of them is covered by its best match. Raises UsageError for a split that is not there.
        """
        names = [split.name for split in self.splits]
        if name not in names:
            raise UsageError(f"--drop must be one of {', '.join(map(shown, names))} (got {shown(name)!r})")
        groups = self._groups(names.index(name))
        named = {int(group.ids[0]) for group in groups}
        return pipeline.Findings(
            self.files, self.skipped, self.embeddings, groups, self.environment, self.left_out,
            Sidecars((file.path for file in self.files), pairs=True, sidecars=True),
            dict.fromkeys(named, Reason(f"it is not in {name}", "")), 0, self.timings, self.pairs if self.verified else None,
        )  # fmt: skip

    def _groups(self, drop: int) -> list[Group]:
        """Return a group for each image that stays and covers images of split `drop`, the largest first."""
        pairs, ids = self.pairs, self.embeddings.ids
        wanted = np.flatnonzero(self.counted & self.crossing)
        left_goes = self.split_of[pairs.left[wanted]] == drop
        touched = left_goes | (self.split_of[pairs.right[wanted]] == drop)
        wanted, left_goes = wanted[touched], left_goes[touched]
        goes = np.where(left_goes, pairs.left[wanted], pairs.right[wanted])
        stays = np.where(left_goes, pairs.right[wanted], pairs.left[wanted])
        order = np.lexsort([stays, -pairs.score[wanted], goes])  # of each that goes the best match, then the first row
        first = order[np.unique(goes[order], return_index=True)[1]]
        covered: dict[int, list[tuple[int, float]]] = {}
        for gone, kept, score in zip(goes[first], stays[first], pairs.score[wanted][first], strict=True):
            covered.setdefault(int(ids[kept]), []).append((int(ids[gone]), float(score)))
        groups = [
            Group(
                np.array([kept, *(i for i, _ in gone)], np.int64),
                np.full(1 + len(gone), kept, np.int64),
                np.array([1.0, *(score for _, score in gone)], np.float32),
            )
            for kept, gone in covered.items()
        ]
        return sorted(groups, key=len, reverse=True)


def plan_removal(leaks: Leaks, drop: str, mode: DropMode, *, outs: str, header: Mapping[str, object]) -> Plan:
    """Return a plan that takes from the split `drop` what has copies elsewhere. No file is changed.

    header: what a plan tells of its origin. Raises UsageError for a split that is not there.
    """
    found, way = leaks.dropping(drop), Mode(mode)
    return with_digests(make_plan(
        found.groups, {file.id: file for file in found.files}, mode=way, group_by=GroupBy.COMPONENT, trash=False,
        outs=outs, header={"version": __version__, **header, "mode": way.value, "drop": drop},
        units=settle_units(found, way, GroupBy.COMPONENT).units,
    ))  # fmt: skip
