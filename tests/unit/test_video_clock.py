"""The clock of odd streams: every frame is counted, and its time is above that of the frame before it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media.draw_videos import decoded, encode, film, shot, stamp

from fastsim.decode.video.clock import Clock, Timing
from fastsim.decode.video.reader import Video
from fastsim.decode.video.sampling import Sampling

SAMPLINGS = [Sampling(1), Sampling(2), Sampling(7), Sampling(every=0.5), Sampling(every=0.13), Sampling(3, start=1.5)]
RATE = 10
CLIP = film([(0, 30), (1, 30)], 128, 96)


def times(path: Path, sampling: Sampling) -> dict[int, float]:
    """Seconds by number of the frames that are taken."""
    with Video(str(path), 2) as video:
        frames = {frame.index: frame.seconds for frame in video.frames(sampling)}
        assert video.frames_read == len(decoded(path))
        assert video.problem == ""
    return frames


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def shifted(path: Path, source: Path, seconds: float, first: int) -> Path:
    """Return a copy of `source` whose packets from number `first` on are stamped `seconds` later."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream, opaque=True)
        for number, packet in enumerate(packet for packet in old.demux(stream) if packet.dts is not None):
            if number >= first:
                ticks = round(seconds / stream.time_base)
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            packet.stream = copy
            new.mux(packet)
    return path


def odd_stream(kind: str, folder: Path) -> Path:
    clip = encode(folder / "clip.ts", CLIP, rate=RATE)
    match kind:
        case "restarts":
            return joined(folder / "odd.ts", clip, clip, clip)
        case "changes its size":
            other = encode(folder / "other.ts", film([(2, 40)], 320, 240), rate=RATE)
            return joined(folder / "odd.ts", clip, other, clip)
        case "jumps ahead":
            return joined(folder / "odd.ts", clip, shifted(folder / "late.ts", clip, 4000, 0))
        case "jumps back":
            return joined(folder / "odd.ts", shifted(folder / "late.ts", clip, 4000, 0), clip)
        case "pauses":
            return shifted(folder / "odd.mkv", encode(folder / "clip.mkv", CLIP, rate=RATE), 100, 30)
        case "falls back by 2.5 s":
            plain = encode(folder / "clip.flv", CLIP, codec="flv", rate=RATE, options={})
            data, place, tags = bytearray(plain.read_bytes()), 13, 0
            while place + 11 < len(data):
                size = int.from_bytes(data[place + 1 : place + 4], "big")
                if data[place] == 9 and (tags := tags + 1) > 30:
                    stamp = int.from_bytes(data[place + 4 : place + 7], "big") - 2500
                    data[place + 4 : place + 7] = stamp.to_bytes(3, "big")
                place += size + 15
            plain.write_bytes(data)
            return plain
        case "is in the order of decoding":  # AVI has no presentation times, and H.264 with B-frames needs them
            return encode(folder / "odd.avi", CLIP, rate=RATE)
        case "has a broken index":
            path = encode(folder / "odd.avi", CLIP, codec="mpeg4", rate=RATE, options={"bf": "2"})
            data = path.read_bytes()
            path.write_bytes(data[: data.rfind(b"idx1") + 60])
            return path
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    ["restarts", "changes its size", "jumps ahead", "jumps back", "pauses", "falls back by 2.5 s",
     "is in the order of decoding", "has a broken index"],
)  # fmt: skip
def test_a_clock_rises_whatever_the_stream_says(tmp_path: Path, kind: str) -> None:
    path = odd_stream(kind, tmp_path)
    everything = times(path, Sampling(1))
    assert list(everything) == list(range(len(decoded(path))))
    assert all(0 < later - earlier < 0.6 or kind == "pauses" for earlier, later in pairwise(everything.values()))
    assert all(later > earlier for earlier, later in pairwise(everything.values()))
    for sampling in SAMPLINGS:
        select = sampling.selector()
        assert times(path, sampling) == {n: at for n, at in everything.items() if select(n, at)}


