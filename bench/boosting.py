"""Boosted decision trees that may be held to be monotone, in NumPy: small rules from some ten thousand examples.

Gradient boosting on the logistic loss with Newton steps (Friedman 2001; Chen and Guestrin 2016); a number that may only
speak for one class keeps its sign in every tree, as values are bounded by the middle of the two sides above them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 48


@dataclass(frozen=True, slots=True)
class Settings:
    """signs: of each feature, 1 where a higher value may only raise the result; reduction: L2 penalty of a leaf."""

    signs: tuple[int, ...]
    trees: int = 60
    depth: int = 3
    rate: float = 0.15
    reduction: float = 4.0
    least: float = 20.0


@dataclass(frozen=True, slots=True)
class Trees:
    """Complete binary trees: node k has the children 2 k + 1 (feature below the limit) and 2 k + 2.

    feature: int[trees, 2^depth - 1]; limit: float[trees, 2^depth - 1]; value: float[trees, 2^depth].
    """

    bias: float
    feature: NDArray[np.int64]
    limit: Floats
    value: Floats

    def __call__(self, x: Floats) -> Floats:
        """float[n], the logit of each row of x."""
        trees = np.arange(len(self.feature))
        node = np.zeros((len(x), len(self.feature)), np.int64)
        for _ in range(self.value.shape[1].bit_length() - 1):
            node = 2 * node + 1 + (np.take_along_axis(x, self.feature[trees, node], 1) >= self.limit[trees, node])
        return self.bias + self.value[trees, node - self.feature.shape[1]].sum(axis=1)


@dataclass(slots=True)
class _Tree:
    feature: NDArray[np.int64]
    limit: Floats
    value: Floats
    step: Floats
    """What the tree adds to each example."""


def fit(x: Floats, y: NDArray[np.bool_], weight: Floats, settings: Settings) -> Trees:
    """Fit trees to the examples x[n, f] with classes y[n]."""
    edges = [np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1])) for column in x.T]
    bins = np.column_stack([np.searchsorted(edge, column, "right") for edge, column in zip(edges, x.T, strict=True)])
    share = float((weight * y).sum() / weight.sum())
    bias = float(np.log(share / (1 - share)))
    logit, grown = np.full(len(y), bias), []
    for _ in range(settings.trees):
        p = 1 / (1 + np.exp(-logit))
        grow = _Grower(bins, edges, weight * (y - p), weight * p * (1 - p), settings)
        grow.node(0, np.arange(len(y)), (-np.inf, np.inf))
        logit += grow.tree.step
        grown.append(grow.tree)
    return Trees(
        bias,
        np.array([t.feature for t in grown]),
        np.array([t.limit for t in grown]),
        np.array([t.value for t in grown]),
    )


@dataclass(slots=True)
class _Grower:
    bins: NDArray[np.int64]
    edges: list[Floats]
    gradient: Floats
    curvature: Floats
    settings: Settings
    tree: _Tree = field(init=False)

    def __post_init__(self) -> None:
        inner = 2**self.settings.depth - 1
        self.tree = _Tree(
            np.zeros(inner, np.int64), np.full(inner, -np.inf), np.zeros(inner + 1), np.zeros(len(self.gradient))
        )

    def node(self, at: int, rows: NDArray[np.int64], bounds: tuple[float, float]) -> None:
        inner = len(self.tree.feature)
        if at >= inner:
            step = self.settings.rate * float(np.clip(self._best(rows), *bounds))
            self.tree.value[at - inner], self.tree.step[rows] = step, step
            return
        split = self._split(rows, bounds)
        if split is None:  # all go to the right
            self.node(2 * at + 1, rows[:0], bounds)
            self.node(2 * at + 2, rows, bounds)
            return
        feature, bin_, low, high = split
        self.tree.feature[at], self.tree.limit[at] = feature, self.edges[feature][bin_]
        below = self.bins[rows, feature] <= bin_
        sign, middle = self.settings.signs[feature], (low + high) / 2
        self.node(2 * at + 1, rows[below], (bounds[0], middle) if sign else bounds)
        self.node(2 * at + 2, rows[~below], (middle, bounds[1]) if sign else bounds)

    def _best(self, rows: NDArray[np.int64]) -> float:
        return (
            float(self.gradient[rows].sum() / (self.curvature[rows].sum() + self.settings.reduction))
            if len(rows)
            else 0.0
        )

    def _split(self, rows: NDArray[np.int64], bounds: tuple[float, float]) -> tuple[int, int, float, float] | None:
        most, found = 1e-6, None
        g, h = self.gradient[rows], self.curvature[rows]
        for feature, edge in enumerate(self.edges):
            if not len(edge):
                continue
            column = self.bins[rows, feature]
            gl, hl = (np.cumsum(np.bincount(column, part, len(edge) + 1))[:-1] for part in (g, h))
            gr, hr = g.sum() - gl, h.sum() - hl
            low, high = (np.clip(a / (b + self.settings.reduction), *bounds) for a, b in ((gl, hl), (gr, hr)))
            gain = sum(a * v - (b + self.settings.reduction) * v * v / 2 for a, b, v in ((gl, hl, low), (gr, hr, high)))
            gain = gain - abs(float(g.sum())) ** 2 / (float(h.sum()) + self.settings.reduction) / 2
            n = np.cumsum(np.bincount(column, minlength=len(edge) + 1))[:-1]
            bad = (n < self.settings.least) | (len(rows) - n < self.settings.least)
            gain[bad | ((low > high) & bool(self.settings.signs[feature]))] = 0
            k = int(gain.argmax())
            if gain[k] > most:
                most, found = float(gain[k]), (feature, k, float(low[k]), float(high[k]))
        return found
