"""How much of a damaged picture is there."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastsim.decode.picture import UnreadableError

_ENOUGH = 0.5
"""A damaged picture of which a smaller part is there is not compared: its empty rest would be like any other's."""


def checked(image: np.ndarray[Any, Any], damage: str) -> str:
    """`damage`, for a picture [h, w] or [h, w, c] of which enough is there. Raises UnreadableError for others."""
    return held(damage, 1.0 - _empty_rows(image) / len(image)) if damage else ""


def held(damage: str, there: float) -> str:
    """`damage`, where `there` (a part of the picture, 0 to 1) is enough. Raises UnreadableError for others."""
    if there < _ENOUGH:
        raise UnreadableError(f"damaged: {damage}; only {100 * there:.0f} % of the picture is there")
    return damage


def _empty_rows(image: np.ndarray[Any, Any]) -> int:
    """Rows at the bottom that are all of one colour, as decoders leave what they have no data for."""
    differs = (image != image[-1, -1]).reshape(len(image), -1).any(axis=1)
    return len(image) if not differs.any() else int(np.argmax(differs[::-1]))
