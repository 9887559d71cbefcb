"""Score true and false pairs, and compute the figures of the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.edits import EDITS
from bench.evaluation import EvaluationSet
from bench.features import Vectors

THRESHOLDS = (0.75, 0.85, 0.9, 0.95)
PRECISIONS = (0.9, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of true and false pairs.

    true: float32[k] of true pairs, with kinds [k] (the edit's name for pairs of an original and an edit, else "");
    false: float32[m], ascending, of all counted false pairs.
    """

    true: Vectors
    kinds: NDArray[np.str_]
    false: Vectors


def score_pairs(vectors: Vectors, data: EvaluationSet, same: set[tuple[int, int]]) -> Scores:
    n = len(vectors)
    kind = np.array(data.kind)
    alike = np.zeros((len(data.names),) * 2, bool)
    for a, b in same:
        alike[a, b] = alike[b, a] = True
    true, kinds, false = [], [], []
    for i in range(n - 1):
        scores = vectors[i + 1 :] @ vectors[i]
        mine = data.base[i + 1 :] == data.base[i]
        true.append(scores[mine])
        kinds.append(kind[i + 1 :][mine] if not kind[i] else np.full(mine.sum(), "", kind.dtype))
        false.append(scores[~(mine | alike[data.base[i], data.base[i + 1 :]])])
    return Scores(np.concatenate(true), np.concatenate(kinds), np.sort(np.concatenate(false)))


def measure(scores: Scores) -> dict[str, Any]:
    """Every figure of the table, by name."""
    true = np.sort(scores.true)[::-1]
    false_above = len(scores.false) - np.searchsorted(scores.false, true, "left")
    rank = np.arange(1, len(true) + 1)
    precision = rank / (rank + false_above)
    result: dict[str, Any] = {
        "pairs": {"true": len(true), "false": len(scores.false)},
        "micro_ap": float(precision.mean()),
    }
    result["recall_at_precision"] = {str(p): float(rank[precision >= p].max(initial=0) / len(true)) for p in PRECISIONS}
    floor = {p: true[rank[precision >= p].max(initial=1) - 1] for p in PRECISIONS}
    result["thresholds"] = {}
    for t in THRESHOLDS:
        found, wrong = int((scores.true >= t).sum()), len(scores.false) - int(np.searchsorted(scores.false, t, "left"))
        result["thresholds"][str(t)] = {
            "precision": found / max(1, found + wrong),
            "recall": found / len(true),
            "false_rate": wrong / max(1, len(scores.false)),
        } | {
            f"recall_{strength}": float((scores.true[np.isin(scores.kinds, names)] >= t).mean())
            for strength in ("light", "middle", "strong")
            if (names := [name for name, (s, _) in EDITS.items() if s == strength])
            and np.isin(scores.kinds, names).any()
        }
    result["edits"] = {}
    for name in EDITS:
        mine = scores.true[scores.kinds == name]
        if len(mine):
            result["edits"][name] = {"mean": float(mine.mean()), "at_p999": float((mine >= floor[0.999]).mean())}
            result["edits"][name] |= {str(t): float((mine >= t).mean()) for t in THRESHOLDS}
    return result


def measure_small(vectors: Vectors, data: EvaluationSet) -> dict[str, float]:
    scores = score_pairs(vectors, data, set())
    return {
        "true_at_0.85": float((scores.true >= 0.85).mean()),
        "true_mean": float(scores.true.mean()),
        "false_at_0.75": float((scores.false >= 0.75).mean()),
        "false_at_0.85": float((scores.false >= 0.85).mean()),
    }
