"""Decode videos on the CPU with FFmpeg: the wanted frames, each with its number and its time.

The number of a frame is its place among all frames of the video, in presentation order, from 0. Its time is its
presentation time minus that of the stream's start, by a clock that always increases (clock.py). Neither depends on
which frames are skipped, nor on how.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError

from fastsim.decode.video.clock import Clock, Timing
from fastsim.decode.video.hdr import transfer_of
from fastsim.decode.video.pixels import PLAIN, Look, Squarer, turn_of, whole_picture
from fastsim.decode.video.presentation import Presentation, UnprovenError
from fastsim.decode.video.sampling import Selection, Selector
from fastsim.decode.video.sparse import SparseDecoder, can_be_sparse
from fastsim.errors import lowered
from fastsim.records.arrays import Uint8Array

_MOST_ERRORS = 250
"""Consecutive packets that cannot be decoded, after which the rest of the video is given up."""

_DISCONTINUOUS = 0x200
"""Flag of formats whose clock may be reset anywhere: FFmpeg's AVFMT_TS_DISCONT."""

_MOST_ASPECT = 8
"""A pixel with a larger ratio of its sides is an error of the file."""

_COVER = 0x400
"""Flag of a stream that is a cover image: FFmpeg's AV_DISPOSITION_ATTACHED_PIC."""


class UnreadableVideoError(Exception):
    """Report a file of which no frame can be read; the text gives the reason, in one line."""


class _LostError(Exception):
    """Report that good frames may be lost at the end of a damaged video, because several threads decode it."""


