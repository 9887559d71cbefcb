"""Decode video frames with NVIDIA DALI: NVDEC decodes, the device crops, resizes and turns. Not yet run on a GPU.

The numbers and times of its frames must match those of the file's packets (index.py). Whatever it cannot do, and
whatever differs, raises UnsuitedError, and the caller lets the CPU decode the rest. Only every `stride`-th frame is
converted and kept; the codec decodes the frames that these need.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from nvidia.dali import Pipeline, fn, types

from fastsim.decode.dali import taken
from fastsim.decode.video.index import UnsuitedError, VideoIndex
from fastsim.decode.video.pixels import crop_inside
from fastsim.records.arrays import Uint8Array
from fastsim.run.traffic import Traffic

CODECS = ("h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mjpeg")
"""Codecs that NVDEC decodes, by FFmpeg's names; which of them depends on the GPU, and DALI reports it."""
PIXELS = ("yuv420p", "yuvj420p")
"""Formats of stored pixels: 8 bits, colour at half the resolution."""
_BYTES = 64 * 2**20
_MOST_FRAMES = 16
"""Frames per sequence, or as many as fit into _BYTES in full size."""
_SLACK = 0.02
"""Seconds by which a frame's time may differ from its packet's: DALI's times are rounded."""


class DeviceFrame:
    """One frame. pixels: RGB uint8[side, side, 3] on the device, for the network."""

    __slots__ = ("_index", "_traffic", "_whole", "index", "pixels", "seconds")

    def __init__(self, number: int, pixels: Any, whole: Any, index: VideoIndex, traffic: Traffic) -> None:
        self.index, self.seconds, self.pixels = number, index.seconds[number], pixels
        self._whole, self._index, self._traffic = whole, index, traffic

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height in pixels, as shown."""
        return self._index.shown

    @property
    def bytes(self) -> int:
        """Return the bytes of device memory that it holds."""
        return int(self.pixels.nbytes if self._whole is None else self._whole.nbytes)

    def picture(self) -> Uint8Array:
        """Return the whole frame as BGR uint8[h, w, 3] on the host. Only if whole frames were requested."""
        whole = self._whole
        if not isinstance(whole, np.ndarray):
            self._traffic.down("frames", whole.nbytes)
            with whole.device:
                whole = whole.get()
        return self._index.turn.apply(whole[..., ::-1])


class DeviceVideo:
    """A video that the device decodes. device None: DALI on the CPU, for tests."""

    def __init__(
        self, path: str, index: VideoIndex, *, device: int | None, side: int, crop: float, threads: int,
        with_whole: bool, traffic: Traffic | None = None,
    ) -> None:  # fmt: skip
        """Open the video. Raises UnsuitedError for what NVDEC is known not to decode."""
        if index.codec not in CODECS:
            raise UnsuitedError(f"its codec ({index.codec}) is none that the GPU decodes")
        if index.pixels not in PIXELS:
            raise UnsuitedError(f"its pixels ({index.pixels}) are none that the GPU decodes")
        self._path, self._index, self._device = path, index, device
        self._side, self._crop, self._threads, self._with_whole = side, crop, threads, with_whole
        self._traffic = traffic or Traffic()
        self._first: float | None = None  # offset of DALI's times to ours: DALI may count from another start

    def frames(self, wanted: Sequence[int]) -> Iterator[DeviceFrame]:
        """Yield the frames with these ascending numbers, in order. Raises UnsuitedError, also after some of them."""
        if not wanted:
            return
        stride = math.gcd(*(b - a for a, b in pairwise(wanted))) or 1
        length = max(1, min(_MOST_FRAMES, _BYTES // (3 * self._index.width * self._index.height)))
        left = set(wanted)
        self._traffic.up("video", os.path.getsize(self._path))
        with tempfile.TemporaryDirectory(prefix="fastsim-") as folder:
            pipe = self._pipeline(_listed(self._path, wanted[0], wanted[-1] + 1, folder), stride, length)
            for start in range(wanted[0], wanted[-1] + 1, stride * length):
                expected = [n for n in range(start, start + stride * length, stride) if n <= wanted[-1]]
                for number, frame in zip(expected, self._sequence(pipe, expected), strict=True):
                    if number in left:
                        yield frame

    def _pipeline(self, listed: str, stride: int, length: int) -> Any:
        """Build a pipeline for sequences of `length` frames, every `stride`-th.

        Its outputs are squares, their numbers and times, and whole frames.
        """
        index = self._index
        box = crop_inside(index.width, index.height, index.inside, self._crop)
        kind = "cpu" if self._device is None else "gpu"
        pipe = Pipeline(batch_size=1, num_threads=self._threads, device_id=self._device, prefetch_queue_depth=2)
        with pipe:
            outputs: Any = fn.experimental.readers.video(
                device=kind, file_list=listed, file_list_format="frames", file_list_include_end=False,
                sequence_length=length, stride=stride, step=length * stride, pad_mode="constant",
                enable_frame_num="sequence", enable_timestamps=True, image_type=types.RGB,
            )  # fmt: skip
            whole, _, number, seconds = outputs
            part = fn.slice(whole, start=[box.y, box.x], shape=[box.height, box.width], axis_names="HW")
            square = fn.resize(part, size=(self._side, self._side), interp_type=types.INTERP_LINEAR, antialias=True)
            if index.turn.transpose:
                square = fn.transpose(square, perm=[0, 2, 1, 3], transpose_layout=False)
            if index.turn.mirror_x or index.turn.mirror_y:
                square = fn.flip(square, horizontal=int(index.turn.mirror_x), vertical=int(index.turn.mirror_y))
            pipe.set_outputs(square, number, seconds, *([whole] if self._with_whole else []))
        try:
            pipe.build()
        except RuntimeError as error:
            raise UnsuitedError(_reason(error)) from None
        return pipe

    def _sequence(self, pipe: Any, expected: list[int]) -> list[DeviceFrame]:
        """Return the next sequence, copied, which must be the frames `expected`."""
        try:
            square, number, seconds, *whole = pipe.run()
            pixels = taken(square, self._device, on_default=True)[0]
            wholes = taken(whole[0], self._device, on_default=True)[0] if whole else [None] * len(expected)
        except (RuntimeError, ValueError, IndexError, MemoryError, StopIteration) as error:
            raise UnsuitedError(_reason(error)) from None
        told, at = _on_host(number), _on_host(seconds)
        if told[: len(expected)].tolist() != expected or len(pixels) < len(expected):
            raise UnsuitedError(f"the decoder gave frames {told.tolist()[:3]}..., not {expected[:3]}...")
        self._first = at[0] - self._index.seconds[expected[0]] if self._first is None else self._first
        known = np.array([self._index.seconds[n] for n in expected]) + self._first
        if np.abs(at[: len(expected)] - known).max() > _SLACK:
            raise UnsuitedError(f"the decoder's times differ from the file's near {known[0]:.2f} s")
        return [
            DeviceFrame(n, p, w, self._index, self._traffic) for n, p, w in zip(expected, pixels, wholes, strict=False)
        ]


def _on_host(values: Any) -> Any:
    """Return a small output as a one-dimensional NumPy array."""
    return np.asarray((values.as_cpu() if hasattr(values, "as_cpu") else values).as_array()).reshape(-1)


def _listed(path: str, start: int, stop: int, folder: str) -> str:
    """Write a file that names the video and the part start <= frame < stop.

    The video is named by a link, because the format does not allow blanks.
    """
    link, listed = Path(folder) / f"video{Path(path).suffix or '.mp4'}", Path(folder) / "list"
    link.symlink_to(os.path.abspath(path))
    listed.write_text(f"{link} 0 {start} {stop}\n", encoding="utf-8")
    return str(listed)


def _reason(error: Exception) -> str:
    """Return DALI's own error text, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    where = next((k for k, line in enumerate(lines) if line.startswith("encountered:")), -1)
    line = lines[where + 1] if where + 1 < len(lines) else type(error).__name__
    return f"DALI can't decode it ({line[:160]})"
