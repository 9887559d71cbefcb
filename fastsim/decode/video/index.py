"""Read the number and time of each frame from packet headers, to verify hardware decoders.

Only the first frame is decoded. A video whose packets leave a doubt is rejected: no timestamps, damaged or discarded
parts, frames before the first complete one, or an end that differs from the one that the container states.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from av.error import FFmpegError

from fastsim.decode.video.black_bars import picture_box
from fastsim.decode.video.clock import Clock
from fastsim.decode.video.pixels import PLAIN, Box, Turn, turn_of
from fastsim.decode.video.reader import Video
from fastsim.decode.video.sampling import Selection


class UnsuitedError(Exception):
    """Report that a hardware decoder cannot be verified on this video; the text gives the reason, in one line."""


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The frames of a video.

    seconds: the time of each frame, in presentation order, from the stream's start; width and height in pixels as
    stored; turn: from stored to shown; inside: the picture between black bars, None without bars.
    """

    seconds: tuple[float, ...]
    codec: str
    pixels: str
    width: int
    height: int
    turn: Turn
    inside: Box | None = None

    @property
    def shown(self) -> tuple[int, int]:
        """Return width and height as a player shows them."""
        return (self.height, self.width) if self.turn.transpose else (self.width, self.height)

    def select(self, sampling: Selection) -> tuple[list[int], int]:
        """Return the numbers of the frames that are taken, and the number of frames up to where reading ends."""
        select, wanted = sampling.selector(), []
        for number, seconds in enumerate(self.seconds):
            if select(number, seconds):
                wanted.append(number)
            if select.done:
                return wanted, number + 1
        return wanted, len(self.seconds)


def index_of(video: Video) -> VideoIndex:
    """Read all packets of an opened video, which is then exhausted. Raises UnsuitedError."""
    stamps: list[int] = []
    first: Any = None
    for packet in _sound_packets(video):
        if not stamps and not packet.is_keyframe:
            raise UnsuitedError("it begins amid a group of pictures")
        stamps.append(packet.pts)
        if first is None:
            first = _decoded(video, packet)
    first = first or _decoded(video, None)
    if first is None:
        raise UnsuitedError("its first frame can't be decoded")
    if min(stamps) != stamps[0]:
        raise UnsuitedError("frames come before its first whole one")
    if len(set(stamps)) != len(stamps):
        raise UnsuitedError("several frames have the same time")
    seconds = _seconds(video, sorted(stamps))
    video.frames_read, video.reached = len(seconds), seconds[-1]
    video.look_for_a_break()
    if video.problem:
        raise UnsuitedError(video.problem)
    if video.look_of(first) != PLAIN:
        raise UnsuitedError("its pixels are not square, or it is HDR")
    codec, inside = str(video.context.name), picture_box(video.path, first)
    return VideoIndex(seconds, codec, first.format.name, first.width, first.height, turn_of(first), inside)


def _sound_packets(video: Video) -> Iterator[Any]:
    for packet in video.packets():
        if packet.is_corrupt:
            raise UnsuitedError("damaged parts in it")
        if packet.is_discard:
            raise UnsuitedError("parts of it are not to be shown")
        if packet.pts is None:
            raise UnsuitedError("its frames have no times")
        yield packet


def _decoded(video: Video, packet: Any) -> Any:
    """Return the first frame that comes out after `packet` (None: at the end), or None."""
    try:
        return next(iter(video.context.decode(packet)), None)
    except (FFmpegError, EOFError):
        raise UnsuitedError("its first frame can't be decoded") from None


def _seconds(video: Video, stamps: list[int]) -> tuple[float, ...]:
    if not stamps:
        raise UnsuitedError("there is no frame in it")
    clock = Clock(video.timing)
    seconds = tuple(clock(stamp) for stamp in stamps)
    if not clock.is_plain:
        raise UnsuitedError("its clock jumps")
    return seconds
