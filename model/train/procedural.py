"""Pictures that nobody took: dead leaves, fractal noise, text pages, charts, windows and templates; endless and free.

After Baradad et al. 2021 ("Learning to see by looking at noise"). Pages, charts and windows of one style with other
content are the look-alikes that the network must tell apart. uint8[side, side, 3] RGB, the same for the same seed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from .templates import TEMPLATES, words

Picture = NDArray[np.uint8]
Rng = np.random.Generator


def colour(rng: Rng) -> tuple[int, int, int]:
    r, g, b = rng.integers(0, 256, 3).tolist()
    return r, g, b


def dead_leaves(rng: Rng, side: int) -> Picture:
    """Discs, boxes and polygons, large ones first, radii by a power law."""
    picture = np.full((side, side, 3), colour(rng), np.uint8)
    kind = rng.integers(0, 4)
    radii = np.sort(side * 0.5 / (1 + rng.pareto(1.2, int(rng.integers(60, 400)))))[::-1]
    for radius in radii:
        x, y = (int(v) for v in rng.integers(0, side, 2))
        r = max(2, int(radius * 0.6))
        shape = rng.integers(0, 3) if kind == 3 else kind
        if shape == 0:
            cv2.circle(picture, (x, y), r, colour(rng), -1, cv2.LINE_AA)
        elif shape == 1:
            cv2.rectangle(picture, (x - r, y - r // 2), (x + r, y + r // 2), colour(rng), -1)
        else:
            corners = np.array([x, y]) + rng.integers(-r, r + 1, (int(rng.integers(3, 6)), 2))
            cv2.fillPoly(picture, [corners.astype(np.int32)], colour(rng), cv2.LINE_AA)
    return picture


def fractal_noise(rng: Rng, side: int) -> Picture:
    """1/f^a noise with correlated channels, at times cut into few levels: clouds, marble, maps."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    spectrum = rng.standard_normal((3, side, side // 2 + 1)) + 1j * rng.standard_normal((3, side, side // 2 + 1))
    waves = np.fft.irfft2(spectrum / frequency ** rng.uniform(0.8, 2.2), (side, side)).transpose(1, 2, 0)
    waves = waves / waves.std() @ (np.eye(3) * 0.3 + rng.uniform(-0.7, 0.7, (3, 3)))
    if rng.random() < 0.3:
        waves = np.round(waves * 2) / 2
    return np.clip(128 + 55 * waves, 0, 255).astype(np.uint8)


