"""What each threshold would give on the stored pairs, and the pairs nearest to one: the data of the threshold screen."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from fastsim.grouping.components import Components
from fastsim.records.pairs import PairBlock
from fastsim.review.groups import codes_of
from fastsim.review.rows import Rows
from fastsim.review.session import Session

_STEP = 0.01
_BORDERLINE = 24
_PER_FILE = 2
"""Borderline pairs of one file: a large group would fill the list."""


class Advice:
    """The threshold screen of a review."""

    def __init__(self, session: Session, rows: Rows) -> None:
        self._session, self._rows = session, rows

    def around(self, at: float) -> dict[str, Any]:
        """Return the curve, the histogram, and the pairs that score nearest to `at`."""
        with self._session.lock:
            return {"at": at, "curve": self._curve, "histogram": self._histogram, "pairs": self._borderline(at)}

    @cached_property
    def _steps(self) -> list[float]:
        floor = float(self._session.found.settings.get("floor", 0.0))
        return [round(value, 4) for value in np.arange(floor, 1.0, _STEP).tolist()]

    @cached_property
    def _histogram(self) -> list[int]:
        """Pairs of each hundredth of score, from the floor on."""
        edges = np.array([*self._steps, self._steps[-1] + _STEP]) if self._steps else np.array([0.0, 1.0])
        return [int(n) for n in np.histogram(np.minimum(self._session.found.score, edges[-1] - 1e-9), edges)[0]]

    @cached_property
    def _curve(self) -> list[list[float]]:
        """[threshold, pairs, groups, files in groups, files in the largest group] of each hundredth."""
        found = self._session.found
        curve: list[list[float]] = []
        components = Components(len(found))
        done = np.zeros(len(found.score), bool)
        for thres in reversed(self._steps):  # downwards, each adds the pairs that the one before lacks
            new = found.usable(thres) & ~done
            done |= new
            components.add(PairBlock(found.left[new], found.right[new], found.score[new]))
            sizes = np.bincount(components.of(), minlength=1) if len(found) else np.zeros(1, np.int64)
            grouped = sizes[sizes > 1]
            curve.append([thres, int(done.sum()), len(grouped), int(grouped.sum()), int(grouped.max(initial=0))])
        return curve[::-1]

    def _borderline(self, at: float) -> list[dict[str, Any]]:
        session = self._session
        found = session.found
        distance = np.abs(found.score - at)
        if session.apart:
            distance = np.where(np.isin(found.codes(), codes_of(session.apart, len(found))), np.inf, distance)
        count: dict[int, int] = {}
        pairs = []
        for place in np.argsort(distance, kind="stable")[: 20 * _BORDERLINE].tolist():
            left, right = int(found.left[place]), int(found.right[place])
            if max(count.get(left, 0), count.get(right, 0)) >= _PER_FILE or not np.isfinite(distance[place]):
                continue
            count[left], count[right] = count.get(left, 0) + 1, count.get(right, 0) + 1
            pairs.append(
                {"score": round(float(found.score[place]), 4), "files": self._rows.row([left, right])["files"]}
            )
            if len(pairs) == _BORDERLINE:
                break
        return sorted(pairs, key=lambda pair: -float(pair["score"]))
