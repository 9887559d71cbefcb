"""Decoding of videos: every frame by its number and its time, whatever the codec, and what broken files give."""

from __future__ import annotations

import gc
import itertools
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media.draw_videos import decoded, encode, film, scene, shot, silence, stamp, stamped, with_matrix

from fastsim.decode.video.clock import Clock
from fastsim.decode.video.pixels import Box, Squarer, Turn, crop_box, whole_picture
from fastsim.decode.video.presentation import Presentation
from fastsim.decode.video.reader import UnreadableVideoError, Video
from fastsim.decode.video.sampling import Chosen, Sampling
from fastsim.decode.video.sparse import SparseDecoder

PLAN = [(k, 30) for k in range(4)]
KINDS = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "h264.avi": {"options": {"bf": "0"}},
    "h265.mp4": {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"}},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p", "options": {"q": "3"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2", "b": "2M"}},
}


def read(path: Path, sampling: Sampling, in_full: bool = False) -> tuple[list[tuple[int, int, float]], int, str]:
    """(index, the number in the picture, seconds) of each frame that is taken; frames read; problem."""
    with Video(str(path), 2) as video:
        if in_full:
            frames = [(f.index, stamp(f.picture()), round(f.seconds, 6)) for f in video._in_full(sampling.selector())]
        else:
            frames = [(f.index, stamp(f.picture()), round(f.seconds, 6)) for f in video.frames(sampling)]
        return frames, video.frames_read, video.problem


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    pictures = film(PLAN)
    return {name: encode(folder / name, pictures, **options) for name, options in KINDS.items()}  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("skip", [1, 2, 10, 47])
def test_the_nth_frame_is_the_nth_frame_in_every_codec(clips: dict[str, Path], kind: str, skip: int) -> None:
    frames, count, problem = read(clips[kind], Sampling(skip))
    assert [(index, number) for index, number, _ in frames] == [(k, k) for k in range(0, 120, skip)]
    assert [seconds for *_, seconds in frames] == pytest.approx([k / 25 for k in range(0, 120, skip)], abs=0.002)
    assert (count, problem) == (120, "")


@pytest.mark.parametrize("kind", ["h264.mp4", "h264.mkv", "h265.mp4"])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(7), Sampling(every=0.5), Sampling(every=0.03), Sampling(3, start=1.0, end=2.0), Sampling(5, end=0.5),
        Sampling(every=1, start=0.7), Sampling(10, start=4.7), Sampling(2, start=99), Sampling(1, start=3.3),
    ],
    ids=str,
)  # fmt: skip
def test_discarding_frames_that_nobody_wants_changes_nothing(
    clips: dict[str, Path], kind: str, sampling: Sampling
) -> None:
    quick, _, _ = read(clips[kind], sampling)
    in_full, _, _ = read(clips[kind], sampling, in_full=True)
    assert quick == in_full


