"""Decode the wanted frames of a video, and the frames on which they depend.

Two kinds of frames are left out, and neither changes a wanted frame or its number: frames that no other refers to
(H.264 and HEVC mark them), and everything before the last point that resets the decoder (an IDR picture) ahead of
--start, or of the next chosen frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from av.error import FFmpegError

from fastsim.decode.video.presentation import WARM_UP, Presentation, Slot, UnprovenError

_HEVC_LAYERS_AT = 21
_IDR = {"h264": (5,), "hevc": (19, 20)}
_MOST_HELD = 1500
"""Packets that wait for a point to begin at; if none comes for so long, they are decoded."""


def can_be_sparse(context: Any) -> bool:
    """Return whether the codec marks frames that no other depends on. context: av.CodecContext."""
    if context.name == "h264":
        return True
    extra = context.extradata
    # With temporal layers, a frame that its own layer does not refer to may serve a higher one: not supported.
    one_layer = extra and len(extra) > _HEVC_LAYERS_AT and extra[0] == 1 and extra[_HEVC_LAYERS_AT] >> 3 & 7 == 1
    return bool(context.name == "hevc" and one_layer)


class SparseDecoder:
    """Decode one stream from its beginning.

    starts: timestamps, ascending; nothing is wanted before the first, nor between a wanted frame and the next of them.
    """

    def __init__(self, context: Any, plan: Presentation, starts: Sequence[float]) -> None:
        self._context = context
        self._plan = plan
        self._starts = deque(starts)
        self._start: float | None = self._starts.popleft() if starts else None
        self._waiting: deque[Any] = deque()
        self._fed = False
        self._warm = False

    def frames(self, packets: Iterable[Any]) -> Iterator[tuple[Slot, Any]]:
        """Yield (slot, av.VideoFrame) of every decoded frame, wanted or not, in presentation order.

        Raises UnprovenError as soon as the frames differ from the expected ones; all frames before are right.
        """
        plan, waiting = self._plan, self._waiting
        for packet in packets:
            if packet.is_corrupt:
                raise UnprovenError
            if not packet.is_discard:
                plan.add(packet.pts, packet.dts)
                if self._start is not None:
                    yield from self._look_for_the_start(packet)
            waiting.append(packet)
            yield from self._feed()
            if plan.is_over:
                return
        plan.end()
        self._starts.clear()
        self._start = None
        yield from self._feed()
        yield from self._drain()
        plan.check_end()

    def _look_for_the_start(self, packet: Any) -> Iterator[tuple[Slot, Any]]:
        """Drop the packets before one that resets the decoder, as long as that is still before the start."""
        assert self._start is not None
        if packet.pts > self._start or (packet.dts is not None and packet.dts >= self._start):
            self._start = None
        elif packet.is_keyframe and self._waiting and self._is_warm() and is_idr(packet, self._context):
            if self._fed:
                yield from self._drain()
                self._context.flush_buffers()
                self._fed = False
            self._plan.pass_over({held.pts for held in self._waiting if not held.is_discard}, packet.pts)
            self._waiting.clear()

    def _is_warm(self) -> bool:
        """Return whether no waiting packet is of a frame at the start, whose decodability is not known yet."""
        if not self._warm and self._plan.count >= WARM_UP:
            slots = (self._plan.slot(held.pts) for held in self._waiting if not held.is_discard)
            self._warm = not any(slot is not None and slot.index < WARM_UP for slot in slots)
        return self._warm

    def _feed(self) -> Iterator[tuple[Slot, Any]]:
        """Decode the first waiting packets, as long as it is known which of their frames are wanted."""
        hold = self._start is not None and len(self._waiting) < _MOST_HELD and self._is_warm()
        while self._waiting:
            packet = self._waiting[0]
            must_come = True
            if not packet.is_discard:
                slot = self._plan.slot(packet.pts)
                if slot is None or (hold and not slot.must_come):
                    return
                must_come = slot.must_come
            self._waiting.popleft()
            self._context.skip_frame = "DEFAULT" if must_come else "NONREF"
            self._fed = True
            yield from self._decode(packet)

    def _drain(self) -> Iterator[tuple[Slot, Any]]:
        self._context.skip_frame = "DEFAULT"
        return self._decode(None)

    def _decode(self, packet: Any) -> Iterator[tuple[Slot, Any]]:
        try:
            images = self._context.decode(packet)
        except (FFmpegError, EOFError):
            raise UnprovenError from None
        for image in images:
            slot = self._plan.come(image.pts)
            if slot.wanted and self._starts:
                self._look_behind(slot.pts)
            yield slot, image

    def _look_behind(self, pts: int) -> None:
        """Record that nothing is wanted between the frame with this timestamp and the next start."""
        while self._starts and self._starts[0] < pts + 1:
            self._starts.popleft()
        self._start = self._starts.popleft() if self._starts else None


def is_idr(packet: Any, context: Any) -> bool:
    """Return whether the packet holds an IDR picture, after which nothing refers to anything before it."""
    data, extra, wanted = bytes(packet), context.extradata or b"", _IDR[context.name]
    is_hevc = context.name == "hevc"
    if extra[:1] == b"\x01":  # avcC or hvcC: units with their length in front
        width = (extra[_HEVC_LAYERS_AT if is_hevc else 4] & 3) + 1
        place, heads = 0, []
        while place + width < len(data):
            heads.append(data[place + width])
            place += width + int.from_bytes(data[place : place + width], "big")
    else:
        heads = [part[0] for part in data.split(b"\0\0\1")[1:] if part]
    return any((head >> 1 & 63 if is_hevc else head & 31) in wanted for head in heads)
