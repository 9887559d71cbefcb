"""Pairs that are confirmed, not only ranked: fastsim --verify, and SIFT with RANSAC on the same candidates."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import fastsim
from bench.edits import EDITS, EXTREME
from bench.evaluation import EvaluationSet

PRECISION = 0.999
SIFT_FEATURES, SIFT_SIDE, SIFT_RATIO, SIFT_OFF = 300, 256, 0.8, 3.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """Pairs left[i], right[i] with a value each: those of at least `least` are confirmed."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    least: float


def by_fastsim(paths: list[Path], model: Path | None, size: int | None) -> Ranked:
    """Verify the candidates of `fastsim pairs --verify`; a copy has the value 1."""
    row = {str(path.absolute()): i for i, path in enumerate(paths)}
    found = fastsim.find_pairs(paths, model=None if model is None else str(model), size=size, cache=None)
    pairs = np.array([sorted((row[one["left"]], row[one["right"]])) for one in found], np.int64).reshape(-1, 2)
    copies = np.array([one["status"] == "copy" for one in found], np.float64)
    return Ranked(pairs[:, 0], pairs[:, 1], copies, 1.0)


def by_sift(paths: list[Path], candidates: Ranked, data: EvaluationSet, same: set[tuple[int, int]]) -> Ranked:
    """Count RANSAC's inliers of SIFT matches (OpenCV); the number that reaches PRECISION here is the least: to its favour."""
    sift, matcher = cv2.SIFT.create(SIFT_FEATURES), cv2.BFMatcher()

    def describe(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        factor = SIFT_SIDE / max(grey.shape)
        grey = cv2.resize(
            grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        )
        points, rows = sift.detectAndCompute(grey, None)
        return np.array([point.pt for point in points], np.float32), rows

    with ThreadPoolExecutor() as pool:
        known = list(pool.map(describe, paths))

        def inliers(pair: tuple[int, int]) -> int:
            (a, left), (b, right) = known[pair[0]], known[pair[1]]
            if left is None or right is None or len(right) < 2:
                return 0
            near = [two for two in matcher.knnMatch(left, right, 2) if len(two) == 2]
            good = [first for first, second in near if first.distance < SIFT_RATIO * second.distance]
            if len(good) < 3:
                return 0
            places = a[[m.queryIdx for m in good]], b[[m.trainIdx for m in good]]
            _, mask = cv2.estimateAffinePartial2D(*places, method=cv2.RANSAC, ransacReprojThreshold=SIFT_OFF)
            return 0 if mask is None else int(mask.sum())

        pairs = zip(candidates.left.tolist(), candidates.right.tolist(), strict=True)
        value = np.array(list(pool.map(inliers, pairs)), np.float64)
    ranked = Ranked(candidates.left, candidates.right, value, 1.0)
    counted, true = _truth(ranked, data, same)
    order = np.argsort(-value[counted], kind="stable")
    levels, good = value[counted][order], np.cumsum(true[counted][order])
    ends = np.flatnonzero(np.append(np.diff(levels) != 0, True))
    fit = [levels[end] for end in ends if good[end] >= PRECISION * (end + 1)]
    return Ranked(candidates.left, candidates.right, value, max(3.0, float(fit[-1])) if fit else np.inf)


def measure(ranked: Ranked, data: EvaluationSet, same: set[tuple[int, int]]) -> dict[str, Any]:
    """Return precision and recall of the confirmed pairs, over all pairs of versions and, by edit, of originals and copies."""
    counted, true = _truth(ranked, data, same)
    kind = np.array(data.kind)
    edit = np.where(
        kind[ranked.left] == "", kind[ranked.right], np.where(kind[ranked.right] == "", kind[ranked.left], "")
    )
    confirmed = counted & (ranked.value >= ranked.least)
    versions = np.bincount(data.base)
    pairs = int((versions * (versions - 1) // 2).sum())
    result: dict[str, Any] = {
        "least": ranked.least, "confirmed": int(confirmed.sum()), "false": int((confirmed & ~true).sum()),
        "precision": float(true[confirmed].mean()) if confirmed.any() else 1.0,
        "recall": float((confirmed & true).sum() / pairs), "candidates": float((counted & true).sum() / pairs), "edits": {},
    }  # fmt: skip
    for name in EDITS:
        of_all = int((kind == name).sum())
        if of_all:
            mine = true & (edit == name)
            result["edits"][name] = {
                "confirmed": float((mine & confirmed).sum() / of_all), "candidates": float(mine.sum() / of_all),
            }  # fmt: skip
    return result | originals(result["edits"], "confirmed")


def originals(edits: dict[str, dict[str, float]], key: str) -> dict[str, float]:
    """Return the recall of originals and copies: over all edits, and without the extreme ones."""
    usual = [one[key] for name, one in edits.items() if name not in EXTREME]
    every = [one[key] for one in edits.values()]
    return {"originals": float(np.mean(every)), "originals_usual": float(np.mean(usual))}


def _truth(
    ranked: Ranked, data: EvaluationSet, same: set[tuple[int, int]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which pairs count, and which of them are of two versions of one picture."""
    bases = np.sort(np.column_stack([data.base[ranked.left], data.base[ranked.right]]), axis=1)
    alike = {(min(pair), max(pair)) for pair in same}
    counted = np.array([tuple(pair) not in alike for pair in bases.tolist()], np.bool_)
    return counted, bases[:, 0] == bases[:, 1]


def table(scored: dict[str, dict[str, Any]], confirmed: dict[str, dict[str, Any]]) -> str:
    """Format what each way finds at PRECISION or, where it confirms, at its own: recall of all pairs and of each edit."""
    lines = [("recall", *scored, *confirmed)]
    plain = [{"recall": r["recall_at_precision"][str(PRECISION)], "precision": PRECISION} | originals(r["edits"], "at_p999")
             for r in scored.values()]  # fmt: skip
    for key in ("precision", "recall", "originals", "originals_usual"):
        values = [*(r[key] for r in plain), *(r[key] for r in confirmed.values())]
        title = {"recall": "all pairs", "originals": "originals and copies", "originals_usual": "without extreme edits"}
        lines.append((title.get(key, key), *(f"{value:.4f}" for value in values)))
    for name, (strength, _) in EDITS.items():
        values = [*(r["edits"][name]["at_p999"] for r in scored.values()),
                  *(r["edits"][name]["confirmed"] for r in confirmed.values())]  # fmt: skip
        lines.append((f"{'extreme' if name in EXTREME else strength}: {name}", *(f"{value:.3f}" for value in values)))
    width = [max(len(line[c]) for line in lines) for c in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width[c]) if c == 0 else cell.rjust(width[c]) for c, cell in enumerate(line))
        for line in lines
    )