class TakenFrame:
    """One frame. It holds the decoder's own memory (about 1.5 bytes per pixel) until it is released."""

    __slots__ = ("_image", "_look", "index", "seconds")

    def __init__(self, index: int, seconds: float, image: av.VideoFrame, look: Look = PLAIN) -> None:
        self.index = index
        self.seconds = seconds
        self._image = image
        self._look = look

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height in pixels, as shown."""
        width, height = self._look.shown(self._image.width, self._image.height)
        return (height, width) if turn_of(self._image).transpose else (width, height)

    @property
    def bytes(self) -> int:
        """Return the bytes of memory that it holds."""
        return sum(plane.buffer_size for plane in self._image.planes)

    @property
    def stored(self) -> Any:
        """Return the frame as it is stored (av.VideoFrame)."""
        return self._image

    def square(self, squarer: Squarer, size: int) -> Uint8Array:
        """Return RGB uint8[size, size, 3] for the network."""
        return squarer.square(self._image, size, self._look)

    def picture(self) -> Uint8Array:
        """Return the whole frame as BGR uint8[h, w, 3]."""
        return whole_picture(self._image, self._look)


class Video:
    """An opened video. Read `frames` once; then `frames_read` and `problem` are valid."""

    def __init__(self, path: str, threads: int) -> None:
        """Open the video. Raises UnreadableVideoError."""
        self.path = path
        self._threads = threads + 1 if threads > 1 else 1  # FFmpeg's own choice: its threads wait for each other
        self._stopped = False
        self._jumped = False
        """Whether the clock was reset, so that the length that the container states means little."""
        self.frames_read = 0
        """Frames of the video up to where reading ended, taken or not."""
        self.problem = ""
        """One line if the video ended early or had damaged parts; what was read before and between them is good."""
        self.reached = 0.0
        """Time in seconds of the last frame that was read."""
        self._open()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *exception: object) -> None:
        self.container.close()

    @property
    def duration(self) -> float | None:
        """Return the length in seconds that the container states, or None."""
        stream = self.stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        with suppress(KeyError, ValueError):
            hours, minutes, seconds = stream.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        if self.container.duration and len(self.container.streams) == 1:
            return float(self.container.duration) / 1e6
        return None

    def expected_frames(self) -> int | None:
        """Return about how many frames there are, for a progress bar."""
        if self.stream.frames:
            return int(self.stream.frames)
        seconds = self.duration or (self.container.duration or 0) / 1e6
        return round(seconds / self._step) if seconds else None

    @property
    def timing(self) -> Timing:
        """Return the clock that the container describes."""
        # AVI has no presentation times; FFmpeg makes them up, and they begin too late by the frames that are
        # reordered.
        form = self.container.format
        origin = None if form.name == "avi" else self.stream.start_time
        end = self.duration
        if end is not None and self._counts_from_zero and origin:
            end -= origin * self._time_base
        may_restart = bool(form.flags & _DISCONTINUOUS)
        return Timing(self._time_base, origin, self._step, may_restart, None if may_restart else end)

    def frames(self, sampling: Selection) -> Iterator[TakenFrame]:
        """Yield the frames that `sampling` takes, in presentation order.

        A break in the file ends them early, and damaged frames are left out; `problem` then says so. Raises
        UnreadableVideoError if there is no frame at all.
        """
        try:
            yield from self._surely(sampling)
        except MemoryError:
            self.problem = "not enough memory to decode it"
        if not self.frames_read:
            why = self.problem[self.problem.find("(") :] if "(" in self.problem else ""
            raise UnreadableVideoError(f"no frame in it can be decoded {why}".rstrip())
        self.look_for_a_break()

    def _surely(self, sampling: Selection) -> Iterator[TakenFrame]:
        """Yield the frames by the fastest method that loses none.

        If one fails, the next continues after its last frame.
        """
        last = -1
        sparse = sampling.is_sparse and can_be_sparse(self.context)
        while True:
            try:
                for frame in self._sparsely(sampling) if sparse else self._in_full(sampling.selector()):
                    if frame.index > last:
                        last = frame.index
                        yield frame
                return
            except UnprovenError:
                sparse = False
            except _LostError:
                self._threads = 1
            self._reopen()

    def _open(self) -> None:
        try:
            status = os.stat(self.path)
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableVideoError("not a regular file")
            if status.st_size == 0:
                raise UnreadableVideoError("empty file")
            # Playlists and the like name other files and addresses: none of them is opened.
            options = {"protocol_whitelist": "file"}
            self.container = _opened(self.path, options)
        except FFmpegError as error:
            reason = _lower(error.strerror or str(error))
            raise UnreadableVideoError(f"not a video, or of an unknown or broken format ({reason})") from None
        except OSError as error:
            raise UnreadableVideoError(_lower(error.strerror or str(error))) from None
        except (ValueError, MemoryError) as error:
            raise UnreadableVideoError(f"not a video that can be opened ({_lower(str(error))})") from None
        streams = [s for s in self.container.streams.video if not _is_cover(s)]
        best = self.container.streams.best("video")
        if not streams:
            audio = bool(self.container.streams.audio)
            self.container.close()
            raise UnreadableVideoError("audio only: it has no images" if audio else "it has no video stream")
        self.stream: Any = best if best in streams else streams[0]
        self.context: Any = getattr(self.stream, "codec_context", None)
        if self.context is None:
            self.container.close()
            raise UnreadableVideoError("its codec is unknown here")
        self.context.thread_type = "AUTO"
        self.context.thread_count = self._threads
        self._time_base = float(self.stream.time_base or 1)
        # Not the average rate: for a raw stream that is 25, whatever the stream states.
        rate = self.stream.guessed_rate or self.stream.average_rate
        self._step = float(1 / rate) if rate else 0.04
        stated = self.stream.sample_aspect_ratio
        self._aspect = stated if stated and stated != self.context.sample_aspect_ratio else None

    def _reopen(self) -> None:
        self.container.close()
        self.frames_read, self.problem, self._jumped = 0, "", False
        self._open()

    def _in_full(self, select: Selector) -> Iterator[TakenFrame]:
        """Decode everything, and yield the frames that are taken. Raises _LostError."""
        clock = Clock(self.timing)
        for image in self.decoded():
            index, seconds = self.frames_read, clock(image.pts)
            self._jumped = clock.was_reset
            self.frames_read += 1
            self.reached = seconds
            if select(index, seconds):
                yield TakenFrame(index, seconds, image, self.look_of(image))
            if select.done:
                self._stopped = True
                return

    def look_of(self, image: Any) -> Look:
        # The pixel shape of the container takes precedence over that of the stream, which may change in it.
        """Return the pixel shape and transfer function of a decoded frame."""
        aspect = self._aspect or self.context.sample_aspect_ratio
        transfer = transfer_of(image, self.context)
        plain = not aspect or aspect == 1 or not 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT
        if plain and transfer is None:
            return PLAIN
        return Look(Fraction(1) if plain else Fraction(aspect.numerator, aspect.denominator), transfer)

    def decoded(self) -> Iterator[Any]:
        """Yield every frame. Errors of single packets are counted; an error of the container ends the frames."""
        errors = in_a_row = 0
        for packet in self.packets():
            try:
                frames = self.context.decode(packet)
            except FFmpegError as error:
                errors, in_a_row = errors + 1, in_a_row + 1
                self.problem = f"damaged frames in it ({_lower(error.strerror or str(error))})"
                if in_a_row > _MOST_ERRORS:
                    return
                continue
            in_a_row = 0
            yield from frames
        for _ in range(self._threads + 2):  # each thread of the decoder may have an error to report
            try:
                yield from self.context.decode(None)
                return
            except EOFError:
                return
            except FFmpegError as error:
                if self._threads > 1:  # PyAV drops the frames that came out before the error
                    raise _LostError from None
                self.problem = f"damaged frames in it ({_lower(error.strerror or str(error))})"

    def packets(self) -> Iterator[Any]:
        """Yield the video's packets, without the empty one at the end."""
        try:
            for packet in self.container.demux(self.stream):
                if packet.size:
                    yield packet
        except FFmpegError as error:
            self.problem = f"the file breaks off ({_lower(error.strerror or str(error))})"

    def _sparsely(self, sampling: Selection) -> Iterator[TakenFrame]:
        """Yield the same as `_in_full`, without decoding frames that are neither wanted nor needed.

        Raises UnprovenError.
        """
        select = sampling.selector()
        timing = self.timing
        plan = Presentation(select, Clock(timing))
        starts: list[float] = []
        if timing.origin is not None:
            starts = [timing.origin + seconds / self._time_base + 0.5 for seconds in sampling.starts]
        for slot, image in SparseDecoder(self.context, plan, starts).frames(self.packets()):
            self.frames_read, self.reached = slot.index + 1, slot.seconds
            if slot.wanted:
                yield TakenFrame(slot.index, slot.seconds, image, self.look_of(image))
        self.frames_read, self._stopped = plan.count, select.done

    @property
    def _counts_from_zero(self) -> bool:
        """Return whether the length that the container states counts from timestamp 0, not from the first frame."""
        return "matroska" in self.container.format.name

    def look_for_a_break(self) -> None:
        """Set `problem` if the file ends before the length that it states."""
        whole = self.duration
        if self._stopped or self._jumped or whole is None or self.problem.startswith("the file breaks off"):
            return
        if self._counts_from_zero and self.stream.start_time:
            whole -= self.stream.start_time * self._time_base
        missing = whole - self.reached
        if missing > max(1.0, 0.02 * whole, 3.0 * whole / self.frames_read):
            self.problem = f"it ends at {self.reached:.1f} s of {whole:.1f} s: cut off or damaged"


def _opened(path: str, options: dict[str, str]) -> Any:
    """Open a container, whatever the encoding of its titles and comments."""
    try:
        return av.open(path, container_options=options, metadata_errors="ignore")
    except TypeError:  # PyAV 19 and later: no such argument, and metadata that is not UTF-8 is never an error
        return av.open(path, container_options=options)


def _is_cover(stream: Any) -> bool:
    """Return whether a stream is a cover picture; PyAV before 14.1 does not tell."""
    disposition = getattr(stream, "disposition", 0)
    return bool(int(getattr(disposition, "value", disposition)) & _COVER)  # PyAV 15: a Flag, which is no int


def _lower(text: str) -> str:
    line = (text.strip().splitlines() or [""])[0][:200]
    return lowered(line)
