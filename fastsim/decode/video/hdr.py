"""Convert high dynamic range to standard: PQ and HLG signals of BT.2020 to BT.709, as a player does.

Sources: ITU-R BT.2100 (PQ, HLG), BT.2390 (compression of highlights), BT.2087 (BT.2020 to BT.709), BT.1886 (display).
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsim.records.arrays import Float32Array, Uint8Array

_DIM, _BRIGHT = 100.0, 203.0
"""cd/m2 of white in HDR films, by mastering habit (BT.1886) and by recommendation (BT.2408)."""
_PQ_PEAK, _HLG_PEAK = 10000.0, 1000.0
_HIGHLIGHTS = 99.8
"""Percentile: brighter points are glints, and are clipped."""
_LUMA = np.array([0.2627, 0.678, 0.0593], np.float32)
_TO_709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
_ROWS = 128


class Transfer(Enum):
    """The transfer functions of HDR signals; the values are those of ITU-T H.273."""

    PQ = 16
    HLG = 18


def transfer_of(frame: Any, context: Any) -> Transfer | None:
    """Return the transfer function of a decoded frame if it is HDR, else None. context: the codec context."""
    # PyAV before 16 exposes it on the context only.
    for holder in (frame, context):
        value = getattr(holder, "color_trc", None)
        if value in (Transfer.PQ.value, Transfer.HLG.value):
            return Transfer(int(value))
    return None


def to_sdr(signal: NDArray[np.uint16], transfer: Transfer) -> Uint8Array:
    """Convert RGB uint16[h, w, 3], full range, to RGB uint8[h, w, 3] for a screen of standard range.

    White is the brightest light of the frame, within the range that is usual for white; highlights above it are
    compressed.
    """
    step = max(1, min(signal.shape[:2]) // 256)
    peak = float(np.percentile(_light(signal[::step, ::step], transfer).max(axis=2), _HIGHLIGHTS))
    white = min(max(peak, _DIM), _BRIGHT)
    curve = _curve(peak, white) if peak > white else None
    out = np.empty(signal.shape, np.uint8)
    for top in range(0, len(signal), _ROWS):  # bounds the memory of large frames
        light = _light(signal[top : top + _ROWS], transfer)
        if curve is not None:
            brightest = np.maximum(light.max(axis=2, keepdims=True), np.float32(1e-4))
            light *= np.interp(brightest, *curve).astype(np.float32) / brightest
        linear = np.clip(light @ _TO_709.T / np.float32(white), 0, 1)
        out[top : top + _ROWS] = np.rint(255 * linear ** np.float32(1 / 2.4))
    return out


def _light(signal: NDArray[np.uint16], transfer: Transfer) -> Float32Array:
    """Return float32[h, w, 3]: linear light of the display in cd/m2, BT.2020 primaries."""
    light: Float32Array = _table(transfer)[signal]
    if transfer is Transfer.HLG:
        light *= _HLG_PEAK * np.maximum(light @ _LUMA, 1e-6)[..., None] ** np.float32(0.2)
    return light


@cache
def _table(transfer: Transfer) -> Float32Array:
    """Return float32[65536]: light of each signal value; for HLG that of the scene, 0 to 1."""
    signal = np.arange(65536) / 65535
    if transfer is Transfer.PQ:
        return _from_pq(signal).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)


def _from_pq(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    root = signal ** (32 / 2523)
    light = np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)
    return np.asarray(_PQ_PEAK * light ** (8192 / 1305))


def _to_pq(light: Any) -> Any:
    power = (light / _PQ_PEAK) ** (1305 / 8192)
    return ((107 / 128 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def _curve(peak: float, white: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (light, light as shown): BT.2390's curve from a `peak` to `white`, both in cd/m2."""
    top = _to_pq(peak)
    most = _to_pq(white) / top
    knee = 1.5 * most - 0.5
    x = np.linspace(0, 1, 1024)
    t = np.clip((x - knee) / (1 - knee), 0, 1)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    return _from_pq(x * top), _from_pq(np.where(x < knee, x, bent) * top)
