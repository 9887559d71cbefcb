"""Scale values of more than 8 bits to the 8 that the network takes, by the range that an image uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastsim.records.arrays import Uint8Array

Values = np.ndarray[Any, Any]

_FULL = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""White of sensors and scanners with 8 to 16 bits."""
_FULL_FLOAT = (1.0, 255.0, 65535.0)
_WIDE = 1 / 4
"""An image that uses this fraction of a usual range is shown in that range, as its 8-bit copy is. Images that use less
would look alike to the network, whatever they show.
"""
_STEPS = (257, 256)
"""Steps between 16-bit values that were made from bytes."""
_NO_DATA = frozenset((-9999.0, -99999.0, -999.0, -32768.0, -32767.0, 32767.0, 65535.0, 9999.0, 99999.0, 1e20, -1e20))
_HUGE = 1e30
"""Larger floats are marks, not measurements (3.4e38 is the usual one)."""
_RARE = 1e-3
"""Fraction of the pixels: dead and hot ones of a sensor."""
_SHADES = 16
_SAMPLES = 1 << 22
_BAND = 1 << 20
"""Values converted at a time."""


def to_8_bits(values: Values, no_data: Sequence[float] = ()) -> Uint8Array:
    """Scale [h, w] or [h, w, c] of any type to uint8.

    Bytes stay as they are, also if they were stored in a wider type. Other values are scaled by a usual white (of 8 to
    16 bits; 1 for floats) if the image uses a quarter of that range, else by the range that it uses. Values that mean
    "no data" (`no_data`, NaN, infinities, marks far outside all others) are left out of the range.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    low, high = used_range(values, no_data)
    out = np.empty(values.shape, np.uint8)
    rows = max(1, _BAND // max(1, values[:1].size))
    factor = 255.0 / max(high - low, 1e-30)
    for at in range(0, len(values), rows):
        band = values[at : at + rows].astype(np.float64)
        good = np.isfinite(band) & (np.abs(band) < _HUGE)
        for mark in no_data:
            good &= band != mark
        scaled = np.clip((np.where(good, band, low) - low) * factor, 0.0, 255.0)
        out[at : at + rows] = (scaled + 0.5).astype(np.uint8)
    return out


def used_range(values: Values, no_data: Sequence[float] = ()) -> tuple[float, float]:
    """Return the values that become black and white."""
    used = _measured(values, no_data)
    if not len(used):
        return 0.0, 1.0
    low, high = float(used[0]), float(used[-1])
    if low >= 0 and (white := _white_of_bytes(used, values.dtype.kind)):
        return 0.0, white
    for full in _FULL_FLOAT if values.dtype.kind == "f" else _FULL:
        if low >= 0 and high <= full * 1.02:
            return (0.0, full) if high - low >= full * _WIDE else (low, high)
    return low, high


def _white_of_bytes(used: Values, kind: str) -> float:
    """Return the value of white if all values were bytes before, else 0."""
    if kind == "f":
        return 1.0 if used[-1] <= 1.0 and np.abs(used * 255.0 - np.rint(used * 255.0)).max() < 1e-3 else 0.0
    return next((255.0 * step for step in _STEPS if used[-1] >= step and not (used % step).any()), 0.0)


def _measured(values: Values, no_data: Sequence[float]) -> Values:
    """Return the distinct measured values, ascending."""
    step = max(1, int((values.shape[0] * values.shape[1] / _SAMPLES) ** 0.5))
    found, counts = np.unique(values[::step, ::step], return_counts=True)
    different, part = found.astype(np.float64), counts / max(1, counts.sum())
    good = np.isfinite(different) & (np.abs(different) < _HUGE) & ~np.isin(different, np.array(no_data, np.float64))
    different, part = different[good], part[good]
    for _ in range(4):
        if len(different) < 3:
            break
        if _is_mark(different, float(part[0])):
            different, part = different[1:], part[1:]
        elif _is_mark(-different[::-1], float(part[-1])):
            different, part = different[:-1], part[:-1]
        else:
            break
    return different


def _is_mark(ascending: Values, part: float) -> bool:
    """Return whether the first value, which a fraction `part` of the pixels has, is a mark and not a measurement.

    It is one if it is farther from the second value than that is from the last, and either rare, or a usual mark, or
    followed by too many others for a drawing in a few shades.
    """
    first, second, last = ascending[0], ascending[1], ascending[-1]
    known = abs(float(first)) in {abs(mark) for mark in _NO_DATA}
    return bool(second - first > last - second and (known or part < _RARE or len(ascending) > _SHADES))
