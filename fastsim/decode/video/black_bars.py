"""Find black bars at the edges of a video, and the picture between them.

A bar is black in every frame that shows anything, is uniform, and ends in a straight line that is lit along most of
its length. Dark scenes, and lit objects before a dark ground, have no such edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from fastsim.decode.video.pixels import Box
from fastsim.decode.video.reader import UnreadableVideoError, Video
from fastsim.records.arrays import Uint8Array

_BLACK = 30
"""Brightness, 0 to 255: black is 16, or 0, and compression adds some noise."""
_SPECKS = 0.03
"""Fraction of a line that may be brighter in a bar."""
_EVEN, _EVENEST = 4.0, 1.5
"""Standard deviation of the brightness within a bar; the lower one for a bar without a counterpart on the other side.
"""
_LIT, _WELL_LIT = 0.5, 0.8
"""Fraction of a bar's edge along which the picture is lit in some frame; the higher one for a bar on one side only."""
_LEAST_PICTURE = 0.15
"""Smallest fraction of width and height that remains."""
_LOOKS = 12
"""Frames that are inspected, spread over the video."""
_FEW = 4
_MOST_PACKETS = 300
_MOST_FRAMES = 1500


def picture_box(path: str, frame: Any) -> Box | None:
    """Return the part of stored frames between black bars, or None without bars.

    frame: any decoded one (av.VideoFrame). The file is only opened once more if `frame` has a black edge.
    """
    size = frame.width, frame.height
    if not _has_black_edge(_brightness(frame)):
        return None
    seen = _Seen(*size)
    for image in _looks(path):
        if (image.width, image.height) == size:
            seen.add(_brightness(image))
            if seen.is_full:
                return None
    return seen.box()


def _has_black_edge(picture: Uint8Array) -> bool:
    edges = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
    return any(float((edge > _BLACK).mean()) <= _SPECKS for edge in edges)


class _Seen:
    """Collect which lines and columns the frames have lit so far."""

    def __init__(self, width: int, height: int) -> None:
        self._lit = np.zeros((height, width), bool)
        self._lines = [np.zeros(height), np.zeros(width)]
        """Largest lit fraction of each line and of each column in one frame."""
        self._frames: list[Uint8Array] = []

    def add(self, picture: Uint8Array) -> None:
        lit = picture > _BLACK
        if lit.mean() < 0.02:  # a black frame carries no information
            return
        self._lit |= lit
        for axis, lines in enumerate(self._lines):
            np.maximum(lines, lit.mean(axis=1 - axis), out=lines)
        self._frames.append(picture)

    @property
    def is_full(self) -> bool:
        """Return whether all four edges are lit, so that there are no bars."""
        return all(min(lines[0], lines[-1]) > _SPECKS for lines in self._lines)

    def box(self) -> Box | None:
        if not self._frames:
            return None
        (top, bottom), (left, right) = (self._extent(lines) for lines in self._lines)
        inner = self._lit[top:bottom, left:right]
        height, width = self._lit.shape
        rows = _cut(top, height - bottom, inner, self._bars(0, top), self._bars(0, bottom - height))
        columns = _cut(left, width - right, inner.T, self._bars(1, left), self._bars(1, right - width))
        (top, below), (left, beside) = rows, columns
        box = Box(left, top, width - left - beside, height - top - below)
        if box.width < _LEAST_PICTURE * width or box.height < _LEAST_PICTURE * height:
            return None
        return None if (box.width, box.height) == (width, height) else box

    @staticmethod
    def _extent(lines: NDArray[np.float64]) -> tuple[int, int]:
        lit = np.flatnonzero(lines > _SPECKS)
        return (int(lit[0]), int(lit[-1]) + 1) if len(lit) else (0, len(lines))

    def _bars(self, axis: int, lines: int) -> float:
        """Return the largest standard deviation, over all frames, of the first (if negative, last) `lines` lines."""
        if lines == 0:
            return 0.0
        part = slice(0, lines) if lines > 0 else slice(lines, None)
        return max(float((one[part] if axis == 0 else one[:, part]).std()) for one in self._frames)


def _cut(before: int, behind: int, inner: NDArray[np.bool_], uneven: float, uneven_behind: float) -> tuple[int, int]:
    """Return how many lines of two opposite bars to cut off.

    inner: what is lit between them, and a line of it beside each bar.
    """
    total = before + len(inner) + behind
    least = max(2, total // 100)
    alike = min(before, behind) >= least and abs(before - behind) <= max(4, max(before, behind) // 4)
    most_uneven, lit = (_EVEN, _LIT) if alike else (_EVENEST, _WELL_LIT)
    cut = []
    for size, unevenness, edge in ((before, uneven, inner[:3]), (behind, uneven_behind, inner[-3:])):
        is_bar = size >= least and unevenness <= most_uneven and float(edge.any(axis=0).mean()) >= lit
        cut.append(size + 1 if is_bar else 0)  # the line at the edge is half bar
    return cut[0], cut[1]


def _brightness(frame: Any) -> Uint8Array:
    """Return the luma of a frame as uint8[h, w]; of more than 8 bits, the upper ones."""
    name = frame.format.name
    plain = name.startswith(("yuv4", "yuvj4", "yuva4", "nv1", "gray", "p010")) and not name.endswith("be")
    if not plain or name.startswith("grayf"):
        frame = frame.reformat(format="gray")
        name = "gray"
    plane, bits = frame.planes[0], frame.format.components[0].bits
    kind, shift = (np.uint8, 0) if bits == 8 else (np.dtype("<u2"), 8 if name.startswith("p010") else bits - 8)
    lines: Any = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size).view(kind)[:, : plane.width]
    bright: Uint8Array = lines if shift == 0 else (lines >> shift).astype(np.uint8)
    return bright


def _looks(path: str) -> Iterator[Any]:
    """Yield frames spread over the video: those that can be decoded on their own, and others if there are few."""
    found = set()
    with suppress(UnreadableVideoError, FFmpegError, EOFError, OSError):
        for image in _whole_frames(path):
            if image.pts not in found:
                found.add(image.pts)
                yield image
    if len(found) < _FEW:
        with suppress(UnreadableVideoError, FFmpegError, EOFError, OSError):
            yield from _all_frames(path)


def _whole_frames(path: str) -> Iterator[Any]:
    with Video(path, 1) as video:
        container, stream, context = video.container, video.stream, video.context
        context.skip_frame = "NONKEY"
        length = video.duration or (container.duration or 0) / 1e6
        begin = (container.start_time or 0) / 1e6
        for look in range(_LOOKS if length else 0):
            container.seek(round((begin + length * (look + 0.5) / _LOOKS) * 1e6))
            for number, packet in enumerate(container.demux(stream)):
                images = context.decode(packet) if packet.is_keyframe or not packet.size else []
                if not images and packet.size and packet.is_keyframe:
                    images = context.decode(None)
                    context.flush_buffers()
                if images or number > _MOST_PACKETS:
                    yield from images[:1]
                    break


def _all_frames(path: str) -> Iterator[Any]:
    with Video(path, 1) as video:
        step = max(1, min(video.expected_frames() or _MOST_FRAMES, _MOST_FRAMES) // _LOOKS)
        for number, image in enumerate(video.decoded()):
            if number % step == 0:
                yield image
            if number >= _MOST_FRAMES:
                return
