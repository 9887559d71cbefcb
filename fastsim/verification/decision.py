"""Whether two aligned pictures show the same: a rule on the agreement of blocks, set by hand on edited pictures and on drawn
look-alikes; `bench/verify.py` prints what it confirms of others.

A copy agrees everywhere except where something was laid over it (caption, sticker, cut-out), where a translucent layer
adds contrast (watermark), or where fine detail was lost or noise was added all over. Another page, invoice or screen of
one layout disagrees in many places, and there neither of the two has more contrast than the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsim.records import Uint8Array
from fastsim.verification.agreement import Blocks
from fastsim.verification.opencv import cv2

CONTRAST = 4.0
"""Standard deviation in grey levels from which on a block has content."""
CLOSE, ROUGH = 0.8, 0.6
"""Correlations from which on a block agrees, and from which on it agrees roughly."""
FEWEST_BLOCKS = 12
"""Blocks with content that a decision needs."""
FEW_INLIERS = 12
"""With fewer inliers, only pictures that agree everywhere are copies."""
PLAIN = 0.4
"""Share of one tone from which on a picture may be print or a screen, where scattered differences are another text."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a comparison of blocks says. Shares are 0 to 1.

    blocks: with content; close, rough: share of them that agrees; soft: the same after a strong blur; mutual: share of the
    blocks with content in both pictures that agrees, and mutual_blocks: their number; patches: connected areas of blocks
    that do not agree, and in_two: share of these blocks in the two largest areas; sided: how much more often one certain
    picture has more contrast there than the other (0: as often, 1: always); grainy: the same over all blocks with content;
    shade: share of even blocks whose brightness follows that of the other picture; plain: share of pixels of one tone, as
    paper has it, in the picture that has fewer.
    """

    inliers: int
    blocks: int
    close: float
    rough: float
    soft: float
    mutual: float
    mutual_blocks: int
    patches: int
    in_two: float
    sided: float
    grainy: float
    shade: float
    plain: float


def weigh(fine: Blocks, soft: Blocks, inliers: int, plain: float) -> Evidence:
    """Summarise blocks compared at the finest common resolution, and thumbnails compared after a strong blur."""
    content = _content(fine)
    mutual = content & (np.minimum(fine["left"], fine["right"]) > CONTRAST)
    bad = content & (fine["correlation"] <= CLOSE)
    patches, in_two = _patches(bad)
    ratio = np.log((fine["left"] + 2.0) / (fine["right"] + 2.0))
    return Evidence(
        inliers=inliers, blocks=int(content.sum()),
        close=_share(fine["correlation"][content] > CLOSE), rough=_share(fine["correlation"][content] > ROUGH),
        soft=_share(soft["correlation"][_content(soft)] > CLOSE), mutual=_share(fine["correlation"][mutual] > CLOSE),
        mutual_blocks=int(mutual.sum()), patches=patches, in_two=in_two, sided=_bias(ratio[bad], 0.2),
        grainy=_bias(ratio[content], 0.1), shade=_shade(fine, content, bad), plain=plain,
    )  # fmt: skip


def is_copy(e: Evidence) -> bool:
    """Return whether the evidence is that of a copy."""
    clean = e.close >= 0.9 and e.rough >= 0.98
    if e.blocks < FEWEST_BLOCKS or (e.inliers < FEW_INLIERS and not clean) or (e.shade < 0.3 and e.close < 0.95):
        return False
    photo, compact = e.plain < PLAIN, e.patches <= 2 and e.in_two > 0.98
    patched = compact and e.close >= 0.72 and e.soft >= 0.7
    covered = compact and e.sided >= 0.95 and e.mutual >= 0.9 and e.mutual_blocks >= FEWEST_BLOCKS
    marked = e.sided >= 0.75 and e.close >= 0.4 and e.soft >= 0.5 and e.patches <= 12
    degraded = e.soft >= 0.9 and ((e.grainy >= 0.7 and e.rough >= 0.12) or (e.sided >= 0.3 and e.rough >= 0.97))
    edited = photo and e.close >= 0.8 and e.rough >= 0.9 and e.soft >= 0.85
    noisy = photo and e.sided >= 0.7 and e.rough >= 0.65 and e.soft >= 0.88
    coarse = photo and e.close >= 0.6 and e.rough >= 0.85 and e.soft >= 0.96
    return clean or patched or covered or marked or degraded or edited or noisy or coarse


def plainness(picture: Uint8Array) -> float:
    """Return the share of the pixels uint8[h, w] that lies within 16 neighbouring tones: high for print and screens."""
    counts = np.bincount(picture.ravel(), minlength=256)
    return float(np.convolve(counts, np.ones(16, np.int64)).max() / picture.size)


def _content(blocks: Blocks) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (blocks["seen"] > 0) & (np.maximum(blocks["left"], blocks["right"]) > CONTRAST)
    return found


def _share(truth: NDArray[np.bool_]) -> float:
    return float(truth.mean()) if truth.size else 0.0


def _patches(bad: NDArray[np.bool_]) -> tuple[int, float]:
    if not bad.any():
        return 0, 1.0
    count, _, stats, _ = cv2.connectedComponentsWithStats(bad.astype(np.uint8), connectivity=8)
    sizes = np.sort(stats[1:, cv2.CC_STAT_AREA])
    return int(count) - 1, float(sizes[-2:].sum() / sizes.sum())


def _bias(ratio: NDArray[Any], least: float) -> float:
    return abs(float((ratio > least).mean() - (ratio < -least).mean())) if ratio.size else 0.0


def _shade(blocks: Blocks, content: NDArray[np.bool_], bad: NDArray[np.bool_]) -> float:
    """Fit the brightness of one picture by that of the other, and return the share of even blocks near the curve."""
    even = (blocks["seen"] > 0) & ~content
    firm = (blocks["seen"] > 0) & ~bad
    if even.sum() < 8 or firm.sum() < FEWEST_BLOCKS:
        return 1.0
    left, right = blocks["mean_left"].astype(np.float64) / 255, blocks["mean_right"].astype(np.float64) / 255
    x, y = left[firm], right[firm]
    keep = np.ones(len(x), np.bool_)
    curve = np.poly1d([0.0])
    for _ in range(3):
        spread = np.ptp(x[keep])
        curve = np.poly1d(np.polyfit(x[keep], y[keep], 2 if spread > 0.25 else 1 if spread > 0.04 else 0))
        off = np.abs(curve(x) - y)
        keep = off <= max(0.012, float(np.median(off)) * 2.5)
    return float((np.abs(curve(left[even]) - right[even]) <= 0.016).mean())