@pytest.mark.parametrize("kind", ["h264.mp4", "h265.mp4"])
def test_frames_are_really_discarded(clips: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    discards = []
    with Video(str(clips[kind]), 1) as video:
        context = video.context

        class Spy:
            def __getattr__(self, name: str) -> object:
                return getattr(context, name)

            def __setattr__(self, name: str, value: object) -> None:
                discards.append((name, value))
                setattr(context, name, value)

        monkeypatch.setattr(video, "context", Spy())
        assert len(list(video.frames(Sampling(10)))) == 12
    assert discards.count(("skip_frame", "NONREF")) > 20


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("start", [3.0, 7.96, 8.0, 11.5])
def test_a_late_start_skips_what_is_before_and_keeps_the_numbers(
    tmp_path: Path, codec: str, kind: str, start: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"preset": "ultrafast", "g": "25", "bf": "2"}
    if codec == "libx265":
        options = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=25:bframes=2:open-gop=0"}
    path = encode(tmp_path / f"clip.{kind}", film([(0, 300)], 128, 64), codec=codec, options=options)
    fed = []
    plain = SparseDecoder._decode
    monkeypatch.setattr(SparseDecoder, "_decode", lambda self, packet: (fed.append(packet), plain(self, packet))[1])
    frames, _, _ = read(path, Sampling(4, start=start))
    assert [(index, number) for index, number, _ in frames] == [(k, k) for k in range(round(start * 25), 300, 4)]
    if (codec, kind) != ("libx265", "ts"):  # where nothing says that there is one layer only, all is decoded
        assert 0 < len(fed) < 60 + 300 - (start - 1) * 25 + 4


CHOICES = (
    [0, 60, 61, 62, 180, 299], [100], [25, 50, 75, 100], [49, 74, 99], [298], [130, 131, 260], [0], [5, 47, 48, 49],
)  # fmt: skip


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_chosen_frames_are_had_again_without_the_pictures_between_them(tmp_path: Path, codec: str, kind: str) -> None:
    options = {"preset": "ultrafast", "g": "25", "bf": "2"}
    if codec == "libx265":
        options = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=25:bframes=2:open-gop=0"}
    path = encode(tmp_path / f"clip.{kind}", film([(0, 300)], 128, 64), codec=codec, options=options)
    with Video(str(path), 2) as video:
        whole = {frame.index: (frame.seconds, frame.picture()) for frame in video.frames(Sampling(1))}
    for numbers in CHOICES:
        chosen = Chosen(numbers, [round(whole[number][0], 6) for number in numbers])
        with Video(str(path), 2) as video:
            found = [(frame.index, frame.seconds, frame.picture()) for frame in video.frames(chosen)]
        assert [index for index, *_ in found] == numbers
        assert all(seconds == whole[k][0] and (picture == whole[k][1]).all() for k, seconds, picture in found)


def test_few_frames_are_decoded_for_a_few_chosen_ones(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", film([(0, 600)], 128, 64), options={"preset": "ultrafast", "g": "25"})
    numbers = [100, 410, 411]
    with Video(str(path), 1) as video:
        starts = [number / 25 / float(video.stream.time_base) for number in numbers]
        plan = Presentation(Chosen(numbers, []).selector(), Clock(video.timing))
        decoded_frames = list(SparseDecoder(video.context, plan, starts).frames(video.packets()))
    assert [slot.index for slot, _ in decoded_frames if slot.wanted] == numbers
    assert len(decoded_frames) < 48 + 3 * 25 + 30  # the first ones, which are checked, and a group for each choice


def test_a_stream_that_was_cut_out_of_another_is_numbered_by_what_can_be_decoded(
    clips: dict[str, Path], tmp_path: Path
) -> None:
    """It begins with B-frames that refer to a frame that is gone."""
    cut = tmp_path / "cut.mkv"
    with av.open(str(clips["h264.mkv"])) as source, av.open(str(cut), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream, opaque=True)
        keys = 0
        for packet in source.demux(stream):
            keys += packet.is_keyframe
            if keys >= 2 and packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    expected = [stamp(picture) for _, picture in decoded(cut)]
    frames, count, _ = read(cut, Sampling(6))
    assert [number for _, number, _ in frames] == expected[::6]
    assert count == len(expected)


def test_times_are_right_with_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0, 40, 45, 300, 310, 1000, 1001, 2500, 2540, 4000]
    pictures = [stamped(scene(0), k) for k in range(10)]
    for name in ("vfr.mkv", "vfr.mp4"):
        path = encode(tmp_path / name, pictures, times=times, rate=30)
        frames, _, _ = read(path, Sampling(1))
        assert [(number, round(seconds * 1000)) for _, number, seconds in frames] == list(enumerate(times))
        by_time, _, _ = read(path, Sampling(every=1.0))
        assert [number for _, number, _ in by_time] == [0, 5, 7, 9]


def test_a_recording_whose_clock_starts_late_is_not_taken_for_cut_off(tmp_path: Path) -> None:
    path = encode(tmp_path / "late.mkv", shot(0, 20), times=[5000 + 40 * k for k in range(20)])
    frames, _, problem = read(path, Sampling(1))
    assert [round(seconds * 1000) for *_, seconds in frames] == [40 * k for k in range(20)]
    assert problem == ""


def test_pictures_of_more_than_8_bits_are_those_of_the_plain_conversion(tmp_path: Path) -> None:
    path = encode(tmp_path / "ten.mkv", shot(0, 2), pixels="yuv420p10le")
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (whole_picture(frame)[..., ::-1] == frame.to_ndarray(format="rgb24")).all()


@pytest.mark.parametrize(
    "matrix",
    [(s, 0, 0, t) for s, t in itertools.product((1, -1), repeat=2)]
    + [(0, s, t, 0) for s, t in itertools.product((1, -1), repeat=2)]
)  # fmt: skip
def test_all_eight_turns_and_mirrorings_are_applied(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    corners = np.zeros((64, 96, 3), np.uint8)
    corners[:32, :48], corners[:32, 48:], corners[32:, :48] = (0, 0, 255), (0, 255, 0), (255, 0, 0)
    path = with_matrix(encode(tmp_path / "turned.mp4", [corners] * 2), matrix)
    a, b, c, d = matrix
    height, width = (96, 64) if b else (64, 96)
    # Where each stored pixel is shown: x' = ax + cy, y' = bx + dy, moved back into the picture.
    y, x = np.mgrid[:64, :96]
    shown = np.zeros((height, width, 3), np.uint8)
    shown_x, shown_y = a * x + c * y, b * x + d * y
    shown[shown_y - shown_y.min(), shown_x - shown_x.min()] = corners
    with Video(str(path), 1) as video:
        [frame] = video.frames(Sampling(2))
        assert frame.size == (width, height)
        assert np.abs(frame.picture().astype(int) - shown).mean() < 8
        square = frame.square(Squarer(1.0), 32)[..., ::-1]
        assert np.abs(square.astype(int) - cv2.resize(shown, (32, 32), interpolation=cv2.INTER_AREA)).mean() < 8


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0.05, 1.0))
def test_the_crop_is_central_and_holds_the_area(width: int, height: int, area: float) -> None:
    box = crop_box(width, height, area)
    assert abs(box.width - width * area**0.5) <= 1 and abs(box.height - height * area**0.5) <= 1
    assert box.x >= 0 and box.x + box.width <= width and box.y >= 0 and box.y + box.height <= height
    assert abs((width - box.x - box.width) - box.x) <= 1 and abs((height - box.y - box.height) - box.y) <= 1


