"""Write the images of a run: kept frames, contact sheets, timelines. Each is whole or absent."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np

from fastsim.errors import FastsimError, shown
from fastsim.records.arrays import Uint8Array

FORMATS = ("jpg", "png", "webp")
TEMPORARY = ".fastsim-part"
"""End of an image's name until it is whole."""

_MOST_CELLS = 400
"""Most cells of a contact sheet, which every viewer can then open."""
_CELL = (240, 180)
_CAPTION = 22
_LEAST_WIDTH = 116
"""Pixels that a caption needs."""
_INK, _PAPER, _MARK = (225, 225, 225), (28, 28, 28), (80, 80, 235)


def write_picture(path: str, picture: Uint8Array, form: str, quality: int) -> None:
    """Write BGR uint8[h, w, 3] to `path`, whole or not at all. Raises FastsimError.

    quality: 1 to 100 (not for png).
    """
    settings = {
        "jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
        "png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
    }
    try:
        good, data = cv2.imencode(f".{form}", picture, settings[form])
    except cv2.error:
        good = False
    if not good:
        height, width = picture.shape[:2]
        raise FastsimError(f"{shown(path)}: an image of {width}x{height} can't be written as {form}; try --format png")
    write_whole(path, data.tobytes())


def write_whole(path: str, data: bytes) -> None:
    """Write a file with all its bytes, or not at all, even if the process is killed. Raises FastsimError."""
    temporary = path + TEMPORARY
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise FastsimError(
            f"{shown(path)}: can't be written ({error.strerror}); all images written so far are whole: "
            "make room, and run the same command again to go on"
        ) from None


@dataclass(frozen=True, slots=True)
class _Cell:
    number: int
    picture: Uint8Array
    caption: str


class Sheet:
    """The kept frames of a video in a grid, small, with their times. Of very many, evenly spread ones are shown."""

    def __init__(self) -> None:
        self._cells: list[_Cell] = []
        self._every = 1
        self._count = 0

    def add(self, picture: Uint8Array, caption: str) -> None:
        """Add BGR uint8[h, w, 3], and the line under it."""
        number, self._count = self._count, self._count + 1
        if number % self._every:
            return
        self._cells.append(_Cell(number, shrunk(picture, *_CELL), caption))
        if len(self._cells) > _MOST_CELLS:
            self._every *= 2
            self._cells = [cell for cell in self._cells if cell.number % self._every == 0]

    def draw(self) -> Uint8Array | None:
        """Return the sheet as BGR, or None if nothing was added."""
        if not self._cells:
            return None
        wide = max(_LEAST_WIDTH, *(cell.picture.shape[1] for cell in self._cells)) + 8
        high = max(cell.picture.shape[0] for cell in self._cells) + _CAPTION + 8
        columns = max(1, min(len(self._cells), round(math.sqrt(len(self._cells) * 1.6 * high / wide))))
        lines = -(-len(self._cells) // columns)
        partly = self._every > 1
        sheet = np.full((lines * high + 8 + (_CAPTION if partly else 0), columns * wide + 8, 3), _PAPER, np.uint8)
        for place, cell in enumerate(self._cells):
            x, y = place % columns * wide + 8, place // columns * high + 8
            h, w = cell.picture.shape[:2]
            sheet[y : y + h, x : x + w] = cell.picture
            _write(sheet, cell.caption, x, y + h + 16)
        if partly:
            _write(sheet, f"every {self._every}th of {self._count} kept frames", 8, sheet.shape[0] - 8)
        return sheet


class Timeline:
    """Similarity over time in a fixed number of columns, whatever the video's length."""

    _COLUMNS = 1200

    def __init__(self) -> None:
        self._step = 0.04
        self._low = np.full(self._COLUMNS, np.inf, np.float32)
        self._kept = np.zeros(self._COLUMNS, np.int64)
        self._end = 0.0

    def add(self, seconds: float, score: float, kept: bool) -> None:
        """Add a frame, and its highest similarity to the frames that were kept before it."""
        self._end = max(self._end, seconds)
        while seconds >= self._step * self._COLUMNS:
            self._step *= 2
            low, kept_before = self._low.reshape(-1, 2).min(1), self._kept.reshape(-1, 2).sum(1)
            self._low = np.concatenate([low, np.full(self._COLUMNS // 2, np.inf, np.float32)])
            self._kept = np.concatenate([kept_before, np.zeros(self._COLUMNS // 2, np.int64)])
        column = max(0, int(seconds / self._step))
        self._low[column] = min(self._low[column], score)
        self._kept[column] += kept

    def draw(self, thres: float) -> Uint8Array:
        """Return BGR uint8[h, w, 3]: the lowest score per column, the threshold as a line, kept frames as marks."""
        left, top, width, height = 48, 26, 1200, 260
        picture = np.full((height + top + 40, width + left + 16, 3), _PAPER, np.uint8)
        for value in (0.0, 0.25, 0.5, 0.75, 1.0):
            y = top + round((1 - value) * height)
            cv2.line(picture, (left, y), (left + width, y), (60, 60, 60), 1)
            _write(picture, f"{value:.2f}", 6, y + 5)
        y = top + round((1 - thres) * height)
        cv2.line(picture, (left, y), (left + width, y), (90, 170, 250), 1)
        columns = np.flatnonzero(np.isfinite(self._low))
        used = max(1, int(self._end / self._step) + 1)
        x = left + ((columns + 0.5) * width / used).astype(np.int64)
        points = np.stack([x, top + np.rint((1 - np.clip(self._low[columns], 0, 1)) * height).astype(np.int64)], 1)
        cv2.polylines(picture, [points.astype(np.int32)], False, (200, 200, 110), 1, cv2.LINE_AA)
        for kept in np.flatnonzero(self._kept[columns]):
            cv2.line(picture, (int(x[kept]), top + height), (int(x[kept]), top + height - 12), _MARK, 1)
            cv2.circle(picture, (int(points[kept][0]), int(points[kept][1])), 3, _MARK, -1, cv2.LINE_AA)
        _write(picture, "similarity to the frames kept before; kept frames in red; line: --thres", left, 18)
        for part in range(5):
            at = self._end * part / 4
            _write(picture, clock(at)[:8], left + round(width * part / 4) - (56 if part == 4 else 0), top + height + 24)
        return picture


def shrunk(picture: Uint8Array, width: int, height: int) -> Uint8Array:
    """Shrink an image to fit into width x height, never enlarging it; the aspect ratio stays."""
    h, w = picture.shape[:2]
    scale = min(width / w, height / h, 1.0)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    # Halving first is fast; the area average of averages is the same except for a row or column at the edge.
    while picture.shape[1] >= 4 * size[0] and picture.shape[0] >= 4 * size[1]:
        picture = cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA)
    small: Uint8Array = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small


def clock(seconds: float) -> str:
    """Return `01:02:03.456`."""
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def write_sheet(path: str, sheet: Sheet) -> None:
    """Write the contact sheet as a JPEG, if there is anything on it. Raises FastsimError."""
    drawn = sheet.draw()
    if drawn is not None:
        write_picture(path, drawn, "jpg", 88)


def write_table(path: str, lines: Sequence[str]) -> None:
    """Write text lines, whole or not at all. Raises FastsimError."""
    write_whole(path, "".join(line + "\n" for line in lines).encode("utf-8"))


def _write(picture: Uint8Array, text: str, x: int, y: int) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
