"""Make the images of an evaluation: originals with edited versions, and pairs of small crops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.edits import EDITS

REHEARSED = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """paths: [n] files; base: int[n], which picture each is a version of; kind: [n] the edit, "" for an original."""

    paths: list[Path]
    base: NDArray[np.int64]
    kind: list[str]
    names: list[str]
    """The name of each picture, by base."""


def build(pictures: Path, work: Path, edited: int, seed: int) -> EvaluationSet:
    """Write the edited versions under `work` (JPEG 92, as copies are saved) and list them beside the originals."""
    files = sorted(p for p in pictures.rglob("*") if p.suffix.lower() in REHEARSED)
    order = np.random.default_rng(seed).permutation(len(files))
    spare = [cv2.imread(str(files[i])) for i in order[: max(1, min(40, len(files) // 20))]]
    rest = order[len(spare) :]
    out = work / "edited"
    out.mkdir(parents=True, exist_ok=True)
    paths = [files[i] for i in rest]
    base, kind = list(range(len(rest))), [""] * len(rest)
    for b in range(min(edited, len(rest))):
        picture = cv2.imread(str(paths[b]))
        for e, (name, (_, edit)) in enumerate(EDITS.items()):
            rng = np.random.default_rng((seed, b, e))
            target = out / f"{b:05d}-{e:02d}.jpg"
            if not target.exists():
                cv2.imwrite(
                    str(target),
                    edit(picture, rng, spare[int(rng.integers(len(spare)))]),
                    [cv2.IMWRITE_JPEG_QUALITY, 92],
                )
            paths.append(target)
            base.append(b)
            kind.append(name)
    return EvaluationSet(paths, np.array(base), kind, [files[i].name for i in rest])


def build_small(pictures: Path, work: Path, count: int, seed: int) -> EvaluationSet:
    """Pairs of crops of 30x60 to 110x110 pixels, as detections are, the second moved and resized by up to 4 pixels."""
    files = sorted(p for p in pictures.rglob("*") if p.suffix.lower() in REHEARSED)
    rng = np.random.default_rng((seed, 1))
    out = work / "small"
    out.mkdir(parents=True, exist_ok=True)
    paths, base, kind, names = [], [], [], []
    for i in rng.permutation(len(files)):
        picture = cv2.imread(str(files[i]))
        w, h = int(rng.integers(30, 111)), int(rng.integers(60, 111))
        room_y, room_x = picture.shape[0] - h - 8, picture.shape[1] - w - 8
        if min(room_x, room_y) <= 0:
            continue
        y, x = 4 + int(rng.integers(0, room_y)), 4 + int(rng.integers(0, room_x))
        if picture[y : y + h, x : x + w].std() < 15:
            continue  # a patch of sky is like any other
        dy, dx, dh, dw = (int(v) for v in rng.integers(-4, 5, 4))
        boxes = (
            (y, y + h, x, x + w),
            (y + dy, min(y + h + dh, picture.shape[0]), x + dx, min(x + w + dw, picture.shape[1])),
        )
        for version, (y0, y1, x0, x1) in enumerate(boxes):
            target = out / f"{len(names):05d}-{version}.png"
            cv2.imwrite(str(target), picture[max(0, y0) : y1, max(0, x0) : x1])
            paths.append(target)
            base.append(len(names))
            kind.append("shifted" if version else "")
        names.append(files[i].name)
        if len(names) == count:
            break
    return EvaluationSet(paths, np.array(base), kind, names)


def read_same(path: Path | None, names: list[str]) -> set[tuple[int, int]]:
    """Pairs of pictures that are alike in truth, from lines of two file names."""
    if path is None:
        return set()
    index = {name: i for i, name in enumerate(names)}
    pairs = [line.split()[:2] for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {(index[a], index[b]) for a, b in pairs if a in index and b in index}
