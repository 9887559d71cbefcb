"""Make sets of photos to be timed: any number, of any size, from few originals by cheap edits, as a stream.

An original is cropped (45 to 100 % of each side), mirrored half of the time and resized. Grain is added where that enlarges it:
a smooth image is a small JPEG, which decodes faster than a photo of that size does.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from media import draw

Picture = np.ndarray
DRAWN = 48
COPIES = 20
"""Photos that are planted a second time, saved again at another quality."""
SMALLEST = 0.45
"""Least share of a side that a crop has."""
GRAIN = np.random.default_rng(0).normal(0, 6, (512, 512, 3)).astype(np.int16)


def originals(source: str | None) -> list[Callable[[], Picture | None]]:
    """Readers of the pictures in `source`, or of drawn ones. A file that is no picture gives None."""
    if source is None:
        kinds = (draw.leaves, draw.hills, draw.town)
        return [lru_cache(1)(lambda i=i: kinds[i % 3](i, 800, 600)) for i in range(DRAWN)]
    files = sorted(path for path in Path(source).rglob("*") if path.is_file())
    return [lambda path=path: cv2.imread(str(path)) for path in files]


def edited(picture: Picture, size: tuple[int, int], number: int) -> Picture:
    """Return the `number`th variant of `picture`, of `size` (width, height)."""
    rng = np.random.default_rng((0, number))
    height, width = picture.shape[:2]
    share = rng.uniform(SMALLEST, 1.0)
    w, h = max(1, int(width * share)), max(1, int(height * share))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    part = picture[y : y + h, x : x + w]
    result = cv2.resize(part, size, interpolation=cv2.INTER_AREA if w >= size[0] else cv2.INTER_CUBIC)
    if size[0] > 1.5 * w:
        turned = np.roll(GRAIN, rng.integers(0, 512, 2), (0, 1))
        tiles = np.tile(turned, (size[1] // 512 + 1, size[0] // 512 + 1, 1))[: size[1], : size[0]]
        result = cv2.add(result, tiles, dtype=cv2.CV_8U)
    return cv2.flip(result, 1) if rng.random() < 0.5 else result


def shrunk(picture: Picture | None, size: tuple[int, int]) -> Picture | None:
    """No larger than the smallest crop needs to be at least `size`: small variants of a large original are cheap."""
    scale = 1.0 if picture is None else max(size[0] / picture.shape[1], size[1] / picture.shape[0]) / SMALLEST
    return picture if scale >= 1 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def make_photos(
    folder: Path, source: str | None, count: int, size: tuple[int, int], *, first: int = 0, copies: int = COPIES
) -> list[tuple[str, str]]:
    """`count` JPEGs of `size` in `folder`, the last `copies` (at most half) copies of the first ones. Returns these pairs.

    `first`: the number of the first one, where several folders make up one set. Neighbours in number come from the same
    original, so that each is read once, and memory does not grow with `count`.
    """
    copies = min(copies, count // 2)
    readers = originals(source)
    if not readers:
        raise SystemExit(f"{source}: no file there to make photos from")
    last = lru_cache(8)(lambda index: shrunk(readers[index](), size))

    def make(i: int) -> None:
        picture = last(i * len(readers) // (count - copies))
        if picture is not None:
            flags = [cv2.IMWRITE_JPEG_QUALITY, 92]
            cv2.imwrite(str(folder / f"{first + i:06}.jpg"), edited(picture, size, first + i), flags)

    with ThreadPoolExecutor() as pool:  # OpenCV works without the GIL
        for _ in pool.map(make, range(count - copies)):
            pass
    pairs = []
    for path in sorted(folder.glob("*.jpg"))[:copies]:
        copy = folder / f"copy_{path.name}"
        cv2.imwrite(str(copy), cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 75])
        pairs.append((path.name, copy.name))
    return pairs


def median_kilobytes(folder: Path) -> float:
    """Return the median size of the files in `folder`, in kB."""
    return statistics.median(path.stat().st_size for path in folder.iterdir()) / 1e3
