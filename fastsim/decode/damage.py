"""Decide whether enough of a damaged image is present."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastsim.decode.picture import UnreadableError

_ENOUGH = 0.5
"""Damaged images of which a smaller fraction is present are not compared: their empty rests would be alike."""


def checked(image: np.ndarray[Any, Any], damage: str) -> str:
    """Return `damage` if enough of the image [h, w] or [h, w, c] is present. Raises UnreadableError otherwise."""
    return held(damage, 1.0 - _empty_rows(image) / len(image)) if damage else ""


def held(damage: str, there: float) -> str:
    """Return `damage` if `there`, a fraction of the image, is enough. Raises UnreadableError otherwise."""
    if there < _ENOUGH:
        raise UnreadableError(f"damaged: {damage}; only {100 * there:.0f} % of the image is there")
    return damage


def _empty_rows(image: np.ndarray[Any, Any]) -> int:
    """Count the rows at the bottom that have one colour, as decoders leave rows without data."""
    differs = (image != image[-1, -1]).reshape(len(image), -1).any(axis=1)
    return len(image) if not differs.any() else int(np.argmax(differs[::-1]))