def test_the_crop_to_the_pixel() -> None:
    assert crop_box(1920, 1080, 0.85) == Box(75, 42, 1770, 996)
    assert crop_box(1000, 1000, 0.25) == Box(250, 250, 500, 500)
    assert crop_box(640, 480, 1.0) == Box(0, 0, 640, 480)


@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "rgb24", "yuv420p10le", "gray", "nv12"]
)
@pytest.mark.parametrize("size", [(320, 240), (161, 121)], ids=str)
def test_the_square_is_the_crop_and_nothing_else(pixels: str, size: tuple[int, int]) -> None:
    """What is outside of the crop is of another colour: none of it may bleed in."""
    width, height = size
    picture = np.full((height, width, 3), (0, 0, 255), np.uint8)
    box = crop_box(width, height, 0.5)
    inside = cv2.cvtColor(cv2.cvtColor(scene(3, box.width, box.height), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if pixels == "gray":
        picture[:] = 128
    picture[box.y : box.y + box.height, box.x : box.x + box.width] = inside
    frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=pixels)
    expected = cv2.resize(inside, (64, 64), interpolation=cv2.INTER_AREA)
    square = Squarer(0.5).square(frame, 64)
    assert square.shape == (64, 64, 3) and square.dtype == np.uint8
    assert np.abs(square[3:-3, 3:-3].astype(int) - expected[3:-3, 3:-3]).mean() < 4


def test_the_square_has_the_colours_of_the_whole_picture(clips: dict[str, Path]) -> None:
    with Video(str(clips["h264.mp4"]), 1) as video:
        frame = next(video.frames(Sampling(10)))
        whole = cv2.resize(frame.picture()[..., ::-1], (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(frame.square(Squarer(1.0), 64).astype(int) - whole).mean() < 1.5


def test_frames_are_let_go_of_without_the_garbage_collector(clips: dict[str, Path]) -> None:
    def alive() -> list[av.VideoFrame]:
        return [one for one in gc.get_objects() if isinstance(one, av.VideoFrame) and one.width]

    squarer = Squarer(0.85)
    gc.collect()
    of_others = alive()  # what other tests still hold
    gc.disable()
    try:
        with Video(str(clips["h264.mp4"]), 1) as video:
            for frame in video.frames(Sampling()):
                frame.square(squarer, 64)
                frame.picture()
        del frame
        assert not [one for one in alive() if not any(one is other for other in of_others)]
    finally:
        gc.enable()


def test_a_matrix_that_is_no_right_angle_is_rounded() -> None:
    assert Turn.from_matrix([60000, 20000, 0, -20000, 60000, 0, 0, 0, 1]) == Turn()
    assert Turn.from_matrix(None) == Turn()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("empty.mp4", b"", "empty file"), ("noise.mp4", bytes(range(256)) * 40, "not a video"),
     ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n", "not a video"),
     ("concat.mkv", b"ffconcat version 1.0\nfile h264.mp4\n", "not a video")],
)  # fmt: skip
def test_what_is_no_video_has_a_reason(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableVideoError, match=reason) as caught:
        Video(str(tmp_path / name), 1)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_file_with_sound_only(tmp_path: Path) -> None:
    with pytest.raises(UnreadableVideoError, match="no such file"):
        Video(str(tmp_path / "gone.mp4"), 1)
    with pytest.raises(UnreadableVideoError, match="audio only"):
        Video(str(silence(tmp_path / "sound.m4a")), 1)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "avi"])
def test_a_file_that_breaks_off_gives_the_frames_before_the_break(tmp_path: Path, kind: str) -> None:
    options = {"movflags": "faststart"} if kind == "mp4" else {}
    path = encode(tmp_path / f"whole.{kind}", film([(0, 60), (1, 60)]), container=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, count, problem = read(path, Sampling(5))
    assert [index for index, *_ in frames] == list(range(0, count, 5))
    assert 30 < count < 110
    assert [number for _, number, _ in frames[:-2]] == [index for index, *_ in frames[:-2]]
    assert problem or kind in ("ts", "avi")  # these two do not say how long they should be


def test_damage_in_the_middle_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    path = encode(tmp_path / "hurt.mkv", shot(0, 60), options={"g": "10", "bf": "0"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = b"\xff" * 600
    path.write_bytes(data)
    with Video(str(path), 2) as video:
        frames = list(video.frames(Sampling(1)))
    assert 40 <= len(frames) <= 60
