"""Rank all files by the keep rules, and find the rule that put a file before another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastsim.grouping.keep_rules import RULES, Candidates
from fastsim.grouping.keep_words import KeepRule, KeepRules
from fastsim.records.arrays import Int64Array
from fastsim.records.pairs import Group

_FIRST = ("intact", "reference", "live", "raw")
"""Rules that precede all others, unless they are named among them."""
_TIES = (
    KeepRule("largest"), KeepRule("resolution"), KeepRule("name", "original"), KeepRule("oldest"),
    KeepRule("shortest-path"), KeepRule("path"),
)  # fmt: skip
"""Rules that decide between files that the chosen rules leave equal, in this order."""

REASONS = {
    "intact": "intact, and the others are damaged",
    "reference": "it is in a reference folder",
    "live": "not in a folder of the system",
    "raw": "it has its RAW file",
    "largest": "most bytes",
    "resolution": "most pixels",
    "uncropped": "the others are crops of it",
    "format": "preferred format",
    "exif": "most EXIF: date, position, camera",
    "sharp": "sharpest",
    "folder": "in a preferred folder",
    "newest": "newest",
    "oldest": "oldest",
    "name": "name of the original",
    "shortest-path": "shortest path",
    "path": "first by path",
}
"""Why a file is kept, by the name of the rule that decided."""


class Reason(NamedTuple):
    """Why a file is kept, in words, and the rule that decided, as it is typed."""

    words: str
    rule: str


NO_REASON = Reason("", "")
ALONE = Reason("similar to no other file that stays", "")
"""Why a keeper is kept for which no file is removed."""


@dataclass(frozen=True, slots=True)
class KeepOrder:
    """An order of n files without ties.

    rank: int64[n], a permutation, 0 is kept before all others; rules: what decided, (rule, int64[n]), first to last.
    """

    rank: Int64Array
    rules: tuple[tuple[KeepRule, Int64Array], ...]

    def decided(self, kept: int, other: int) -> KeepRule:
        """Return the rule that puts row `kept` before row `other`."""
        return next(rule for rule, keys in self.rules if keys[kept] != keys[other])


def keep_order(found: Candidates, rules: KeepRules) -> KeepOrder:
    """Rank files by `rules`.

    Whatever the rules, an intact file comes before a damaged one, a file of a reference folder before all others, a
    file outside of trash, snapshot and thumbnail folders before one inside, and one that has the RAW file of its shot
    before one that has none; a rule of these that is named in `rules` has its place there instead.
    """
    first = {
        "intact": found.damaged, "reference": found.references, "live": found.in_system, "raw": found.with_raw
    }  # fmt: skip
    order = [KeepRule(name) for name in _FIRST if first[name] and not rules.asks_for(name)]
    order += rules.rules
    if not rules.asks_for("path"):
        order += [rule for rule in _TIES if rule not in rules.rules]
    keys = tuple((rule, RULES[rule.name](found, rule.value)) for rule in order)
    rank = np.empty(len(found.files), np.int64)
    rank[np.lexsort([key for _, key in reversed(keys)])] = np.arange(len(found.files))
    return KeepOrder(rank, keys)


def reasons(groups: Sequence[Group], row_of: dict[int, int], order: KeepOrder) -> dict[int, Reason]:
    """Return why each keeper of `groups` is kept, by id: the rule that puts it before the best file that it covers.

    row_of: the row in `order` of each id.
    """
    found: dict[int, Reason] = {}
    for group in groups:
        for member, keeper, _ in group.members():  # keepers first, then the others, each part in keep order
            if member == keeper:
                found[keeper] = ALONE
            elif found[keeper] == ALONE:
                found[keeper] = _reason(order.decided(row_of[keeper], row_of[member]))
    return found


def _reason(rule: KeepRule) -> Reason:
    value = f" ({rule})" if rule.name in ("format", "folder") else ""
    return Reason(REASONS[rule.name] + value, str(rule))
