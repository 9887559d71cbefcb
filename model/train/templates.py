"""Pictures of one template with other content, as scanners and programs make them: pages, forms, music, codes, stars.

Few templates, endless content: the look-alikes that a network is most easily fooled by. Each painter takes (rng, side)
and gives uint8[side, side, 3] RGB; it draws on a canvas of the true shape, and shrinks that to the square by area, as
fastsim shrinks a page.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Rng = np.random.Generator

LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def words(rng: Rng, count: int) -> str:
    """Made-up words of 2 to 9 letters, frequent letters more often."""
    sizes = rng.integers(2, 10, count)
    return " ".join("".join(LETTERS[int(26 * v**2.2)] for v in rng.random(int(size))) for size in sizes)


def template(rng: Rng, count: int) -> Rng:
    """Return the generator of one of `count` templates: it draws the same for every picture of that template."""
    return np.random.default_rng((int(rng.integers(0, count)), 23))


def _squashed(canvas: Picture, side: int) -> Picture:
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)


def _sheet(style: Rng, height: int = 640) -> tuple[Picture, tuple[int, int, int]]:
    """Draw an empty page of one of three shapes and a template's paper, and its ink."""
    width = int(height * (0.707, 0.773, 1.4)[int(style.choice(3, p=(0.6, 0.2, 0.2)))])
    dark = style.random() < 0.1
    paper = style.integers(10, 50) if dark else style.integers(232, 256)
    ink = int(style.integers(180, 256) if dark else style.integers(0, 70))
    return np.full((height, width, 3), paper, np.uint8), (ink, ink, ink)


