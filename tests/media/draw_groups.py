"""Draw docs/groups.jpg: the groups that fastsim finds in tests/media/photos, the kept file of each first.

Run `python tests/media/draw_groups.py` with fastsim installed.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import fastsim
from fastsim import Member

Picture = NDArray[np.uint8]
PHOTOS = Path(__file__).parent / "photos"
TARGET = Path(__file__).parents[2] / "docs/groups.jpg"
WIDTH, HEIGHT, GAP, LINE = 196, 147, 12, 20
KEPT, GOES, PAPER = (60, 140, 40), (110, 110, 110), (255, 255, 255)


def tile(member: Member) -> Picture:
    """Return a thumbnail with a frame, the path below it, and what becomes of the file."""
    colour = KEPT if member.keeper else GOES
    picture = np.full((HEIGHT + 2 * LINE + GAP, WIDTH, 3), PAPER, np.uint8)
    whole = cv2.imread(member.path)
    assert whole is not None, member.path
    picture[:HEIGHT] = cv2.resize(whole, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    cv2.rectangle(picture, (1, 1), (WIDTH - 2, HEIGHT - 2), colour, 3)
    lines = (Path(member.path).relative_to(PHOTOS).as_posix(), "kept" if member.keeper else f"score {member.score:.3f}")
    for number, text in enumerate(lines, 1):
        place = (2, HEIGHT + number * LINE - 4)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return picture


def row(group: list[Member]) -> Picture:
    """Return the tiles of a group side by side."""
    gap = np.full((HEIGHT + 2 * LINE + GAP, GAP, 3), PAPER, np.uint8)
    return np.hstack([part for member in group for part in (gap, tile(member))] + [gap])


def sheet(groups: list[list[Member]]) -> Picture:
    """Return the groups in two columns, the first two above the others."""
    rows = [np.hstack([row(group) for group in groups[at : at + 2]]) for at in range(0, len(groups), 2)]
    wide = max(one.shape[1] for one in rows)
    padded = [np.pad(one, ((GAP, 0), (0, wide - one.shape[1]), (0, 0)), constant_values=255) for one in rows]
    return np.vstack(padded)


if __name__ == "__main__":
    found = fastsim.find([PHOTOS], cache=None)
    cv2.imwrite(str(TARGET), sheet(found.groups), [cv2.IMWRITE_JPEG_QUALITY, 88])
