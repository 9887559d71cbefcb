"""Video: frames a second of a drawn H.264 file, on the device and on the CPU, for every frame and every tenth."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from bench.gpu.measuring import DEVICE, Clock, Row, Sizes, timed
from fastsim.decode.video.sampling import Sampling
from fastsim.device import Device
from fastsim.records.files import MediaFile, Snapshot
from fastsim.videos import frames


def drawn(path: Path, count: int, size: tuple[int, int], codec: str = "libx264") -> MediaFile:
    """Draw a still with a stripe that wanders: `count` frames of `size` pixels at 25 a second."""
    width, height = size
    small = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    picture = np.repeat(np.repeat(small, -(-height // 9), 0), -(-width // 16), 1)[:height, :width]
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "23", "bf": "2"} if codec == "libx264" else {"b": "2M"}
        stream.codec_context.thread_type = "AUTO"
        for k in range(count):
            shown = picture.copy()
            shown[:, k * 8 % (width - 16) :][:, :16] = 255
            output.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        output.mux(stream.encode(None))
    return MediaFile(0, str(path), str(path), Snapshot.of(str(path)))


def taken(
    file: MediaFile, sizes: Sizes, device: str, skip: int, notes: list[str], *, whole: bool = False
) -> Iterator[frames.Taken]:
    events = frames.events(
        [file], Sampling(skip=skip), crop=0.85, size=sizes.side, threads=os.cpu_count() or 1, with_frames=whole,
        where=frames.Where(Device.parse(device), notes.append),
    )  # fmt: skip
    for event in events:
        assert not isinstance(event, frames.Unreadable), event
        if isinstance(event, frames.Taken):
            yield event


def part(sizes: Sizes, _clock: Clock) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        width, height = sizes.frame
        file = drawn(Path(folder) / "drawn.mp4", sizes.frames, sizes.frame)
        what, notes = f"video {width}x{height} H.264", list[str]()
        worst = 0.0
        pairs = zip(taken(file, sizes, DEVICE, 10, notes), taken(file, sizes, "cpu", 10, notes), strict=True)
        for ours, exact in pairs:
            assert ours.index == exact.index
            pixels = ours.pixels.get() if hasattr(ours.pixels, "get") else ours.pixels
            worst = max(worst, float(np.abs(pixels.astype(int) - exact.pixels).mean()))
        assert worst < 6, f"a frame differs by {worst} grey levels from the CPU's"
        yield what, "valid", f"within {worst:.2f} grey levels of the CPU's on average", "; ".join(notes) or "by NVDEC"
        for device in (DEVICE, "cpu"):
            for skip in (1, 10):
                yield timed_row(what, file, sizes, device, skip)


def timed_row(what: str, file: MediaFile, sizes: Sizes, device: str, skip: int) -> Row:
    """Frames of the file a second. A video that the GPU left to the CPU is a row of the CPU, with the reason."""
    notes: list[str] = []
    seconds = timed(lambda: sum(1 for _ in taken(file, sizes, device, skip, notes)), 1)
    where = f"cpu, asked for {device}" if notes else device
    note = notes[0].removeprefix(f"{file.path}: ") if notes else "frames of the file"
    return what, f"{where}, every {skip}", f"{sizes.frames / seconds:.0f} frames/s", note
