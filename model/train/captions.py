"""A bank of masks for captions, watermarks and emoji-like marks: drawn once, carried along, laid over views."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .templates import words

HEIGHT, WIDTH = 48, 192


def draw_masks(count: int, fonts: list[Path], seed: int = 0) -> NDArray[np.uint8]:
    """uint8[count, 1, 48, 192], 255 where there is ink: a fifth marks and faces, the rest text in `fonts`."""
    rng = np.random.default_rng(seed)
    return np.stack([_mark(rng) if i % 5 == 0 else _text(rng, fonts) for i in range(count)])[:, None]


def find_fonts(folders: list[Path]) -> list[Path]:
    """Return the TrueType files under `folders` that Pillow can read, sorted."""
    paths = sorted(path for folder in folders if folder.is_dir() for path in folder.rglob("*.ttf"))
    return [path for path in paths if _is_readable(path)]


def _is_readable(font: Path) -> bool:
    from PIL import ImageFont

    try:
        ImageFont.truetype(str(font), 40)
    except OSError:
        return False
    return True


def _text(rng: np.random.Generator, fonts: list[Path]) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    text = words(rng, int(rng.integers(1, 7)))
    text = text.upper() if rng.random() < 0.4 else text.capitalize()
    lines = [text] if rng.random() < 0.6 else [text[: len(text) // 2], text[len(text) // 2 :]]
    canvas = Image.new("L", (900, 300))
    draw = ImageDraw.Draw(canvas)
    choice = int(rng.integers(0, len(fonts) + 1))
    font = ImageFont.truetype(str(fonts[choice]), 40) if choice < len(fonts) else ImageFont.load_default(40)
    draw.multiline_text((10, 10), "\n".join(lines), 255, font=font)
    box = canvas.getbbox() or (0, 0, 900, 300)
    ink = np.asarray(canvas.crop(box))
    if rng.random() < 0.25:
        ink = cv2.morphologyEx(ink, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    return cv2.resize(ink, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def _mark(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a face, a star, a ring or a cross, in a quarter of the mask's width (so that it stays about round)."""
    side = 96
    ink = np.zeros((side, side), np.uint8)
    middle = (side // 2, side // 2)
    kind = rng.integers(0, 4)
    if kind == 0:
        cv2.circle(ink, middle, 44, 255, -1, cv2.LINE_AA)
        for x in (32, 64):
            cv2.circle(ink, (x, 36), 7, 0, -1, cv2.LINE_AA)
        cv2.ellipse(
            ink, (48, 56), (24, 18), 0, 0 if rng.random() < 0.5 else 180, 180 + 180 * int(rng.random() < 0.5), 0, 5
        )
    elif kind == 1:
        turn = np.arange(10) * np.pi / 5 + rng.random()
        radius = np.where(np.arange(10) % 2, 18, 46)
        corners = np.stack([48 + radius * np.cos(turn), 48 + radius * np.sin(turn)], 1)
        cv2.fillPoly(ink, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    elif kind == 2:
        cv2.circle(ink, middle, 38, 255, int(rng.integers(4, 16)), cv2.LINE_AA)
    else:
        cv2.line(ink, (8, 8), (88, 88), 255, int(rng.integers(6, 20)), cv2.LINE_AA)
        cv2.line(ink, (88, 8), (8, 88), 255, int(rng.integers(6, 20)), cv2.LINE_AA)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    left = int(rng.integers(0, WIDTH - HEIGHT))
    mask[:, left : left + HEIGHT] = cv2.resize(ink, (HEIGHT, HEIGHT), interpolation=cv2.INTER_AREA)
    return mask
