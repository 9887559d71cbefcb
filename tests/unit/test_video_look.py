"""What of a stored frame is compared and written: black bars, pixels that are not square, high dynamic range."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from media.draw import Picture
from media.draw_videos import encode, scene, shot

from fastsim.decode.video.black_bars import picture_box
from fastsim.decode.video.hdr import Transfer, to_sdr
from fastsim.decode.video.pixels import Box, Squarer
from fastsim.decode.video.reader import Video
from fastsim.decode.video.sampling import Sampling

HARD = {"preset": "ultrafast", "crf": "34", "g": "12"}


def barred(pictures: list[Picture], top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> list[Picture]:
    return [cv2.copyMakeBorder(one, top, bottom, left, right, cv2.BORDER_CONSTANT) for one in pictures]


def scenes(width: int, height: int, count: int = 4) -> list[Picture]:
    return [one for number in range(count) for one in shot(number, 12, width, height)]


def box_of(path: Path) -> Box | None:
    with Video(str(path), 1) as video:
        frame = next(iter(video.frames(Sampling(1))))
        return picture_box(str(path), frame.stored)


def near(box: Box | None, x: int, y: int, width: int, height: int) -> bool:
    assert box is not None
    differences = np.subtract((box.x, box.y, box.width, box.height), (x, y, width, height))
    return bool(np.abs(differences).max() <= 4)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts", "clip.h264"])
@pytest.mark.parametrize("bars", [(40, 40, 0, 0), (0, 0, 116, 116), (30, 30, 60, 60), (24, 36, 0, 0)], ids=str)
def test_black_bars_are_found(tmp_path: Path, name: str, bars: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = bars
    width, height = 320 - left - right, 240 - top - bottom
    path = encode(tmp_path / name, barred(scenes(width, height), *bars), options=HARD)
    assert near(box_of(path), left, top, width, height)


def test_bars_are_found_in_a_clip_that_fades_in_with_a_single_key_frame(tmp_path: Path) -> None:
    pictures = [np.zeros((176, 320, 3), np.uint8)] * 10 + scenes(320, 176)
    path = encode(tmp_path / "fade.mp4", barred(pictures, 32, 32), options={**HARD, "g": "250"})
    assert near(box_of(path), 0, 32, 320, 176)


def test_plain_videos_are_not_opened_a_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "plain.mp4", scenes(160, 120), options=HARD)
    with Video(str(path), 1) as video:
        frame = next(iter(video.frames(Sampling(1))))
        monkeypatch.setattr("fastsim.decode.video.black_bars._looks", lambda _path: pytest.fail("opened again"))
        assert picture_box(str(path), frame.stored) is None


def dark(kind: str) -> list[Picture]:
    """Clips that are black at the edges and have no bars."""
    rng = np.random.default_rng(1)
    night = [(one // 9) for one in scenes(320, 240)]
    match kind:
        case "night with a lamp":
            return [cv2.circle(one.copy(), (200, 90 + k), 30, (190, 220, 240), -1) for k, one in enumerate(night)]
        case "singer on a black stage":
            black = np.zeros((240, 320, 3), np.uint8)
            return [cv2.ellipse(black.copy(), (160, 130), (40, 90), 0, 0, 360, (120, 160, 200), -1) for _ in night]
        case "stars":
            sky = np.zeros((240, 320, 3), np.uint8)
            for x, y in rng.integers(20, 220, (300, 2)):
                cv2.circle(sky, (int(x), int(y)), 2, (255, 255, 255), -1)
            return [sky] * 40
        case "bars in a part of the clip only":
            return barred(scenes(320, 176), 32, 32) + scenes(320, 240)
        case "black":
            return [np.zeros((240, 320, 3), np.uint8)] * 40
        case "vignette":
            y, x = np.mgrid[-1:1:240j, -1:1:320j]
            shade = np.clip(1.3 - np.hypot(x, y), 0, 1)[..., None]
            return [(one * shade).astype(np.uint8) for one in scenes(320, 240)]
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    ["night with a lamp", "singer on a black stage", "stars", "bars in a part of the clip only", "black", "vignette"],
)
def test_dark_scenes_are_not_cut(tmp_path: Path, kind: str) -> None:
    assert box_of(encode(tmp_path / "dark.mp4", dark(kind), options={"preset": "ultrafast", "crf": "28"})) is None


def test_the_crop_is_taken_from_what_lies_between_the_bars() -> None:
    inner = scene(0, 200, 100)
    frame = av.VideoFrame.from_ndarray(barred([inner], 70, 70, 60, 60)[0], format="bgr24").reformat(format="yuv444p")
    squarer = Squarer(0.5)
    squarer.leave_out(320, 240, Box(60, 70, 200, 100))
    plain = av.VideoFrame.from_ndarray(inner, format="bgr24").reformat(format="yuv444p")
    assert np.abs(squarer.square(frame, 64).astype(int) - Squarer(0.5).square(plain, 64)).mean() < 3
    squarer.leave_out(100, 100, Box(10, 10, 50, 50))  # of frames of another size
    assert (squarer.square(frame, 64) == Squarer(0.5).square(frame, 64)).all()


def with_aspect(path: Path, aspect: Fraction, width: int, height: int) -> Path:
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for picture in shot(0, 10, width, height):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.h264"])
@pytest.mark.parametrize(
    ("aspect", "size", "shown"),
    [(Fraction(64, 45), (720, 576), (1024, 576)), (Fraction(8, 9), (720, 480), (640, 480)),
     (Fraction(1), (320, 240), (320, 240))],
)  # fmt: skip
def test_pictures_have_square_pixels(
    tmp_path: Path, name: str, aspect: Fraction, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    path = with_aspect(tmp_path / name, aspect, *size)
    with Video(str(path), 1) as video:
        frame = next(iter(video.frames(Sampling(1))))
        picture = frame.picture()
        assert frame.size == shown == picture.shape[1::-1]
        expected = cv2.resize(shot(0, 10, *size)[0], shown, interpolation=cv2.INTER_CUBIC)
        assert np.abs(picture.astype(int) - expected).mean() < 8


def to_light(picture: Picture, white: float) -> np.ndarray[Any, Any]:
    """BGR of a standard film as light in cd/m2, RGB of BT.2020."""
    linear = (picture[..., ::-1] / 255.0) ** 2.4 * white
    wide = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    return np.asarray(linear @ wide.T)


def signal(light: np.ndarray[Any, Any], transfer: Transfer) -> np.ndarray[Any, Any]:
    """0 to 1."""
    if transfer is Transfer.PQ:
        power = (light / 10000) ** (2610 / 16384)
        return np.asarray(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))
    luma = np.maximum(light @ np.array([0.2627, 0.678, 0.0593]), 1e-6)[..., None]
    lamp = light / 1000 / (luma / 1000) ** (0.2 / 1.2)
    low = np.sqrt(3 * lamp)
    high = 0.17883277 * np.log(np.maximum(12 * lamp - 0.28466892, 1e-6)) + 0.55991073
    return np.where(lamp <= 1 / 12, low, high)


@pytest.mark.parametrize("transfer", list(Transfer))
@pytest.mark.parametrize("white", [100, 203])
def test_an_hdr_copy_of_a_standard_picture_looks_like_it(transfer: Transfer, white: int) -> None:
    picture = scene(0)
    stored = np.rint(signal(to_light(picture, white), transfer) * 65535).astype(np.uint16)
    assert np.abs(to_sdr(stored, transfer)[..., ::-1].astype(int) - picture).mean() < 12


def test_highlights_are_compressed_and_the_rest_stays() -> None:
    light = np.full((64, 64, 3), 20.0)
    light[:8] = 1000.0
    dim, bright = light.copy(), light
    dim[:8] = 203.0
    lit, plain = (
        to_sdr(np.rint(signal(one, Transfer.PQ) * 65535).astype(np.uint16), Transfer.PQ) for one in (bright, dim)
    )
    assert lit[0, 0, 0] >= 250 and plain[0, 0, 0] >= 250
    assert abs(int(lit[32, 32, 0]) - int(plain[32, 32, 0])) < 12


def hdr_video(path: Path, pictures: list[Picture], transfer: Transfer) -> Path:
    """10 bits, BT.2020, limited range."""
    name = {Transfer.PQ: "smpte2084", Transfer.HLG: "arib-std-b67"}[transfer]
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx265", rate=10)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p10le"
        tags = f"colorprim=bt2020:transfer={name}:colormatrix=bt2020nc"
        stream.options = {"preset": "ultrafast", "x265-params": f"log-level=none:{tags}"}
        for picture in pictures:
            r, g, b = np.moveaxis(signal(to_light(picture, 100), transfer), 2, 0)
            y = 0.2627 * r + 0.678 * g + 0.0593 * b
            u, v = ((b - y) / 1.8814), ((r - y) / 1.4746)
            u, v = (one.reshape(one.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3)) for one in (u, v))
            frame = av.VideoFrame(stream.width, stream.height, "yuv420p10le")
            for plane, values in zip(frame.planes, (876 * y + 64, 896 * u + 512, 896 * v + 512), strict=True):
                lines = np.zeros((plane.height, plane.line_size // 2), "<u2")
                lines[:, : plane.width] = np.rint(values)
                plane.update(lines.tobytes())
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("transfer", list(Transfer))
def test_frames_of_hdr_videos_are_compared_and_written_like_the_standard_film(
    tmp_path: Path, transfer: Transfer
) -> None:
    pictures = shot(0, 6, 320, 240)
    path = hdr_video(tmp_path / "hdr.mp4", pictures, transfer)
    with Video(str(path), 1) as video:
        frame = next(iter(video.frames(Sampling(1))))
        assert np.abs(frame.picture().astype(int) - pictures[0]).mean() < 14
        square = frame.square(Squarer(1.0), 64)[..., ::-1]
        assert np.abs(square.astype(int) - cv2.resize(pictures[0], (64, 64), interpolation=cv2.INTER_AREA)).mean() < 14