def page(rng: Rng, side: int) -> Picture:
    """Draw a page of prose: the template has margins, columns, font, line spacing and title; the words differ."""
    style = template(rng, 60)
    canvas, ink = _sheet(style)
    h, w = canvas.shape[:2]
    margin, top = int(style.uniform(0.05, 0.14) * w), int(style.uniform(0.05, 0.15) * h)
    columns, font = 1 + int(style.random() < 0.25), int(style.choice((0, 2, 3, 4)))
    scale = style.uniform(0.3, 0.6)
    step, justified = int(style.uniform(24, 36) * scale), style.random() < 0.4
    titled, indent = style.random() < 0.4, int(style.random() < 0.5) * 20
    if titled:
        cv2.putText(canvas, words(rng, 3), (margin, top), font, 2 * scale, ink, 2, cv2.LINE_AA)
    wide = (w - 2 * margin) // columns - 10 * (columns - 1)
    per_line = int(wide / (17 * scale))
    filled = h - top if rng.random() < 0.7 else int(rng.uniform(0.4, 0.9) * h)
    for column in range(columns):
        left, y = margin + column * (wide + 20), top + (3 * step if titled else 0)
        while y < filled:
            last = rng.random() < 0.12
            text = words(rng, per_line // 5 + 1)[: per_line if not last else int(rng.integers(4, per_line + 1))]
            if justified and not last:
                text = text.ljust(per_line, "n")
            cv2.putText(canvas, text, (left + (indent if last else 0), y), font, scale, ink, 1, cv2.LINE_AA)
            y += step if not last else step + int(style.integers(0, 2)) * step // 2
    return _squashed(canvas, side)


def form(rng: Rng, side: int) -> Picture:
    """Draw an invoice, a receipt or a table: fixed headings and rules, other names, numbers and count of rows."""
    style = template(rng, 60)
    canvas, ink = _sheet(style)
    h, w = canvas.shape[:2]
    scale, margin = style.uniform(0.4, 0.7), int(style.uniform(0.05, 0.1) * w)
    if style.random() < 0.6:
        band = tuple(int(v) for v in style.integers(20, 200, 3))
        cv2.rectangle(canvas, (0, 0), (w, int(style.uniform(0.04, 0.14) * h)), band, -1)
    if style.random() < 0.4:
        cv2.circle(
            canvas, (w - 2 * margin, int(0.13 * h)), int(0.06 * h), tuple(style.integers(0, 256, 3).tolist()), -1
        )
    cv2.putText(canvas, words(style, 2), (margin, int(0.18 * h)), 0, 1.6 * scale, ink, 2, cv2.LINE_AA)
    for i in range(int(style.integers(1, 5))):
        text = words(rng, 2) if style.random() < 0.6 else str(rng.integers(10**5, 10**8))
        cv2.putText(canvas, text, (margin, int((0.22 + 0.03 * i) * h)), 0, 0.8 * scale, ink, 1, cv2.LINE_AA)
    start, step = int(style.uniform(0.32, 0.42) * h), int(style.uniform(24, 40) * scale + 6)
    ruled, columns = style.random() < 0.5, int(style.integers(2, 6))
    rows = int(rng.integers(2, max(3, min(22, (int(0.85 * h) - start) // step))))
    xs = margin + np.arange(columns) * (w - 2 * margin) // columns
    for row in range(rows):
        y = start + row * step
        for c, x in enumerate(xs.tolist()):
            cell = words(rng, 1) if c == int(columns > 2) else f"{rng.uniform(0, 999):.2f}"
            cv2.putText(canvas, cell[: int(24 / columns) + 3], (x, y), 0, scale, ink, 1, cv2.LINE_AA)
        if ruled:
            cv2.line(canvas, (margin, y + step // 4), (w - margin, y + step // 4), ink, 1)
    total = f"{words(style, 1)} {rng.uniform(10, 9999):.2f}"
    cv2.putText(canvas, total, (margin, start + rows * step + step), 0, 1.5 * scale, ink, 2, cv2.LINE_AA)
    return _squashed(canvas, side)


def music(rng: Rng, side: int) -> Picture:
    """Staves with notes, some of them in pairs under a beam."""
    style = template(rng, 30)
    canvas, ink = _sheet(style)
    h, w = canvas.shape[:2]
    gap, margin = int(style.integers(4, 8)), int(style.uniform(0.05, 0.1) * w)
    step, spacing = gap * int(style.integers(9, 15)), int(style.integers(14, 26))
    for y in range(int(0.1 * h), h - 6 * gap, step):
        for k in range(5):
            cv2.line(canvas, (margin, y + gap * k), (w - margin, y + gap * k), ink, 1)
        xs = np.arange(margin + 2 * gap, w - margin - gap, spacing)
        xs = xs[rng.random(len(xs)) < 0.9].tolist()
        heights = [y + gap * int(v) // 2 for v in np.cumsum(rng.integers(-3, 4, len(xs))) % 11 - 1]
        for x, note in zip(xs, heights, strict=True):
            filled = -1 if rng.random() < 0.85 else 1
            cv2.ellipse(canvas, (x, note), (gap // 2 + 2, gap // 2), 0, 0, 360, ink, filled, cv2.LINE_AA)
            cv2.line(canvas, (x + gap // 2 + 1, note), (x + gap // 2 + 1, note - 3 * gap), ink, 1)
        for (x, a), (z, b) in pairwise(zip(xs, heights, strict=True)):
            if rng.random() < 0.2:
                cv2.line(canvas, (x + gap // 2 + 1, a - 3 * gap), (z + gap // 2 + 1, b - 3 * gap), ink, 2)
    return _squashed(canvas, side)


def code(rng: Rng, side: int) -> Picture:
    """Draw a square code of random modules with three corner marks, or bars, large or on a page with a line of text."""
    style = template(rng, 24)
    n = int(style.choice((21, 25, 29, 33, 41)))
    cells = (rng.random((n, n)) < 0.5).astype(np.uint8)
    for y, x in ((0, 0), (0, n - 7), (n - 7, 0)):
        cells[max(0, y - 1) : y + 8, max(0, x - 1) : x + 8] = 0
        cells[y : y + 7, x : x + 7] = 1
        cells[y + 1 : y + 6, x + 1 : x + 6] = 0
        cells[y + 2 : y + 5, x + 2 : x + 5] = 1
    if style.random() < 0.25:
        cells = np.repeat((rng.random((1, 60)) < 0.5).astype(np.uint8), 30, 0)
    tone = int(style.integers(0, 60))
    ink = cv2.resize(cells, (240, 240), interpolation=cv2.INTER_NEAREST)[..., None]
    mark = np.where(ink == 1, tone, 255).astype(np.uint8).repeat(3, 2)
    canvas = np.full((320, 320, 3), 255, np.uint8)
    top, left = (int(v) for v in style.integers(10, 70, 2))
    canvas[top : top + 240, left : left + 240] = mark
    if style.random() < 0.6:
        canvas[:8] = style.integers(0, 256, 3)
        text = words(rng, 2) if style.random() < 0.5 else words(style, 3)
        cv2.putText(canvas, text, (12, 312), 0, 0.6, (tone,) * 3, 1, cv2.LINE_AA)
    return _squashed(canvas, side)


def dots(rng: Rng, side: int) -> Picture:
    """Stars on a night sky, or dots on an even ground: nothing but their places tells two of them apart."""
    style = template(rng, 16)
    night = style.random() < 0.7
    ground = style.integers(0, 30, 3) if night else style.integers(150, 256, 3)
    canvas = np.full((320, int(style.choice((320, 427, 480))), 3), ground, np.uint8)
    h, w = canvas.shape[:2]
    if style.random() < 0.3:
        fall = np.linspace(0, style.uniform(10, 60), h)[:, None, None]
        canvas = np.clip(canvas + fall, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(40, 900))):
        x, y = int(rng.integers(0, w)), int(rng.integers(0, h))
        size = 0 if rng.random() < 0.8 else int(rng.integers(1, 3))
        level = int(rng.uniform(60, 256)) if night else int(rng.uniform(0, 140))
        cv2.circle(canvas, (x, y), size, (level, level, level), -1, cv2.LINE_AA)
    return _squashed(canvas, side)


TEMPLATES: tuple[Callable[[Rng, int], Picture], ...] = (page, form, music, code, dots)
