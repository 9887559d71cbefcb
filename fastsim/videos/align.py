"""Align videos in time: from pairs of similar frames of two videos to the parts that both show.

Two thresholds: frames that are certainly similar show which offsets in time are worth checking, and along such an
offset frames that are merely alike count too. In two samplings of moving images, few samples fall on the same moment.
The mean over a part must still reach the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastsim.records.arrays import Float32Array, Int64Array

Float64Array = NDArray[np.float64]

WEAKER = 0.25
"""How much less similar than --thres the frames of a part may be, and at least WEAKEST."""
WEAKEST = 0.5
_DENSITY = 0.8
"""Fraction of the frames in a part that must be alike."""
_SURE = 0.2
"""Fraction of the frames in a part that must be certainly similar."""
_EQUAL = 1 - 1e-6
"""Equal frames have a cosine of 1 within rounding."""
_GAP = 3.5
"""Samples: a longer stretch of other frames ends a part."""
_MOST_OFFSETS = 64


@dataclass(frozen=True, slots=True)
class Track:
    """The sampled frames of a video.

    times: float64[n], seconds, ascending; rows: float32[n, d], unit; end: its length.
    """

    times: Float64Array
    rows: Float32Array
    end: float


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


def align(a: Track, b: Track, i: Int64Array, j: Int64Array, *, every: float, least: float, thres: float) -> list[Part]:
    """Return the parts that two videos have in common, best first, none overlapping another in either video.

    i, j: int64[k], frames of A and of B that are similar (score >= thres). every: seconds between samples; least: the
    shortest part in seconds (of videos that are shorter than that: four fifths of the shorter one).
    """
    least = min(least, 0.8 * min(a.end, b.end))
    found: list[Part] = []
    for offset in _offsets(a.times[i], b.times[j], i, every):
        found += _along(a, b, offset, every=every, thres=thres)
    found.sort(key=lambda part: (-part.frames * part.score, part.a_start, part.b_start))
    parts: list[Part] = []
    for part in found:
        long_enough = min(part.a_end - part.a_start, part.b_end - part.b_start) >= least - 1e-6
        if long_enough and not any(_overlap(part, other) for other in parts):
            parts.append(part)
    return parts


def _offsets(at: Float64Array, bt: Float64Array, i: Int64Array, every: float) -> list[float]:
    """Return the offsets (seconds, B minus A) with the most frames of A that have a match there, the best first.

    An offset between two samples falls on either side of it, so each band is two samples wide, and bands overlap.
    """
    offset = bt - at
    band = np.floor(offset / every + 0.5).astype(np.int64)
    band, frame = np.concatenate([band, band - 1]), np.concatenate([i, i])
    offset = np.concatenate([offset, offset])
    order = np.lexsort((frame, band))
    band, frame, offset = band[order], frame[order], offset[order]
    new = np.r_[True, (np.diff(band) != 0) | (np.diff(frame) != 0)] if len(band) else np.empty(0, bool)
    starts = np.flatnonzero(np.r_[True, np.diff(band) != 0]) if len(band) else np.empty(0, np.int64)
    if not len(starts):
        return []
    count = np.add.reduceat(new.astype(np.int64), starts)
    best = np.argsort(-count, kind="stable")[:_MOST_OFFSETS]
    ends = np.r_[starts[1:], len(band)]
    return [float(np.median(offset[starts[k] : ends[k]])) for k in best]


def _along(a: Track, b: Track, offset: float, *, every: float, thres: float) -> list[Part]:
    """Return the parts at one offset."""
    score, other = _profile(a, b, offset, every)
    alike = np.flatnonzero(score >= max(min(WEAKEST, thres), thres - WEAKER))
    if not len(alike):
        return []
    parts = []
    for run in np.split(alike, np.flatnonzero(np.diff(a.times[alike]) > _GAP * every) + 1):
        run = _without_ends(run, other)  # noqa: PLW2901
        first, last = run[0], run[-1]
        enough = len(run) >= _DENSITY * (last - first + 1)
        sure = int((score[run] >= thres).sum())
        sure_enough = sure >= max(2 if len(a.times) > 1 else 1, _SURE * len(run))
        if enough and sure_enough and float(score[run].mean()) >= min(thres, _EQUAL):
            begin, end = float(a.times[first]), float(a.times[last])
            b_begin, b_end = float(b.times[other[first]]), float(b.times[other[last]])
            parts.append(
                Part(
                    begin, min(end + every, max(a.end, end)), b_begin, min(b_end + every, max(b.end, b_end)),
                    round(float(score[run].mean()), 4), len(run),
                )
            )  # fmt: skip
    return parts


def _profile(a: Track, b: Track, offset: float, every: float) -> tuple[Float32Array, Int64Array]:
    """Return for each frame of A the best score with frames of B within one sample of `offset`, and that frame."""
    low = np.searchsorted(b.times, a.times + offset - 1.01 * every)
    high = np.searchsorted(b.times, a.times + offset + 1.01 * every)
    score, other = np.full(len(a.times), -1, np.float32), np.zeros(len(a.times), np.int64)
    for step in range(int((high - low).max(initial=0))):
        at = np.flatnonzero(low + step < high)
        place = low[at] + step
        new = np.einsum("ij,ij->i", a.rows[at], b.rows[place])
        better = new > score[at]
        score[at[better]], other[at[better]] = new[better], place[better]
    return score, other


def _without_ends(run: Int64Array, other: Int64Array) -> Int64Array:
    """Drop frames of A beyond the ends of B: several that all match the outermost frame of B."""
    start, stop = 0, len(run)
    while stop - start > 1 and other[run[start]] == other[run[start + 1]]:
        start += 1
    while stop - start > 1 and other[run[stop - 1]] == other[run[stop - 2]]:
        stop -= 1
    return run[start:stop]


def _overlap(one: Part, other: Part) -> bool:
    """Return whether they share more than a fifth of the shorter one, in A or in B.

    A still scene fits at many offsets.
    """
    in_a = min(one.a_end, other.a_end) - max(one.a_start, other.a_start)
    in_b = min(one.b_end, other.b_end) - max(one.b_start, other.b_start)
    return in_a > 0.2 * min(one.a_end - one.a_start, other.a_end - other.a_start) or in_b > 0.2 * min(
        one.b_end - one.b_start, other.b_end - other.b_start
    )
