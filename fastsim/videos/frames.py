"""Many videos as one stream of events, decoded ahead of whoever takes them: there is no pause between two videos."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from fastsim.decode import choose_size
from fastsim.decode.sampling import Sampling
from fastsim.records import MediaFile, Uint8Array
from fastsim.videos.ahead import run_ahead

BUDGET = 64 * 2**20
"""Bytes of decoded frames that may wait for the network: 20 in full HD, 5 in 4K."""
_MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class Opened:
    """A video begins. `expected`: about how many frames it has, for a progress bar."""

    video: MediaFile
    expected: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame of the video that was opened last. pixels: RGB uint8[size, size, 3]."""

    index: int
    seconds: float
    pixels: Uint8Array
    size: tuple[int, int]
    bytes: int
    frame: Any
    """A decode.video.TakenFrame; None where only the pixels are wanted."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The video that was opened last is over. `problem`: why it ended early or has gaps, else empty."""

    video: MediaFile
    frames_read: int
    problem: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A video of which nothing was had; it may have been opened before."""

    video: MediaFile
    reason: str


Event = Opened | Taken | Ended | Unreadable


def events(
    videos: Sequence[MediaFile], sampling: Sampling, *, crop: float, size: int | None, threads: int, with_frames: bool
) -> Generator[Event]:
    """All frames that are taken of all videos, one video after the other, decoded on threads of their own.

    size: side of the network's input in pixels; None: by `decode.choose_size`. A video that can't be read costs itself
    and nothing else.
    """
    one_by_one = _events(videos, sampling, crop=crop, size=size, threads=threads, with_frames=with_frames)
    with closing(run_ahead(one_by_one, budget=BUDGET, weigh=_weigh)) as ahead:
        yield from ahead


def _events(
    videos: Sequence[MediaFile], sampling: Sampling, *, crop: float, size: int | None, threads: int, with_frames: bool
) -> Iterator[Event]:
    from fastsim.decode.pixels import Squarer
    from fastsim.decode.video import UnreadableError, Video

    for file in videos:
        squarer = Squarer(crop)
        try:
            with Video(file.path, threads) as video:
                yield Opened(file, video.expected_frames())
                for frame in video.frames(sampling):
                    side = choose_size(*frame.size) if size is None else size
                    pixels = frame.square(squarer, side)
                    kept = frame if with_frames else None
                    yield Taken(frame.index, frame.seconds, pixels, frame.size, frame.bytes, kept)
                if sampling.start is not None and video.reached < sampling.start and not video.problem:
                    yield Unreadable(file, f"it ends at {video.reached:.1f} s, before the start that was asked for")
                else:
                    yield Ended(file, video.frames_read, video.problem)
        except UnreadableError as error:
            yield Unreadable(file, str(error))
        except Exception as error:  # a decoder met what its authors did not expect: the other videos go on
            line = (str(error).strip().splitlines() or [""])[0][:200]
            yield Unreadable(file, f"{type(error).__name__}: {line}" if line else type(error).__name__)


def _weigh(event: Event) -> int:
    if not isinstance(event, Taken):
        return 0
    held = event.bytes if event.frame is not None else event.pixels.nbytes
    return max(held, BUDGET // _MOST_WAITING)
