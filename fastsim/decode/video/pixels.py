"""Convert a decoded video frame (av.VideoFrame) to the network's square or to a whole image, as a player shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import VideoReformatter

from fastsim.decode.video import hdr
from fastsim.records.arrays import Uint8Array

_PLANAR = {f"yuv{kind}p": f"yuv{kind}p" for kind in ("420", "422", "440", "444", "411", "410")}
_PLANAR |= {f"yuvj{kind}p": f"yuvj{kind}p" for kind in ("420", "422", "440", "444", "411")}
"""Formats of three planes of bytes: each is cropped in place and averaged on its own, which avoids converting the
whole frame. Colour conversion is linear, so it may follow the averaging.
"""
_UNSPECIFIED, _BT2020 = 2, 9
"""Colour spaces by the numbers of ITU-T H.273."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: its upper left corner, width and height in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Look:
    """Properties needed to show a frame.

    aspect: width of a stored pixel divided by its height; transfer: of HDR frames.
    """

    aspect: Fraction = Fraction(1)
    transfer: hdr.Transfer | None = None

    def shown(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of a stored frame with square pixels; the height stays."""
        return max(1, round(width * self.aspect)), height


PLAIN = Look()


def crop_box(width: int, height: int, area: float) -> Box:
    """Return the central box with `area` (0 < area <= 1) of a frame: both sides scaled by sqrt(area), rounded."""
    scale = math.sqrt(area)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    return Box((width - w) // 2, (height - h) // 2, w, h)


def crop_inside(width: int, height: int, inside: Box | None, area: float) -> Box:
    """Return `crop_box` of the part `inside` of a frame; None: of all of it."""
    if inside is None:
        return crop_box(width, height, area)
    box = crop_box(inside.width, inside.height, area)
    return Box(inside.x + box.x, inside.y + box.y, box.width, box.height)


@dataclass(frozen=True, slots=True)
class Turn:
    """The way from stored pixels to shown ones: exchange the axes, then mirror left-right and top-bottom."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def from_matrix(cls, matrix: list[int] | None) -> Turn:
        """Build it from a display matrix of 9 numbers, row by row: x' = m0 x + m3 y, y' = m1 x + m4 y.

        Turns that are not right angles are rounded to the nearest one.
        """
        if matrix is None or len(matrix) != 9:
            return cls()
        a, b, c, d = matrix[0], matrix[1], matrix[3], matrix[4]
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def apply(self, picture: Uint8Array) -> Uint8Array:
        """Return uint8[h, w, 3] as it is shown."""
        if self.transpose:
            picture = picture.transpose(1, 0, 2)
        if self.mirror_x:
            picture = picture[:, ::-1]
        if self.mirror_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


def turn_of(frame: Any) -> Turn:
    """Return the rotation and mirroring that the container specifies."""
    # Not frame.side_data: the frame would keep that object, which holds the frame; such a cycle stays until Python's
    # next full collection, and hundreds of frames with it. By name, because slices and iteration differ between PyAV
    # 14, 18 and 19.
    matrix = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # its stub lacks the constructor
    return Turn() if matrix is None else Turn.from_matrix(np.frombuffer(bytes(matrix), np.int32).tolist())


def whole_picture(frame: Any, look: Look = PLAIN) -> Uint8Array:
    """Return the whole frame in full size as BGR uint8[h, w, 3], as it is shown."""
    width, height = look.shown(frame.width, frame.height)
    scaled = {} if width == frame.width else {"width": width, "height": height, "interpolation": "BICUBIC"}
    if look.transfer is not None:
        _specify(frame)
        rgb = hdr.to_sdr(frame.to_ndarray(format="rgb48le", **scaled), look.transfer)
    else:
        # Not straight to bgr24: FFmpeg's conversion from more than 8 bits to that is less exact.
        rgb = frame.to_ndarray(format="rgb24", **scaled)
    return turn_of(frame).apply(rgb[..., ::-1])


def _specify(frame: Any) -> None:
    """Set what HDR frames leave unspecified: the colours of BT.2020, and the limited range."""
    if frame.colorspace == _UNSPECIFIED:
        frame.colorspace = _BT2020
    if frame.color_range == 0:
        frame.color_range = 1


class Squarer:
    """Make the network's input from frames. It keeps the scalers of the last frame format; use it from one thread."""

    def __init__(self, crop: float) -> None:
        self._crop = crop
        self._inside: tuple[int, int, Box] | None = None
        self._scalers = [VideoReformatter() for _ in range(4)]

    def leave_out(self, width: int, height: int, inside: Box | None) -> None:
        """Restrict frames of this size to the part `inside`; the crop is taken from that."""
        self._inside = None if inside is None else (width, height, inside)

    def square(self, frame: Any, size: int, look: Look = PLAIN) -> Uint8Array:
        """Return the central part of the frame, as shown, resized by area averages to RGB uint8[size, size, 3]."""
        if look.transfer is not None:
            _specify(frame)
            rgb = frame.to_ndarray(format="rgb48le")
            box = self._box(frame)
            part = rgb[box.y : box.y + box.height, box.x : box.x + box.width]
            square = hdr.to_sdr(_averages(part, size), look.transfer)
        elif frame.format.name in _PLANAR:
            planes = [self._plane(frame, k, size) for k in range(3)]
            small = av.VideoFrame.from_ndarray(np.stack(planes), format=frame.format.name.replace(_kind(frame), "444"))
            small.colorspace, small.color_range = frame.colorspace, frame.color_range
            square = _rows(self._scalers[3].reformat(small, format="rgb24"), 3)
        else:
            rgb = frame.to_ndarray(format="rgb24")
            box = self._box(frame)
            part = np.ascontiguousarray(rgb[box.y : box.y + box.height, box.x : box.x + box.width])
            square = self._shrink(part, "rgb24", 0, size)
        return turn_of(frame).apply(square)

    def _box(self, frame: Any) -> Box:
        inside = self._inside
        fits = inside is not None and inside[:2] == (frame.width, frame.height)
        return crop_inside(frame.width, frame.height, inside[2] if inside and fits else None, self._crop)

    def _plane(self, frame: Any, k: int, size: int) -> Uint8Array:
        plane = _rows(frame, 1, k)[:, :, 0]
        box = self._box(frame)
        # Chroma planes are smaller; their box is rounded outwards.
        across, down = -(-frame.width // plane.shape[1]), -(-frame.height // plane.shape[0])
        x, y = box.x // across, box.y // down
        part = plane[y : -(-(box.y + box.height) // down), x : -(-(box.x + box.width) // across)]
        return self._shrink(part, "gray", k, size)[:, :, 0]

    def _shrink(self, part: Uint8Array, form: str, k: int, size: int) -> Uint8Array:
        source = av.VideoFrame.from_numpy_buffer(part, form)
        scaled = self._scalers[k].reformat(source, width=size, height=size, format=form, interpolation="AREA")
        return _rows(scaled, 3 if form == "rgb24" else 1)


def _averages(picture: Any, size: int) -> Any:
    """Return area averages uint16[size, size, 3] of uint16[h, w, 3]."""
    for axis in (1, 0):
        length = picture.shape[axis]
        edges = np.linspace(0, length, size + 1)
        low = np.minimum(edges.astype(np.int64), length - 1)
        total = np.cumsum(picture, axis=axis, dtype=np.float64)
        before = np.take(total, low, axis=axis) - np.take(picture, low, axis=axis)
        part = np.take(picture, low, axis=axis) * (edges - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        picture = np.diff(before + part, axis=axis) * (size / length)
    return np.rint(picture).astype(np.uint16)


def _kind(frame: Any) -> str:
    return "".join(c for c in str(frame.format.name) if c.isdigit())


def _rows(frame: Any, channels: int, k: int = 0) -> Uint8Array:
    """Return plane k as uint8[h, w, channels], without the padding of its lines; it shares the frame's memory."""
    plane = frame.planes[k]
    lines = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return lines[:, : plane.width * channels].reshape(plane.height, plane.width, channels)
