"""How well the vectors tell copies from look-alikes: an evaluation set out of any folder of distinct pictures.

    python bench/accuracy.py PICTURES --work DIR [--models a.onnx b.onnx] [--rivals phash,fastdup --fastdup-python PY]
                             [--edited 300] [--same FILE] [--json OUT] [--show 60]

Some pictures are edited in 33 ways (light, middle, strong; seeded), the others only stand by. Every pair of versions
of one picture is a true pair, every other pair a false one; pairs of pictures that are alike in truth (FILE has two names a
line, found by looking at the sheets that --show draws) are not counted. The edits are written with OpenCV and Pillow
alone, apart from those of model/train/edits.py, so that a network is not examined by its own teacher.

micro-AP: average precision over all pairs in one ranking (Douze et al. 2021). Ties count against: false pairs first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Vectors = NDArray[np.float32]
Rng = np.random.Generator
Edit = Callable[[Picture, Rng, Picture], Picture]

THRESHOLDS = (0.75, 0.85, 0.9, 0.95)
PRECISIONS = (0.9, 0.99, 0.999)
REHEARSED = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


# Edits: (picture uint8[h, w, 3] BGR, rng, another picture for backgrounds) -> picture.


def scaled(picture: Picture, factor: float) -> Picture:
    h, w = picture.shape[:2]
    size = (max(8, round(w * factor)), max(8, round(h * factor)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def compressed(picture: Picture, extension: str, quality: int) -> Picture:
    flag = cv2.IMWRITE_JPEG_QUALITY if extension == ".jpg" else cv2.IMWRITE_WEBP_QUALITY
    return cv2.imdecode(cv2.imencode(extension, picture, [flag, quality])[1], cv2.IMREAD_COLOR)


def toned(picture: Picture, gain: float = 1, offset: float = 0, gamma: float = 1) -> Picture:
    values = np.clip(picture.astype(np.float32) / 255 * gain + offset, 0, 1) ** gamma
    return np.rint(values * 255).astype(np.uint8)


def recoloured(picture: Picture, hue: int, saturation: float) -> Picture:
    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV).astype(np.int32)
    hsv[..., 0] = (hsv[..., 0] + hue) % 180
    hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 255)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)


def cropped(picture: Picture, rng: Rng, area: float) -> Picture:
    h, w = picture.shape[:2]
    side = area**0.5
    ch, cw = round(h * side), round(w * side)
    y, x = int(rng.integers(0, h - ch + 1)), int(rng.integers(0, w - cw + 1))
    return picture[y : y + ch, x : x + cw]


def half(picture: Picture, rng: Rng, _: Picture) -> Picture:
    h, w = picture.shape[:2]
    parts = (picture[: h // 2], picture[h // 2 :], picture[:, : w // 2], picture[:, w // 2 :])
    return parts[int(rng.integers(0, 4))]


def rotated(picture: Picture, degrees: float) -> Picture:
    h, w = picture.shape[:2]
    return cv2.warpAffine(picture, cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1), (w, h), flags=cv2.INTER_LINEAR)


def tilted(picture: Picture, rng: Rng, _: Picture) -> Picture:
    h, w = picture.shape[:2]
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    inward = rng.uniform(0, 0.15, (4, 2)) * [w, h] * [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    matrix = cv2.getPerspectiveTransform((corners + inward).astype(np.float32), corners)
    return cv2.warpPerspective(picture, matrix, (w, h))


def bordered(picture: Picture, rng: Rng, _: Picture) -> Picture:
    margin = round(min(picture.shape[:2]) * rng.uniform(0.04, 0.1))
    return cv2.copyMakeBorder(picture, *[margin] * 4, cv2.BORDER_CONSTANT, value=rng.integers(0, 256, 3).tolist())


def letterboxed(picture: Picture, rng: Rng, _: Picture) -> Picture:
    h, w = picture.shape[:2]
    bar = round((h if rng.random() < 0.7 else w) * rng.uniform(0.17, 0.35))
    bars = (bar, bar, 0, 0) if rng.random() < 0.7 else (0, 0, bar, bar)
    return cv2.copyMakeBorder(picture, *bars, cv2.BORDER_CONSTANT, value=(0, 0, 0))


def pasted(picture: Picture, rng: Rng, other: Picture) -> Picture:
    h, w = picture.shape[:2]
    scale = rng.uniform(0.5, 0.7)
    ground = cv2.resize(other, (w, h), interpolation=cv2.INTER_AREA)
    part = scaled(picture, scale)
    y, x = (int(rng.integers(0, side - small + 1)) for side, small in zip((h, w), part.shape[:2], strict=True))
    ground[y : y + part.shape[0], x : x + part.shape[1]] = part
    return ground


def framed(picture: Picture, rng: Rng, _: Picture) -> Picture:
    """A phone's screenshot: bars above and below with icons and text."""
    h, w = picture.shape[:2]
    top, low = round(h * rng.uniform(0.1, 0.2)), round(h * rng.uniform(0.1, 0.3))
    tone = 245 if rng.random() < 0.5 else 25
    result = cv2.copyMakeBorder(picture, top, low, 0, 0, cv2.BORDER_CONSTANT, value=(tone,) * 3)
    ink = (255 - tone,) * 3
    cv2.putText(
        result, "12:47   nature_daily", (6, round(top * 0.7)), cv2.FONT_HERSHEY_SIMPLEX, w / 600, ink, 1, cv2.LINE_AA
    )
    for i in range(4):
        cv2.circle(result, (round(w * (0.15 + 0.2 * i)), h + top + low // 2), max(2, low // 5), ink, 2)
    return result


def captioned(picture: Picture, rng: Rng, _: Picture) -> Picture:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(picture[..., ::-1].copy())
    draw = ImageDraw.Draw(image)
    text = ("WHEN THE BUILD PASSES", "Monday again...", "me explaining my code", "50% OFF TODAY")[
        int(rng.integers(0, 4))
    ]
    font = ImageFont.load_default(image.width / 13)
    top = rng.random() < 0.5
    place = (image.width / 2, image.height * (0.04 if top else 0.96))
    draw.text(
        place,
        text,
        "white",
        font,
        anchor="ma" if top else "md",
        stroke_width=max(1, image.width // 150),
        stroke_fill="black",
    )
    return np.asarray(image)[..., ::-1].copy()


def watermarked(picture: Picture, _: Rng, __: Picture) -> Picture:
    layer = np.zeros_like(picture)
    h, w = picture.shape[:2]
    for y in range(h // 6, h, h // 3):
        cv2.putText(
            layer, "stock  photo  stock", (0, y), cv2.FONT_HERSHEY_DUPLEX, w / 350, (255, 255, 255), 1, cv2.LINE_AA
        )
    return cv2.addWeighted(picture, 1, layer, 0.45, 0)


def stickered(picture: Picture, rng: Rng, _: Picture) -> Picture:
    result = picture.copy()
    h, w = picture.shape[:2]
    for _i in range(2):
        x, y, r = (
            int(rng.uniform(0.15, 0.85) * w),
            int(rng.uniform(0.15, 0.85) * h),
            int(min(h, w) * rng.uniform(0.1, 0.17)),
        )
        cv2.circle(result, (x, y), r, (60, 210, 250), -1, cv2.LINE_AA)
        cv2.ellipse(result, (x, y + r // 6), (r // 2, r // 2), 0, 0, 180, (30, 30, 30), max(1, r // 10), cv2.LINE_AA)
        for side in (-1, 1):
            cv2.circle(result, (x + side * r // 3, y - r // 4), max(1, r // 9), (30, 30, 30), -1, cv2.LINE_AA)
    return result


def cut_out(picture: Picture, rng: Rng, _: Picture) -> Picture:
    result = picture.copy()
    h, w = picture.shape[:2]
    y, x = int(rng.uniform(0, 0.6) * h), int(rng.uniform(0, 0.6) * w)
    result[y : y + round(h * 0.4), x : x + round(w * 0.4)] = rng.integers(0, 256, 3)
    return result


def noisy(picture: Picture, rng: Rng, sigma: float) -> Picture:
    return np.clip(picture + rng.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


def salted(picture: Picture, rng: Rng, _: Picture) -> Picture:
    result = picture.copy()
    hit = rng.random(picture.shape[:2])
    result[hit < 0.02], result[hit > 0.98] = 0, 255
    return result


def pixelated(picture: Picture, _: Rng, __: Picture) -> Picture:
    h, w = picture.shape[:2]
    return cv2.resize(scaled(picture, 32 / min(h, w)), (w, h), interpolation=cv2.INTER_NEAREST)


def several(picture: Picture, rng: Rng, other: Picture) -> Picture:
    """A copy of a copy: crop, caption, warmer light, small and hard compression."""
    step = captioned(cropped(picture, rng, 0.7), rng, other)
    return compressed(scaled(toned(step, 1.15, 0.03, 0.9), 0.6), ".jpg", 30)


EDITS: dict[str, tuple[str, Edit]] = {
    "jpeg 75": ("light", lambda p, r, o: compressed(p, ".jpg", 75)),
    "jpeg 40": ("light", lambda p, r, o: compressed(p, ".jpg", 40)),
    "webp 50": ("light", lambda p, r, o: compressed(p, ".webp", 50)),
    "half size": ("light", lambda p, r, o: scaled(p, 0.5)),
    "stretched": (
        "light",
        lambda p, r, o: cv2.resize(p, (round(p.shape[1] * 1.3), p.shape[0]), interpolation=cv2.INTER_CUBIC),
    ),
    "lighter": ("light", lambda p, r, o: toned(p, 1.1, 0.06)),
    "darker": ("light", lambda p, r, o: toned(p, 0.75)),
    "contrast, gamma": ("light", lambda p, r, o: toned(p, 1.15, -0.07, 0.85)),
    "crop to 85 %": ("middle", lambda p, r, o: cropped(p, r, 0.85)),
    "caption": ("middle", captioned),
    "watermark": ("middle", watermarked),
    "border": ("middle", bordered),
    "greyscale": ("middle", lambda p, r, o: cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)),
    "colour": ("middle", lambda p, r, o: recoloured(p, 12, 1.5)),
    "turn by 5": ("middle", lambda p, r, o: rotated(p, 5 if r.random() < 0.5 else -5)),
    "blur": ("middle", lambda p, r, o: cv2.GaussianBlur(p, (0, 0), min(p.shape[:2]) / 120)),
    "noise": ("middle", lambda p, r, o: noisy(p, r, 14)),
    "mirror": ("strong", lambda p, r, o: p[:, ::-1].copy()),
    "crop to 50 %": ("strong", lambda p, r, o: cropped(p, r, 0.5)),
    "half": ("strong", half),
    "letterbox": ("strong", letterboxed),
    "pasted": ("strong", pasted),
    "screenshot": ("strong", framed),
    "turn by 90": ("strong", lambda p, r, o: np.rot90(p, 1 if r.random() < 0.5 else 3).copy()),
    "turn by 20": ("strong", lambda p, r, o: rotated(p, 20 if r.random() < 0.5 else -20)),
    "tilt": ("strong", tilted),
    "jpeg 8": ("strong", lambda p, r, o: compressed(p, ".jpg", 8)),
    "a sixth of the size": ("strong", lambda p, r, o: scaled(p, 1 / 6)),
    "pixelated": ("strong", pixelated),
    "stickers": ("strong", stickered),
    "cutout": ("strong", cut_out),
    "salt and pepper": ("strong", salted),
    "several": ("strong", several),
}


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """paths: [n] files; base: int[n], which picture each is a version of; kind: [n] the edit, "" for an original."""

    paths: list[Path]
    base: NDArray[np.int64]
    kind: list[str]
    names: list[str]
    """The name of each picture, by base."""


def build(pictures: Path, work: Path, edited: int, seed: int) -> EvaluationSet:
    """Writes the edited versions under `work` (JPEG 92, as copies are saved) and lists them beside the originals."""
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


# Vectors


def fastsim_vectors(paths: list[Path], model: Path | None, size: int | str) -> Vectors:
    """Unit rows float32[n, 256] as fastsim makes them at `--size size`; one that it skips is like nothing (zeros)."""
    import fastsim

    found = fastsim.embed(paths, size=size, model=None if model is None else str(model))
    row = {path: i for i, path in enumerate(found.paths)}
    vectors = np.zeros((len(paths), found.vectors.shape[1]), np.float32)
    for i, path in enumerate(paths):
        if str(path.absolute()) in row:
            vectors[i] = found.vectors[row[str(path.absolute())]]
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def squashed(path: Path, size: int) -> Picture:
    picture = cv2.imread(str(path))
    smaller = picture.shape[0] > size or picture.shape[1] > size
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)[
        ..., ::-1
    ].copy()


def phash_vectors(paths: list[Path]) -> Vectors:
    """64 signs of pHash (as imagehash does it), scaled to unit length: cosine = 1 - 2 * share of differing bits."""
    rows = np.empty((len(paths), 64), np.float32)
    for i, path in enumerate(paths):
        grey = cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (32, 32), interpolation=cv2.INTER_AREA)
        low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
        rows[i] = np.where(low > np.median(low), 1, -1) / 8
    return rows


FASTDUP = """
import sys, numpy as np, fastdup
paths, work = [line.strip() for line in open(sys.argv[1])], sys.argv[2]
fastdup.run(paths, work_dir=work, run_mode=1, verbose=False)
names, rows = fastdup.load_binary_feature(work + "/atrain_features.dat", 576)
order = {name: i for i, name in enumerate(names)}
rows = np.asarray(rows, np.float32)
rows = np.stack([rows[order[p]] if p in order else np.zeros(576, np.float32) for p in paths])
np.save(sys.argv[3], rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))
"""


def fastdup_vectors(paths: list[Path], python: str, work: Path) -> Vectors:
    """fastdup's own features, made in an environment of its own; a picture that it skips is like nothing."""
    listing, result = work / "fastdup.txt", work / "fastdup.npy"
    listing.write_text("\n".join(str(path.resolve()) for path in paths))
    run = subprocess.run(
        [python, "-c", FASTDUP, str(listing), str(work / "fastdup"), str(result)],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit(f"fastdup failed: {run.stderr[-2000:]}")
    return np.load(result)


# Measures


@dataclass(frozen=True, slots=True)
class Scores:
    """true: float32[k] of true pairs, with kinds [k] (the edit's name for pairs of an original and an edit, else "");
    false: float32[m], ascending, of all counted false pairs."""

    true: Vectors
    kinds: NDArray[np.str_]
    false: Vectors


def score_pairs(vectors: Vectors, data: EvaluationSet, same: set[tuple[int, int]]) -> Scores:
    n = len(vectors)
    kind = np.array(data.kind)
    alike = np.zeros((len(data.names),) * 2, bool)
    for a, b in same:
        alike[a, b] = alike[b, a] = True
    true, kinds, false = [], [], []
    for i in range(n - 1):
        scores = vectors[i + 1 :] @ vectors[i]
        mine = data.base[i + 1 :] == data.base[i]
        true.append(scores[mine])
        kinds.append(kind[i + 1 :][mine] if not kind[i] else np.full(mine.sum(), "", kind.dtype))
        false.append(scores[~(mine | alike[data.base[i], data.base[i + 1 :]])])
    return Scores(np.concatenate(true), np.concatenate(kinds), np.sort(np.concatenate(false)))


def measure(scores: Scores) -> dict[str, Any]:
    """Every figure of the table, by name."""
    true = np.sort(scores.true)[::-1]
    false_above = len(scores.false) - np.searchsorted(scores.false, true, "left")
    rank = np.arange(1, len(true) + 1)
    precision = rank / (rank + false_above)
    result: dict[str, Any] = {
        "pairs": {"true": len(true), "false": len(scores.false)},
        "micro_ap": float(precision.mean()),
    }
    result["recall_at_precision"] = {str(p): float(rank[precision >= p].max(initial=0) / len(true)) for p in PRECISIONS}
    floor = {p: true[rank[precision >= p].max(initial=1) - 1] for p in PRECISIONS}
    result["thresholds"] = {}
    for t in THRESHOLDS:
        found, wrong = int((scores.true >= t).sum()), len(scores.false) - int(np.searchsorted(scores.false, t, "left"))
        result["thresholds"][str(t)] = {
            "precision": found / max(1, found + wrong),
            "recall": found / len(true),
            "false_rate": wrong / max(1, len(scores.false)),
        } | {
            f"recall_{strength}": float((scores.true[np.isin(scores.kinds, names)] >= t).mean())
            for strength in ("light", "middle", "strong")
            if (names := [name for name, (s, _) in EDITS.items() if s == strength])
            and np.isin(scores.kinds, names).any()
        }
    result["edits"] = {}
    for name in EDITS:
        mine = scores.true[scores.kinds == name]
        if len(mine):
            result["edits"][name] = {"mean": float(mine.mean()), "at_p999": float((mine >= floor[0.999]).mean())}
            result["edits"][name] |= {str(t): float((mine >= t).mean()) for t in THRESHOLDS}
    return result


def measure_small(vectors: Vectors, data: EvaluationSet) -> dict[str, float]:
    scores = score_pairs(vectors, data, set())
    return {
        "true_at_0.85": float((scores.true >= 0.85).mean()),
        "true_mean": float(scores.true.mean()),
        "false_at_0.75": float((scores.false >= 0.75).mean()),
        "false_at_0.85": float((scores.false >= 0.85).mean()),
    }


def read_same(path: Path | None, names: list[str]) -> set[tuple[int, int]]:
    """Pairs of pictures that are alike in truth, from lines of two file names."""
    if path is None:
        return set()
    index = {name: i for i, name in enumerate(names)}
    pairs = [line.split()[:2] for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {(index[a], index[b]) for a, b in pairs if a in index and b in index}


def show_false(vectors: Vectors, data: EvaluationSet, same: set[tuple[int, int]], count: int, out: Path) -> list[str]:
    """Draws the false pairs with the highest scores, the best of each two pictures, and lists them."""
    best: dict[tuple[int, int], tuple[float, int, int]] = {}
    for i in range(len(vectors) - 1):
        scores = vectors[i + 1 :] @ vectors[i]
        for j in np.flatnonzero(scores > 0.6):
            a, b = sorted((int(data.base[i]), int(data.base[i + 1 + j])))
            entry = (float(scores[j]), i, int(i + 1 + j))
            if a != b and (a, b) not in same and (b, a) not in same and entry > best.get((a, b), (0.0, 0, 0)):
                best[a, b] = entry
    top = sorted(best.items(), key=lambda item: -item[1][0])[:count]
    lines, tiles = [], []
    for (a, b), (score, i, j) in top:
        lines.append(
            f"{data.names[a]} {data.names[b]} {score:.3f} ({data.kind[i] or 'original'} / {data.kind[j] or 'original'})"
        )
        tile = np.concatenate([squashed(data.paths[k], 128)[..., ::-1] for k in (i, j)], 1).copy()
        cv2.putText(
            tile, f"{len(lines)}: {score:.2f}", (3, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 255), 1, cv2.LINE_AA
        )
        tiles.append(tile)
    tiles += [np.zeros((128, 256, 3), np.uint8)] * (-len(tiles) % 6)
    if tiles:
        sheet = np.concatenate([np.concatenate(tiles[k : k + 6], 1) for k in range(0, len(tiles), 6)])
        cv2.imwrite(str(out), sheet)
    return lines


def table(results: dict[str, dict[str, Any]]) -> str:
    """All models side by side, a figure a line."""
    names = list(results)
    lines = [("", *names)]

    def row(title: str, values: list[float], form: str = "{:.3f}") -> None:
        lines.append((title, *[form.format(v) for v in values]))

    every = list(results.values())
    row("micro-AP", [r["micro_ap"] for r in every])
    for p in PRECISIONS:
        row(f"recall at precision {p}", [r["recall_at_precision"][str(p)] for r in every])
    for t in map(str, THRESHOLDS):
        row(f"at {t}: precision", [r["thresholds"][t]["precision"] for r in every], "{:.4f}")
        row(f"at {t}: recall", [r["thresholds"][t]["recall"] for r in every])
        row(f"at {t}: false pairs", [r["thresholds"][t]["false_rate"] for r in every], "{:.1e}")
        for strength in ("light", "middle", "strong"):
            row(f"at {t}: {strength} edits found", [r["thresholds"][t].get(f"recall_{strength}", 0) for r in every])
    for edit in every[0]["edits"]:
        row(f"{EDITS[edit][0]}: {edit}, at .999", [r["edits"][edit]["at_p999"] for r in every])
    for key in ("true_at_0.85", "true_mean", "false_at_0.75", "false_at_0.85"):
        row(f"small crops: {key}", [r["small"].get(key, float("nan")) for r in every], "{:.3g}")
    width = [max(len(line[c]) for line in lines) for c in range(len(names) + 1)]
    return "\n".join(
        "  ".join(cell.ljust(width[c]) if c == 0 else cell.rjust(width[c]) for c, cell in enumerate(line))
        for line in lines
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of distinct pictures")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the edited pictures; used again if it is there"
    )
    parser.add_argument(
        "--models", nargs="*", type=Path, default=[], help="ONNX files to compare (default: fastsim's own)"
    )
    parser.add_argument("--rivals", default="", help="phash,fastdup")
    parser.add_argument("--fastdup-python", default=sys.executable, help="a Python that has fastdup")
    parser.add_argument("--edited", type=int, default=300, help="how many pictures are edited")
    parser.add_argument("--small", type=int, default=400, help="how many pairs of small crops")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--same", type=Path, help="pairs of pictures that are alike in truth, two names a line")
    parser.add_argument("--show", type=int, default=0, help="draw this many of the best-scored false pairs a model")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = build(options.pictures, options.work, options.edited, options.seed)
    small = build_small(options.pictures, options.work, options.small, options.seed)
    same = read_same(options.same, data.names)
    print(
        f"{len(data.paths)} pictures of {len(data.names)}, {len(EDITS)} edits; {len(same)} pairs alike in truth are not counted"
    )
    results: dict[str, dict[str, Any]] = {}

    def add(name: str, vectors: Vectors, few: Vectors | None) -> None:
        results[name] = measure(score_pairs(vectors, data, same))
        results[name]["small"] = measure_small(few, small) if few is not None else {}
        if options.show:
            print("\n".join([name, *show_false(vectors, data, same, options.show, options.work / f"false-{name}.png")]))

    for model in options.models or [None]:
        name = "fastsim" if model is None else f"{model.parent.name}-{model.stem}"
        few = fastsim_vectors(small.paths, model, "auto")
        add(name, fastsim_vectors(data.paths, model, options.size), few)
    if "phash" in options.rivals:
        add("phash", phash_vectors(data.paths), phash_vectors(small.paths))
    if "fastdup" in options.rivals:
        (options.work / "s").mkdir(exist_ok=True)
        few = fastdup_vectors(small.paths, options.fastdup_python, options.work / "s")
        add("fastdup", fastdup_vectors(data.paths, options.fastdup_python, options.work), few)
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps({"command": sys.argv[1:], "results": results}, indent=1))


if __name__ == "__main__":
    main()
