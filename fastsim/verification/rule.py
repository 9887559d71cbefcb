"""Apply the rule that decides on evidence: boosted trees of depth 3 (rule.json), which `bench.calibrate` fits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from fastsim.verification.decision import FEWEST_BLOCKS, NAMES, Evidence

LARGE = 448
"""Long side in pixels, of the smaller of two images, from which on the rule is stricter."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Complete binary trees: node k has the children 2 k + 1 (if the number is below the limit) and 2 k + 2.

    feature: int64[trees, 7], places in NAMES; limit: float64[trees, 7]; value: float64[trees, 8]. A pair whose values
    and `bias` add up to `least` is a copy; `more` is added to `least` if images were compared at LARGE pixels or more.
    """

    bias: float
    least: float
    more: float
    feature: NDArray[np.int64]
    limit: NDArray[np.float64]
    value: NDArray[np.float64]

    def score(self, evidence: Evidence) -> float:
        """Return the logit of a copy, less `least`."""
        inner = self.feature.shape[1]
        trees, node = np.arange(len(self.feature)), np.zeros(len(self.feature), np.int64)
        while node[0] < inner:
            node = 2 * node + 1 + (evidence[self.feature[trees, node]] >= self.limit[trees, node])
        least = self.least + (self.more if evidence[NAMES.index("size")] >= np.log2(LARGE) else 0.0)
        return self.bias + float(self.value[trees, node - inner].sum()) - least


@cache
def load() -> Rule:
    """Load the rule of this package."""
    text = files("fastsim.verification").joinpath("rule.json").read_text(encoding="utf-8")
    return read(text)


def read(text: str) -> Rule:
    """Read a rule from JSON. Raises ValueError if it is of other numbers than NAMES."""
    known = json.loads(text)
    if tuple(known["names"]) != NAMES:
        raise ValueError("rule.json: its numbers are not those of decision.NAMES; run bench.calibrate")
    return Rule(
        known["bias"], known["least"], known["more"], np.array(known["feature"], np.int64),
        np.array([[-np.inf if limit is None else limit for limit in tree] for tree in known["limit"]], np.float64),
        np.array(known["value"], np.float64),
    )  # fmt: skip


def is_copy(evidence: Evidence) -> bool:
    """Return whether the evidence is that of a copy."""
    enough = evidence[NAMES.index("blocks")] >= np.log1p(FEWEST_BLOCKS)
    return bool(enough) and load().score(evidence) >= 0