def text_page(rng: Rng, side: int) -> Picture:
    """Lines of made-up words, a title, at times two columns, dark on light or light on dark."""
    ink, paper = (20, 235) if rng.random() < 0.8 else (235, 25)
    picture = np.full((side, side, 3), paper, np.uint8)
    picture = np.clip(picture.astype(int) + rng.integers(-18, 19, 3), 0, 255).astype(np.uint8)
    scale, font = rng.uniform(0.25, 0.6), int(rng.integers(0, 8))
    step, margin = int(10 + 26 * scale), int(rng.integers(4, side // 6))
    if rng.random() < 0.6:
        cv2.putText(picture, words(rng, 3), (margin, step), font, scale * 1.5, (ink,) * 3, 2, cv2.LINE_AA)
    columns = 1 + int(rng.random() < 0.3)
    for column in range(columns):
        left = margin + column * side // columns
        y = 2 * step + 4
        while y < side - 4:
            if rng.random() > 0.12:
                line = words(rng, int(rng.integers(2, 12)))[: int(side / columns / (9 * scale + 3))]
                cv2.putText(picture, line, (left, y), font, scale, (ink,) * 3, 1, cv2.LINE_AA)
            y += step
    return picture


def chart(rng: Rng, side: int) -> Picture:
    """Bars, lines, points or a pie, with axes and labels, on a light ground."""
    picture = np.full((side, side, 3), int(rng.integers(225, 256)), np.uint8)
    left, top, right, low = side // 8, side // 8, side - side // 12, side - side // 8
    kind, count = rng.integers(0, 4), int(rng.integers(3, 14))
    cv2.putText(picture, words(rng, 2), (left, top - 6), 0, 0.4, (40, 40, 40), 1, cv2.LINE_AA)
    if kind == 3:
        angles = np.concatenate([[0], np.cumsum(rng.dirichlet(np.ones(count))) * 360])
        for start, end in pairwise(angles):
            cv2.ellipse(picture, (side // 2, side // 2), (side // 3,) * 2, 0, start, end, colour(rng), -1, cv2.LINE_AA)
        return picture
    for y in np.linspace(top, low, 5).astype(int).tolist():
        cv2.line(picture, (left, y), (right, y), (200, 200, 200), 1)
        cv2.putText(picture, str(int(rng.integers(0, 999))), (2, y), 0, 0.3, (60, 60, 60), 1, cv2.LINE_AA)
    for _ in range(int(rng.integers(1, 4))):
        tone, heights = colour(rng), rng.uniform(top, low, count).astype(int)
        xs = np.linspace(left + 4, right - 8, count).astype(int)
        if kind == 0:
            for x, y in zip(xs.tolist(), heights.tolist(), strict=True):
                cv2.rectangle(picture, (x, y), (x + side // (2 * count), low), tone, -1)
        elif kind == 1:
            cv2.polylines(picture, [np.stack([xs, heights], 1).astype(np.int32)], False, tone, 2, cv2.LINE_AA)
        else:
            for x, y in zip(rng.integers(left, right, 60).tolist(), rng.integers(top, low, 60).tolist(), strict=True):
                cv2.circle(picture, (x, y), 2, tone, -1, cv2.LINE_AA)
    return picture


def window(rng: Rng, side: int) -> Picture:
    """Draw a program's window: bars, a side list, boxes and labels; few styles and much content."""
    style = np.random.default_rng(rng.integers(0, 12))
    dark = style.random() < 0.4
    ground, ink = (style.integers(20, 50), 220) if dark else (style.integers(225, 256), 40)
    picture = np.full((side, side, 3), int(ground), np.uint8)
    bar, list_width = int(style.integers(10, 24)), int(style.integers(0, side // 3))
    cv2.rectangle(picture, (0, 0), (side, bar), colour(style), -1)
    cv2.rectangle(picture, (0, bar), (list_width, side), colour(style), -1)
    for y in range(bar + 14, side, int(style.integers(12, 20))):
        if rng.random() < 0.8 and list_width > 30:
            cv2.putText(picture, words(rng, 1), (4, y), 0, 0.3, (ink,) * 3, 1, cv2.LINE_AA)
        if rng.random() < 0.7:
            line = words(rng, int(rng.integers(1, 7)))
            cv2.putText(picture, line, (list_width + 6, y), 0, 0.3, (ink,) * 3, 1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 4))):
        x, y = int(rng.integers(list_width, side - 20)), int(rng.integers(bar, side - 20))
        w, h = (int(v) for v in rng.integers(15, side // 2, 2))
        painter = (dead_leaves, fractal_noise, chart)[int(rng.integers(0, 3))]
        part = picture[y : y + h, x : x + w]
        part[:] = cv2.resize(painter(rng, 96), (part.shape[1], part.shape[0]), interpolation=cv2.INTER_AREA)
    return picture


PAINTERS: tuple[Callable[[Rng, int], Picture], ...] = (
    dead_leaves,
    fractal_noise,
    text_page,
    chart,
    window,
    *TEMPLATES,
)


def paint(seed: int, side: int) -> tuple[int, Picture]:
    """Draw the picture of a seed, and which painter made it."""
    kind = seed % len(PAINTERS)
    return kind, PAINTERS[kind](np.random.default_rng((seed, 17)), side)
