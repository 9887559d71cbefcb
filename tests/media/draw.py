"""Draws the pictures in tests/media/photos: six scenes, some of them with copies that a person calls duplicates.

Run `python tests/media/draw.py` to draw them anew. Everything is seeded; nothing is taken from anywhere.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
HERE = Path(__file__).parent / "photos"


def leaves(seed: int, width: int, height: int) -> Picture:
    """Draw the dead-leaves model: discs of power-law size that hide each other; its statistics are like those of photos."""
    rng = np.random.default_rng(seed)
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = rng.integers(40, 200, 3)
    for _ in range(260):
        radius = int(min(90, 6 / np.sqrt(rng.uniform(0.004, 1))))
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        colour = rng.integers(0, 255, 3).tolist()
        cv2.circle(picture, centre, radius, colour, -1, cv2.LINE_AA)
    return picture


def hills(seed: int, width: int, height: int) -> Picture:
    """Draw a sky, a sun, and ridges that get darker towards the front."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(0, 1, height)[:, None, None]
    sky = (1 - rows) * rng.uniform(120, 255, 3) + rows * rng.uniform(160, 255, 3)
    picture = np.broadcast_to(sky, (height, width, 3)).astype(np.uint8).copy()
    sun = (int(width * rng.uniform(0.2, 0.8)), int(height * rng.uniform(0.15, 0.35)))
    cv2.circle(picture, sun, height // 9, (200, 240, 255), -1, cv2.LINE_AA)
    x = np.arange(width)
    for ridge in range(5):
        wave = sum(rng.uniform(4, 22) / k * np.sin(x * k * 6.3 / width + rng.uniform(0, 6.3)) for k in range(1, 7))
        y = (height * (0.42 + 0.12 * ridge) + wave).astype(np.int32)
        outline = np.concatenate([np.stack([x, y], 1), [[width, height], [0, height]]]).astype(np.int32)
        cv2.fillPoly(picture, [outline], (rng.uniform(60, 150, 3) * (1 - 0.17 * ridge)).tolist(), cv2.LINE_AA)
    return picture


def town(seed: int, width: int, height: int) -> Picture:
    """House fronts with lit windows."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), rng.integers(20, 90, 3), np.uint8)
    left = 0
    while left < width:
        wide, top = int(rng.integers(40, 90)), int(height * rng.uniform(0.1, 0.6))
        cv2.rectangle(picture, (left, top), (left + wide, height), rng.integers(30, 180, 3).tolist(), -1)
        for y in range(top + 8, height - 12, 18):
            for x in range(left + 6, left + wide - 10, 14):
                if rng.random() < 0.6:
                    cv2.rectangle(picture, (x, y), (x + 7, y + 10), (90, 210, 250), -1)
        left += wide
    return picture


def chart(seed: int, width: int, height: int) -> Picture:
    """Bars with a caption, as in a slide."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 250, np.uint8)
    for bar in range(9):
        high = int(height * rng.uniform(0.1, 0.7))
        x = 30 + bar * (width - 60) // 9
        cv2.rectangle(picture, (x, height - 30 - high), (x + 24, height - 30), rng.integers(30, 220, 3).tolist(), -1)
    cv2.line(picture, (20, height - 30), (width - 20, height - 30), (0, 0, 0), 2)
    cv2.putText(picture, f"Quarter {seed}", (30, 34), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (30, 30, 30), 2, cv2.LINE_AA)
    return picture


def draw(folder: Path = HERE) -> None:
    """Write all pictures below `folder`."""
    (folder / "holiday").mkdir(parents=True, exist_ok=True)
    (folder / "backup").mkdir(exist_ok=True)
    scenes = {
        "holiday/hills.jpg": hills(1, 400, 300),
        "holiday/leaves.jpg": leaves(2, 400, 300),
        "holiday/town.png": town(3, 400, 300),
        "holiday/dunes.jpg": hills(14, 300, 400),
        "chart.png": chart(5, 400, 300),
        "pebbles.webp": leaves(6, 320, 320),
    }
    for name, picture in scenes.items():
        cv2.imwrite(str(folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_WEBP_QUALITY, 85])
    hill, leaf, house = (scenes[f"holiday/{name}"] for name in ("hills.jpg", "leaves.jpg", "town.png"))
    cv2.imwrite(str(folder / "backup/hills small.jpg"), cv2.resize(hill, (200, 150), interpolation=cv2.INTER_AREA))
    cv2.imwrite(str(folder / "backup/hills again.jpg"), hill, [cv2.IMWRITE_JPEG_QUALITY, 45])
    cv2.imwrite(str(folder / "backup/leaves bright.jpg"), cv2.convertScaleAbs(leaf, alpha=1.15, beta=12))
    cv2.imwrite(str(folder / "backup/town.jpg"), house[8:-8, 10:-10], [cv2.IMWRITE_JPEG_QUALITY, 80])
    (folder / "backup/chart copy.png").write_bytes((folder / "chart.png").read_bytes())


if __name__ == "__main__":
    draw()