def with_one_stamp(path: Path, source: Path, number: int, by: int) -> Path:
    """Return a copy of an MKV whose packet `number` is shown `by` ms later than it should be."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        for count, packet in enumerate(old.demux(old.streams.video[0])):
            if packet.size:
                if count == number:
                    packet.pts += by
                packet.stream = stream
                new.mux_one(packet)
    return path


@pytest.mark.parametrize("by", [700, 30_000])
@pytest.mark.parametrize("number", [3, 25, 52])
def test_one_stamp_that_is_off_moves_no_number(tmp_path: Path, by: int, number: int) -> None:
    """Frames that are passed over are numbered by their packets, all others as they come out of the decoder."""
    clip = encode(tmp_path / "clip.mkv", film([(0, 60), (1, 60)], 128, 96), rate=RATE)
    path = with_one_stamp(tmp_path / "outlier.mkv", clip, number, by)
    with Video(str(path), 2) as video:
        shown = {frame.index: stamp(frame.picture()) for frame in video.frames(Sampling(1))}
    assert list(shown) == list(range(120))
    for skip in (2, 7, 10, 50):
        with Video(str(path), 2) as video:
            taken = [(frame.index, stamp(frame.picture()), frame.seconds) for frame in video.frames(Sampling(skip))]
        assert [(index, picture) for index, picture, _ in taken] == [(k, shown[k]) for k in range(0, 120, skip)]
        assert all(later > earlier for (*_, earlier), (*_, later) in pairwise(taken))


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("raw.h264", "libx264", 10), ("raw.h264", "libx264", 50), ("raw.m2v", "mpeg2video", 24), ("raw.hevc", "libx265", 15)],
)  # fmt: skip
def test_a_raw_stream_has_the_frame_rate_that_it_states(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    path = encode(tmp_path / name, shot(0, 40, 128, 96), codec=codec, rate=rate, options=options)
    for sampling in SAMPLINGS[:3]:
        found = times(path, sampling)
        assert list(found.values()) == pytest.approx([n / rate for n in found], abs=0.002)
    with Video(str(path), 1) as video:
        assert video.timing.step == pytest.approx(1 / rate)


def test_a_stream_that_begins_amid_a_group_of_pictures_is_numbered_alike_with_a_start(tmp_path: Path) -> None:
    """What comes before the first whole picture can't be decoded, so that it is no frame."""
    whole = encode(tmp_path / "whole.ts", film([(k, 30) for k in range(4)], 128, 96), options={"g": "24", "bf": "2"})
    data = whole.read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(data[len(data) // 8 // 188 * 188 :])
    everything = times(cut, Sampling(1))
    assert len(everything) < 120
    assert times(cut, Sampling(3, start=1.5)).items() <= everything.items()


@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40), st.integers(0, 3000)), max_size=60), st.booleans())
def test_whatever_the_stamps_seconds_rise_from_zero(stamps: list[int | None], may_restart: bool) -> None:
    clock = Clock(Timing(0.001, 0, 0.04, may_restart, None))
    seconds = [clock(stamp) for stamp in stamps]
    assert all(later > earlier for earlier, later in pairwise(seconds))
    assert all(at >= 0 for at in seconds)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True))
def test_stamps_that_rise_are_kept_as_they_are(stamps: list[int]) -> None:
    clock = Clock(Timing(0.001, 0))
    assert [clock(stamp) for stamp in sorted(stamps)] == [stamp * 0.001 for stamp in sorted(stamps)]
    assert clock.is_plain


def test_a_single_stamp_far_beyond_the_end_is_not_believed() -> None:
    clock = Clock(Timing(0.001, 0, 0.04, False, 60.0))
    assert [round(clock(stamp), 3) for stamp in (0, 40, 10**9, 120, 160)] == [0, 0.04, 0.08, 0.12, 0.16]
