"""Decide whether two aligned images show the same, by a rule of small decision trees over the agreement of blocks.

A copy agrees everywhere except where something was laid over it (caption, sticker, cut-out), where a translucent layer
adds contrast (watermark), or where fine detail was lost or noise was added all over. Another page, invoice or screen
of one layout disagrees in many places, and there neither of the two has more contrast than the other.

`bench.calibrate` fits the trees (rule.json) to edited images and to look-alikes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsim.records.arrays import Uint8Array
from fastsim.verification.agreement import Blocks
from fastsim.verification.opencv import cv2

CONTRAST = 4.0
"""Standard deviation in grey levels from which on a block has content."""
CLOSE, ROUGH = 0.8, 0.6
"""Correlations from which on a block agrees, and from which on it agrees roughly."""
FEWEST_BLOCKS = 12
"""Blocks with content that a decision needs."""

SIGNS = {
    "inliers": 0, "share": 1, "blocks": 0, "size": 0, "plain": 0, "close": 1, "rough": 1, "weighted": 1, "q05": 1, "q10": 1,
    "q25": 1, "q50": 1, "mutual": 1, "mutual_rough": 1, "patches": 0, "largest": 0, "rest1": 1, "rest2": 1, "sided": 0,
    "grainy": 0, "shade": 1, "mid_weighted": 1, "mid_q10": 1, "mid_q25": 1, "mid_rest1": 1, "soft_weighted": 1, "soft_q05": 1,
    "soft_q10": 1, "soft_q25": 1, "soft_q50": 1, "soft_rest1": 1,
}  # fmt: skip
"""The numbers that the rule looks at, and whether a higher one may only speak for a copy (1) or either way (0).

