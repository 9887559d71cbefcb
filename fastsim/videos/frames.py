"""Read many videos as one stream of events, decoded ahead of the consumer: there is no pause between two videos."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastsim.decode import choose_size
from fastsim.decode.video.sampling import Selection
from fastsim.device import CPU, Device
from fastsim.errors import shown
from fastsim.records.arrays import Uint8Array
from fastsim.records.files import MediaFile
from fastsim.run.traffic import Traffic
from fastsim.videos.ahead import run_ahead

BUDGET = 64 * 2**20
"""Bytes of decoded frames that may wait for the network: 20 in full HD, 5 in 4K."""
_MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class VideoOpened:
    """A video begins. `expected`: about how many frames it has, for a progress bar."""

    video: MediaFile
    expected: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame of the video that was opened last.

    pixels: RGB uint8[size, size, 3], a CuPy array if a GPU decoded; uint8[0, 0, 3] if they are not needed, or the row
    is known.
    """

    index: int
    seconds: float
    pixels: Uint8Array
    size: tuple[int, int]
    bytes: int
    frame: Any
    """A decode.video.TakenFrame, or a DeviceFrame of a GPU; None if the whole frame is not needed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The video that was opened last is over. `problem`: why it ended early or has gaps, else empty."""

    video: MediaFile
    frames_read: int
    problem: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A video of which nothing could be read; it may have been opened before."""

    video: MediaFile
    reason: str


Event = VideoOpened | Taken | Ended | Unreadable


@dataclass(frozen=True, slots=True)
class Where:
    """Where videos are decoded: `device` as in Compute; `note` receives each video that a GPU leaves to the CPU."""

    device: Device = CPU
    note: Callable[[str], None] = lambda _line: None
    traffic: Traffic = field(default_factory=Traffic)


NO_PIXELS = np.empty((0, 0, 3), np.uint8)
"""The pixels of a frame that is only to be saved, or whose row is known."""


def events(
    videos: Sequence[MediaFile], sampling: Selection, *, crop: float, size: int | None, threads: int, with_frames: bool,
    with_pixels: bool = True, where: Where | None = None,
) -> Generator[Event]:  # fmt: skip
    """Yield all frames that are taken of all videos, one video after the other, decoded on threads of their own.

    size: side of the network's input in pixels; None: by `decode.choose_size`. A video that cannot be read does not
    affect others. with_frames: whether the frames in full size are needed; with_pixels: whether the network's input is
    needed. `where`: by default the CPU.
    """
    wanted = _Wanted(sampling, crop, size, threads, with_frames, with_pixels, where or Where())
    with closing(run_ahead(_events(videos, wanted), budget=BUDGET, weigh=_weigh)) as ahead:
        yield from ahead


class _Wanted(NamedTuple):
    sampling: Selection
    crop: float
    size: int | None
    threads: int
    with_frames: bool
    with_pixels: bool
    where: Where

    def side(self, shown: tuple[int, int]) -> int:
        return choose_size(*shown) if self.size is None else self.size


def _events(videos: Sequence[MediaFile], wanted: _Wanted) -> Iterator[Event]:
    from fastsim.decode.video.reader import UnreadableVideoError

    for file in videos:
        try:
            yield from _on_cpu(file, wanted) if wanted.where.device == CPU else _on_device(file, wanted)
        except UnreadableVideoError as error:
            yield Unreadable(file, str(error))
        except Exception as error:  # a decoder failed in a way that its authors did not expect: the other videos go on
            line = (str(error).strip().splitlines() or [""])[0][:200]
            yield Unreadable(file, f"{type(error).__name__}: {line}" if line else type(error).__name__)


def _on_cpu(file: MediaFile, wanted: _Wanted, after: int | None = None) -> Iterator[Event]:
    """Yield the events of one video. Raises UnreadableVideoError.

    after: the video is open already, and its frames up to this number were yielded.
    """
    from fastsim.decode.video.black_bars import picture_box
    from fastsim.decode.video.pixels import Squarer
    from fastsim.decode.video.reader import Video

    squarer = Squarer(wanted.crop)
    with Video(file.path, wanted.threads) as video:
        if after is None:
            yield VideoOpened(file, video.expected_frames())
        for number, frame in enumerate(video.frames(wanted.sampling)):
            if number == 0 and wanted.with_pixels:
                stored = frame.stored
                squarer.leave_out(stored.width, stored.height, picture_box(file.path, stored))
            if after is None or frame.index > after:
                pixels = frame.square(squarer, wanted.side(frame.size)) if wanted.with_pixels else NO_PIXELS
                kept = frame if wanted.with_frames else None
                yield Taken(frame.index, frame.seconds, pixels, frame.size, frame.bytes, kept)
        start = next(iter(wanted.sampling.starts), 0.0)
        if video.reached < start and not video.problem:
            yield Unreadable(file, f"it ends at {video.reached:.1f} s, before the start that was asked for")
        else:
            yield Ended(file, video.frames_read, video.problem)


def _on_device(file: MediaFile, wanted: _Wanted) -> Iterator[Event]:
    """Yield the events of one video like `_on_cpu`. Raises UnreadableVideoError.

    What the GPU cannot decode, or not to its end, the CPU decodes, and `note` is called.
    """
    from fastsim.decode.video.dali import DeviceVideo
    from fastsim.decode.video.index import UnsuitedError, index_of
    from fastsim.decode.video.reader import Video

    where, last = wanted.where, None
    try:
        with Video(file.path, wanted.threads) as video:
            index = index_of(video)
        numbers, frames_read = index.select(wanted.sampling)
        on_device = DeviceVideo(
            file.path, index, device=_number(where.device), side=wanted.side(index.shown), crop=wanted.crop,
            threads=wanted.threads, with_whole=wanted.with_frames, traffic=where.traffic,
        )  # fmt: skip
        for frame in on_device.frames(numbers):
            if last is None:
                yield VideoOpened(file, len(index.seconds))
            last = frame.index
            kept = frame if wanted.with_frames else None
            yield Taken(frame.index, frame.seconds, frame.pixels, frame.size, frame.bytes, kept)
        if last is not None:
            yield Ended(file, frames_read, "")
            return
    except UnsuitedError as error:
        begun = "" if last is None else f" from frame {last + 1} on"
        where.note(f"{shown(file.path)}: decoded by the CPU{begun}: {error}")
    yield from _on_cpu(file, wanted, last)


def _number(device: Device) -> int:
    return device.first


def _weigh(event: Event) -> int:
    if not isinstance(event, Taken):
        return 0
    held = event.bytes if event.frame is not None else event.pixels.nbytes
    return max(held, BUDGET // _MOST_WAITING)
