"""Describe similar pairs in words and as tables, with the results of verification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastsim.records.files import MediaFile
from fastsim.records.pairs import STATUSES, Status, Transform, VerifiedPairs
from fastsim.records.rows import Embeddings
from fastsim.report.tables import Columns

COLUMNS: Columns = {
    "left": str, "right": str, "score": float, "status": str, "inliers": int, "agreement": float, "overlap": float,
    "scale": float, "rotation": float, "mirrored": bool,
    "left_x": int, "left_y": int, "left_width": int, "left_height": int,
    "right_x": int, "right_y": int, "right_width": int, "right_height": int,
}  # fmt: skip
"""Columns of a pair. Without verification, and for images that could not be aligned, the later ones are empty."""


def pair_records(
    pairs: VerifiedPairs, embeddings: Embeddings, files: Sequence[MediaFile], *, verified: bool = True,
    places: Sequence[int] | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Yield each pair under COLUMNS, with its paths. `places`: those of the requested pairs; None: of all."""
    ids = embeddings.ids
    for k in range(len(pairs)) if places is None else places:
        told: dict[str, Any] = dict.fromkeys(COLUMNS)
        told["left"], told["right"] = (files[int(ids[row[k]])].path for row in (pairs.left, pairs.right))
        told["score"] = round(float(pairs.score[k]), 6)
        if verified:
            told["status"] = STATUSES[pairs.status[k]].value
            told["inliers"], told["agreement"] = int(pairs.inliers[k]), round(float(pairs.agreement[k]), 4)
            if (found := pairs.transforms.get(k)) is not None:
                told |= _told(found)
        yield told


def _told(found: Transform) -> dict[str, Any]:
    names = ("x", "y", "width", "height")
    return {
        "overlap": round(max(found.share_left, found.share_right), 4), "scale": round(found.scale, 4),
        "rotation": round(found.rotation, 2) + 0.0, "mirrored": found.mirrored,
        **{f"left_{name}": value for name, value in zip(names, found.rectangle_left, strict=True)},
        **{f"right_{name}": value for name, value in zip(names, found.rectangle_right, strict=True)},
    }  # fmt: skip


def in_words(found: Transform, left: str, right: str) -> str:
    """Return `b is a crop of a: 62 % of it, mirrored, scale 0.5`."""
    whole_left, whole_right = found.share_left >= 0.95, found.share_right >= 0.95
    if whole_left and whole_right:
        parts = [f"{right} is a copy of {left}"]
    elif whole_right:
        parts = [f"{right} is a crop of {left}: {found.share_left:.0%} of it".replace("%", " %")]
    elif whole_left:
        parts = [f"{left} is a crop of {right}: {found.share_right:.0%} of it".replace("%", " %")]
    else:
        shares = f"{found.share_left:.0%} of {left}, {found.share_right:.0%} of {right}".replace("%", " %")
        parts = [f"{left} and {right} show the same in part: {shares}"]
    if found.mirrored:
        parts.append("mirrored")
    if abs(found.rotation) >= 1:
        parts.append(f"turned by {found.rotation:.0f} degrees")
    if abs(found.scale - 1) >= 0.01:
        parts.append(f"scale {found.scale:.2g}")
    return ", ".join(parts)


def not_different(pairs: VerifiedPairs) -> list[int]:
    """Return the places of pairs that are copies or could not be decided."""
    return [int(place) for place in np.flatnonzero(pairs.status != STATUSES.index(Status.DIFFERENT))]


def undecided(pairs: VerifiedPairs, least: float) -> list[int]:
    """Return the places of undecided pairs with a score of at least `least`, the highest score first."""
    places = pairs.having(Status.UNKNOWN)
    places = places[pairs.score[places] >= least]
    return [int(place) for place in places[np.argsort(-pairs.score[places], kind="stable")]]
