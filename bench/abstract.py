"""Scores of unrelated abstract images: colour grids, smooth fields, waves, noise and shapes, drawn with seeds.

    python -m bench.abstract [--count 40] [--models A.onnx B.onnx] [--size 128]

All of one kind share nothing but their kind, so that every pair is a false one. Prints the median, the 99th percentile and the
highest score of a kind, and the share of pairs from each threshold on.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import fastsim
from bench.common import machine
from bench.scores import THRESHOLDS

Rng = np.random.Generator
SIZE = (320, 240)


def blocks(rng: Rng, resample: Image.Resampling) -> Image.Image:
    """Draw 6 x 4 random colours, enlarged."""
    return Image.fromarray(rng.integers(0, 255, (4, 6, 3)).astype(np.uint8)).resize(SIZE, resample)


def waves(rng: Rng) -> Image.Image:
    """Draw a plane wave in each channel."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] / SIZE[0]
    channels = [
        127 + 127 * np.sin(rng.uniform(3, 20) * x + rng.uniform(3, 20) * y + rng.uniform(0, 6)) for _ in range(3)
    ]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def noise(rng: Rng) -> Image.Image:
    """Draw every pixel by itself."""
    return Image.fromarray(rng.integers(0, 255, (*SIZE[::-1], 3)).astype(np.uint8))


def shapes(rng: Rng) -> Image.Image:
    """Draw twelve rectangles and ellipses."""
    image = Image.new("RGB", SIZE, tuple(rng.integers(0, 255, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        (x, y), (width, height) = rng.integers(0, SIZE), rng.integers(10, 120, 2)
        outline = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        outline([int(x), int(y), int(x + width), int(y + height)], fill=tuple(rng.integers(0, 255, 3).tolist()))
    return image


KINDS: dict[str, Callable[[Rng], Image.Image]] = {
    "colour grids": lambda rng: blocks(rng, Image.Resampling.NEAREST),
    "smooth fields": lambda rng: blocks(rng, Image.Resampling.BICUBIC),
    "waves": waves,
    "noise": noise,
    "shapes": shapes,
}


def false_scores(kind: str, count: int, model: str | None, size: int) -> np.ndarray:
    """Return the scores float32[count * (count - 1) / 2] of all pairs of one kind."""
    with tempfile.TemporaryDirectory() as folder:
        for k in range(count):
            KINDS[kind](np.random.default_rng((k, sorted(KINDS).index(kind)))).save(Path(folder) / f"{k:03}.png")
        rows = fastsim.embed([folder], model=model, size=size, cache=None).vectors.astype(np.float32)
    return (rows @ rows.T)[np.triu_indices(count, 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--models", nargs="*", default=[], help="ONNX files beside the packaged model")
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    print(f"{options.count} images of each kind at {options.size} px, {machine()}")
    print("| model | kind | median | 99 % | highest | from " + " | from ".join(map(str, THRESHOLDS)) + " |")
    print("|---|---|" + "---|" * (3 + len(THRESHOLDS)))
    for model in (None, *options.models):
        for kind in KINDS:
            scores = false_scores(kind, options.count, model, options.size)
            middle, high = np.percentile(scores, [50, 99])
            shares = " | ".join(f"{float((scores >= thres).mean()):.3f}" for thres in THRESHOLDS)
            print(f"| {model or 'packaged'} | {kind} | {middle:.2f} | {high:.2f} | {scores.max():.2f} | {shares} |")


if __name__ == "__main__":
    main()