inliers: logarithm of their number; share: of the matches that are inliers; blocks: logarithm of the number with content;
size: logarithm of the long side compared; plain: see `plainness`. Of the blocks with content, at the finest common
resolution: close, rough: share that agrees; weighted: correlation weighted by contrast; q05 to q50: quantiles of the
correlation; mutual, mutual_rough: share that agrees of the blocks with content in both images; patches: connected areas of
blocks that do not agree, largest: share of all in the largest one, rest1, rest2: share that agrees outside the largest one
and two; sided: how much more often one certain image has more contrast where they do not agree (0: as often, 1: always),
grainy: the same over all blocks; shade: share of even blocks whose brightness follows that of the other image. mid_: the
same of thumbnails, soft_: of thumbnails after a strong blur.
"""
NAMES = tuple(SIGNS)
Evidence = NDArray[np.float64]
"""float64[len(NAMES)]."""


def weigh(fine: Blocks, mid: Blocks, soft: Blocks, known: tuple[float, float, float, float]) -> Evidence:
    """Return float64[len(NAMES)], the evidence of blocks compared at three resolutions.

    fine: at the finest common resolution; mid: as thumbnails; soft: as thumbnails after a strong blur. known: inliers,
    their share, long side, plainness.
    """
    inliers, share, size, plain = known
    content = _content(fine)
    both = np.minimum(fine["left"], fine["right"])
    mutual = content & (both > CONTRAST)
    bad = content & (fine["correlation"] <= CLOSE)
    ratio = np.log((fine["left"] + 2.0) / (fine["right"] + 2.0))
    patches, largest, rest1, rest2 = _patches(bad, content)
    mids, softs = _quantiles(mid), _quantiles(soft)
    return np.array(
        [
            np.log1p(inliers), share, np.log1p(content.sum()), np.log2(max(size, 1.0)), plain,
            _share(fine["correlation"][content] > CLOSE), _share(fine["correlation"][content] > ROUGH), _weighted(fine),
            *_quantiles(fine), _share(fine["correlation"][mutual] > CLOSE), _share(fine["correlation"][mutual] > ROUGH),
            patches, largest, rest1, rest2, _bias(ratio[bad], 0.2), _bias(ratio[content], 0.1), _shade(fine, content, bad),
            _weighted(mid), mids[1], mids[2], _rest(mid), _weighted(soft), *softs, _rest(soft),
        ]
    )  # fmt: skip


class Agreement(NamedTuple):
    """The agreement of two images. blocks: with content; share: of them that agrees."""

    blocks: int
    share: float


def agreement(blocks: Blocks) -> Agreement:
    """Count the blocks with content and those that agree."""
    content = _content(blocks)
    return Agreement(int(content.sum()), _share(blocks["correlation"][content] > CLOSE))


def plainness(picture: Uint8Array) -> float:
    """Return the fraction of the pixels uint8[h, w] within 16 neighbouring tones: high for print and screens."""
    counts = cv2.calcHist([picture], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    total = np.concatenate([[0], np.cumsum(counts)])
    return float((total[16:] - total[:-16]).max() / picture.size)


def _content(blocks: Blocks) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (blocks["seen"] > 0) & (np.maximum(blocks["left"], blocks["right"]) > CONTRAST)
    return found


def _share(truth: NDArray[np.bool_]) -> float:
    return float(truth.mean()) if truth.size else 0.0


def _weighted(blocks: Blocks) -> float:
    seen = blocks[blocks["seen"] > 0]
    weight = seen["left"] * seen["right"]
    return float((weight * seen["correlation"]).sum() / max(float(weight.sum()), 1e-6))


def _quantiles(blocks: Blocks) -> list[float]:
    """Return the 5, 10, 25 and 50 % quantiles of the correlation of blocks with content."""
    values = np.sort(blocks["correlation"][_content(blocks)])
    return [float(values[int(len(values) * q)]) for q in (0.05, 0.1, 0.25, 0.5)] if len(values) else [0.0] * 4


def _patches(bad: NDArray[np.bool_], content: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Measure the connected areas of bad blocks.

    Returns their number, the share of the content in the largest, and the shares that agree outside it and outside the
    largest two.
    """
    total = int(content.sum())
    if not total or not bad.any():
        return 0.0, 0.0, 1.0, 1.0
    count, label, stats, _ = cv2.connectedComponentsWithStats(bad.astype(np.uint8), connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    order = np.argsort(-sizes, kind="stable")[:2] + 1
    first, both = label == order[0], np.isin(label, order)
    return (
        float(count - 1), float(sizes.max() / total), _outside(first, bad, content), _outside(both, bad, content)
    )  # fmt: skip


def _outside(patch: NDArray[np.bool_], bad: NDArray[np.bool_], content: NDArray[np.bool_]) -> float:
    left = content & ~patch
    return float((left & ~bad).sum() / left.sum()) if left.sum() >= FEWEST_BLOCKS else 0.0


def _rest(blocks: Blocks) -> float:
    content = _content(blocks)
    return _patches(content & (blocks["correlation"] <= CLOSE), content)[2]


def _bias(ratio: NDArray[Any], least: float) -> float:
    return abs(float((ratio > least).mean() - (ratio < -least).mean())) if ratio.size else 0.0


def _shade(blocks: Blocks, content: NDArray[np.bool_], bad: NDArray[np.bool_]) -> float:
    """Fit the brightness of one image by that of the other, and return the fraction of even blocks near the curve."""
    even = (blocks["seen"] > 0) & ~content
    firm = (blocks["seen"] > 0) & ~bad
    if even.sum() < 8 or firm.sum() < FEWEST_BLOCKS:
        return 1.0
    left, right = blocks["mean_left"].astype(np.float64) / 255, blocks["mean_right"].astype(np.float64) / 255
    x, y = left[firm], right[firm]
    powers, ridge = np.vander(x, 3, increasing=True), np.diag([0.0, 1e-3, 1e-2])
    keep, curve = np.ones(len(x), np.bool_), np.zeros(3)
    for _ in range(3):
        known = powers[keep]
        curve[:] = np.linalg.solve(known.T @ known + ridge, known.T @ y[keep])
        off = np.abs(powers @ curve - y)
        keep = off <= max(0.012, float(np.median(off)) * 2.5)
    return float((np.abs(np.vander(left[even], 3, increasing=True) @ curve - right[even]) <= 0.016).mean())
