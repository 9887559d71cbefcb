"""Alignment in time: from pairs of similar frames of two videos to the parts that both show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsim.records import Float32Array

Float64Array = NDArray[np.float64]

_DENSITY = 0.6
"""Of the frames in a common part, how many must have a match there: single frames look alike in any two videos."""
_GAP = 3.5
"""Samples: a longer stretch without a match ends a part."""
_MOST_RUNS = 2000


@dataclass(frozen=True, slots=True)
class Part:
    """Seconds of A (start to end) that match seconds of B. score: mean cosine of the matching frames."""

    a_start: float
    a_end: float
    b_start: float
    b_end: float
    score: float
    frames: int
    """Frames of A that match."""


def align(
    a: Float64Array, b: Float64Array, score: Float32Array, *, every: float, least: float, a_end: float, b_end: float
) -> list[Part]:
    """The parts that two videos have in common, best first, none overlapping another in either video.

    a, b: float64[k], the times in seconds of frames of A and of B that are similar; score: float32[k]. every: seconds from
    sample to sample; least: the shortest part in seconds (of videos that are shorter than that: four fifths of them);
    a_end, b_end: where the videos end.
    """
    least = min(least, 0.8 * min(a_end, b_end))
    runs = _runs(a, b, score, every)
    parts: list[Part] = []
    for a0, a1, b0, b1, mean, count in runs:
        part = Part(
            a0, min(a1 + every, max(a_end, a1)), b0, min(b1 + every, max(b_end, b1)), round(mean, 4), int(count)
        )
        long_enough = min(part.a_end - part.a_start, part.b_end - part.b_start) >= least
        if long_enough and not any(_overlap(part, other) for other in parts):
            parts.append(part)
    return parts


def _runs(a: Float64Array, b: Float64Array, score: Float32Array, every: float) -> list[tuple[float, ...]]:
    """Runs of matches with one offset, dense enough: (first and last time in A, in B, mean score, frames), best first.

    An offset between two samples falls on either side of it, so that each band is two samples wide, and bands overlap.
    """
    if not len(a):
        return []
    band = np.floor((b - a) / every + 0.5).astype(np.int64)
    order = np.concatenate([np.arange(len(a)), np.arange(len(a))])
    band = np.concatenate([band, band - 1])
    by = np.lexsort((a[order], band))
    order, band = order[by], band[by]
    at, bt, value = a[order], b[order], score[order].astype(np.float64)
    starts = np.flatnonzero(np.r_[True, (np.diff(band) != 0) | (np.diff(at) > _GAP * every)])
    new = np.r_[True, np.diff(at) > 0]
    new[starts] = True
    # Of several matches of one frame the best counts.
    firsts = np.flatnonzero(new)
    best, place = np.maximum.reduceat(value, firsts), np.searchsorted(firsts, starts)
    total, count = np.add.reduceat(best, place), np.add.reduceat(np.ones(len(best)), place)
    a0, a1 = np.minimum.reduceat(at, starts), np.maximum.reduceat(at, starts)
    b0, b1 = np.minimum.reduceat(bt, starts), np.maximum.reduceat(bt, starts)
    dense = count >= _DENSITY * ((a1 - a0) / every + 1)
    good = np.flatnonzero(dense)
    good = good[np.argsort(-total[good], kind="stable")][:_MOST_RUNS]
    columns = (a0, a1, b0, b1, total / count, count)
    return [tuple(float(column[i]) for column in columns) for i in good]


def _overlap(one: Part, other: Part) -> bool:
    """They share more than a fifth of the shorter one, in A or in B: a still scene fits at many offsets."""
    in_a = min(one.a_end, other.a_end) - max(one.a_start, other.a_start)
    in_b = min(one.b_end, other.b_end) - max(one.b_start, other.b_start)
    return in_a > 0.2 * min(one.a_end - one.a_start, other.a_end - other.a_start) or in_b > 0.2 * min(
        one.b_end - one.b_start, other.b_end - other.b_start
    )
