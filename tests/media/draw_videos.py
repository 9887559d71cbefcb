"""Draws videos: scenes that a person tells apart at a glance, with the number of each frame written into it as dots.

`PYTHONPATH=tests python tests/media/draw_videos.py FOLDER` draws the README's film. Everything is seeded; nothing is taken
from anywhere.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from media.draw import Picture, chart, hills, leaves, town

DOT = 8
BITS = 14
PAN = 6
"""Pixels that the camera moves in a shot: too few for it to look like another scene."""
X264 = {
    "preset": "veryfast",
    "crf": "16",
    "g": "24",
    "bf": "3",
    "x264-params": "b-pyramid=normal:open-gop=1:scenecut=0",
}
"""B-frames that refer to each other, and open groups of pictures: whatever reorders frames."""


def scene(number: int, width: int = 320, height: int = 240) -> Picture:
    """BGR uint8[height, width, 3]; different numbers are different scenes."""
    kinds = (hills, town, chart, leaves)
    return kinds[number % 4](100 + number * 7, width, height)


def shot(number: int, frames: int, width: int = 320, height: int = 240) -> list[Picture]:
    """Draw a camera that pans slowly over scene `number`."""
    wide = scene(number, width + PAN, height)
    return [wide[:, round(PAN * k / max(1, frames)) :][:, :width] for k in range(frames)]


def stamped(picture: Picture, number: int) -> Picture:
    """Draw `number` in dots, black and white, along the lower edge."""
    marked = picture.copy()
    for bit in range(BITS):
        left = 4 + bit * DOT
        marked[-DOT - 4 : -4, left : left + DOT] = 255 if number >> bit & 1 else 0
    return marked


def stamp(picture: Picture) -> int:
    """Return the number that `stamped` wrote."""
    middle = picture[-DOT // 2 - 6 : -DOT // 2 - 2]
    return sum((float(middle[:, 4 + bit * DOT + 2 : 4 + bit * DOT + 6].mean()) > 127) << bit for bit in range(BITS))


def film(plan: Sequence[tuple[int, int]], width: int = 320, height: int = 240) -> list[Picture]:
    """Shots one after the other; plan: (scene, frames). Each frame is stamped with its number."""
    pictures = [picture for number, frames in plan for picture in shot(number, frames, width, height)]
    return [stamped(picture, k) for k, picture in enumerate(pictures)]


def encode(
    path: Path, pictures: Iterable[Picture], *, codec: str = "libx264", rate: int = 25, pixels: str = "yuv420p",
    times: Sequence[int] | None = None, options: dict[str, str] | None = None, container: dict[str, str] | None = None,
) -> Path:  # fmt: skip
    """Write a video. times: milliseconds of each frame, for a variable frame rate."""
    with av.open(str(path), "w", options=container or {}) as output:
        stream: Any = None
        for number, picture in enumerate(pictures):
            if stream is None:
                stream = output.add_stream(codec, rate=rate)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixels
                stream.options = options if options is not None else (X264 if codec == "libx264" else {})
                stream.time_base = Fraction(1, 1000) if times is not None else Fraction(1, rate)
                stream.codec_context.time_base = stream.time_base
                stream.codec_context.thread_count = 2
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
            frame.pts = number if times is None else times[number]
            frame.time_base = stream.codec_context.time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def with_matrix(path: Path, matrix: Sequence[int]) -> Path:
    """Write a display matrix (a, b, c, d of x' = ax + cy, y' = bx + dy) into an MP4, as phones do."""
    data = bytearray(path.read_bytes())
    identity = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    place = data.find(identity, data.find(b"tkhd"))
    a, b, c, d = (value * 0x10000 for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    return path


def silence(path: Path) -> Path:
    """Write a file with sound and no images."""
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        for k in range(40):
            frame.pts = k * 1024
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def decoded(path: Path) -> list[tuple[float, Picture]]:
    """(seconds, BGR) of every frame, in the plainest way there is: what the tests hold the program to."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        start = stream.start_time or 0
        return [
            (float(((frame.pts or 0) - start) * (stream.time_base or 0)), frame.to_ndarray(format="bgr24"))
            for frame in container.decode(stream)
        ]


def holiday(width: int = 640, height: int = 360) -> list[Picture]:
    """Draw the film that the README shows: ten scenes, most of them more than once, 48 seconds."""
    order = [0, 3, 0, 5, 1, 5, 7, 2, 0, 12, 3, 9, 1, 12, 15, 7]
    return [picture for number in order for picture in shot(number, 75, width, height)]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    encode(folder / "holiday.mp4", holiday())
