"""DALI decodes video on the CPU (device None; VP9 and MJPEG) to the frames of the CPU's decoder.

Numbers, times and squares are the same, and everything that a GPU cannot decode goes to that decoder, visibly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media.draw_videos import X264, encode, film, stamp, with_matrix

from fastsim.decode.video.index import UnsuitedError, index_of
from fastsim.decode.video.reader import Video
from fastsim.decode.video.sampling import Sampling
from fastsim.device import Device
from fastsim.records.files import MediaFile, Snapshot
from fastsim.run.traffic import Traffic
from fastsim.videos import frames

dali_video = pytest.importorskip("fastsim.decode.video.dali", reason="needs nvidia-dali")

VP9 = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "b": "2M"}}
KINDS: dict[str, dict[str, Any]] = {
    "vp9.webm": VP9,
    "vp9 with blanks.mp4": VP9,
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime", "b": "2M"}},
    "mjpeg.mkv": {"codec": "mjpeg", "pixels": "yuvj420p", "options": {"q": "3"}},
    "rate.webm": VP9 | {"times": [40 * k + 7 * k * k % 33 for k in range(81)]},
}
SAMPLINGS = [
    Sampling(skip=1),
    Sampling(skip=10),
    Sampling(skip=100),
    Sampling(every=0.5),
    Sampling(skip=7, start=0.9, end=2.4),
    Sampling(every=0.3, start=2.0),
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    pictures = film([(0, 30), (5, 31), (2, 20)])
    for name, options in KINDS.items():
        encode(folder / name, pictures, **options)
    encode(folder / "h264.mp4", pictures)
    return folder


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_number", lambda _device: None)


def events(path: Path, sampling: Sampling, device: str, notes: list[str], **options: Any) -> list[frames.Event]:
    file = MediaFile(0, str(path), str(path), Snapshot.of(str(path)))
    where = frames.Where(Device.parse(device), notes.append, options.pop("traffic", Traffic()))
    chosen = {"crop": 0.85, "size": 112, "threads": 2, "with_frames": True} | options
    return list(frames.events([file], sampling, where=where, **chosen))


def taken(found: list[frames.Event]) -> list[frames.Taken]:
    return [event for event in found if isinstance(event, frames.Taken)]


def assert_same(ours: list[frames.Event], theirs: list[frames.Event]) -> None:
    assert [type(event) for event in ours] == [type(event) for event in theirs]
    for a, b in zip(taken(ours), taken(theirs), strict=True):
        assert (a.index, a.size) == (b.index, b.size) and a.seconds == pytest.approx(b.seconds, abs=1e-6)
        assert a.pixels.shape == b.pixels.shape
        assert np.abs(a.pixels.astype(int) - b.pixels).mean() < 4
    assert ours[-1] == theirs[-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_the_frames_are_those_of_the_cpus_decoder(clips: Path, kind: str, sampling: Sampling) -> None:
    notes: list[str] = []
    ours = events(clips / kind, sampling, "cuda:0", notes)
    assert notes == []
    assert_same(ours, events(clips / kind, sampling, "cpu", notes))
    for one in taken(ours):
        picture = one.frame.picture()
        assert picture.shape == (240, 320, 3) and stamp(picture) == one.index
        assert isinstance(one.frame, dali_video.DeviceFrame) and one.bytes == 240 * 320 * 3


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (0, 1, 1, 0)])
def test_turns_and_mirrorings_are_applied(clips: Path, tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    path = tmp_path / "turned.mp4"
    path.write_bytes((clips / "vp9 with blanks.mp4").read_bytes())
    with_matrix(path, matrix)
    notes: list[str] = []
    ours, theirs = (events(path, Sampling(skip=20), device, notes) for device in ("cuda:0", "cpu"))
    assert notes == []
    assert_same(ours, theirs)
    for a, b in zip(taken(ours), taken(theirs), strict=True):
        mine, reference = a.frame.picture(), b.frame.picture()
        assert mine.shape == reference.shape and np.abs(mine.astype(int) - reference).mean() < 4


def test_without_whole_frames_only_the_squares_are_held(clips: Path) -> None:
    traffic = Traffic()
    found = taken(events(clips / "vp9.webm", Sampling(), "cuda:0", [], with_frames=False, traffic=traffic))
    assert all(one.frame is None and one.bytes == 112 * 112 * 3 for one in found)
    assert traffic.as_dict()["video"]["to_device"] == (clips / "vp9.webm").stat().st_size


def test_what_the_device_can_not_decode_goes_to_the_cpu_and_is_told(clips: Path, tmp_path: Path) -> None:
    ten_bits = encode(tmp_path / "ten.mkv", film([(1, 30)]), codec="ffv1", pixels="yuv420p10le", options={})
    for path, reason in ((clips / "h264.mp4", "DALI can't decode it"), (ten_bits, "its codec (ffv1)")):
        notes: list[str] = []
        ours = events(path, Sampling(), "cuda:0", notes)
        assert len(notes) == 1 and "decoded by the CPU: " in notes[0] and reason in notes[0]
        assert "\n" not in notes[0]
        assert_same(ours, events(path, Sampling(), "cpu", []))


def test_a_video_that_breaks_off_goes_to_the_cpu(clips: Path, tmp_path: Path) -> None:
    cut, notes = tmp_path / "cut.webm", []
    data = (clips / "vp9.webm").read_bytes()
    cut.write_bytes(data[: len(data) * 6 // 10])
    ours = events(cut, Sampling(), "cuda:0", notes)
    assert len(notes) == 1
    assert_same(ours, events(cut, Sampling(), "cpu", []))
    assert isinstance(ours[-1], frames.Ended) and ours[-1].problem


def test_a_decoder_that_fails_amid_a_video_is_followed_by_the_cpu(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequence, calls = dali_video.DeviceVideo._sequence, []

    def breaking(self: object, pipe: object, expected: list[int]) -> object:
        calls.append(expected)
        if len(calls) == 2:
            raise UnsuitedError("something broke")
        return sequence(self, pipe, expected)

    monkeypatch.setattr(dali_video.DeviceVideo, "_sequence", breaking)
    notes: list[str] = []
    ours = events(clips / "vp9.webm", Sampling(skip=2), "cuda:0", notes)
    assert notes == [f"{clips / 'vp9.webm'}: decoded by the CPU from frame 31 on: something broke"]
    assert_same(ours, events(clips / "vp9.webm", Sampling(skip=2), "cpu", []))


def test_a_decoder_that_counts_otherwise_is_not_believed(clips: Path) -> None:
    with Video(str(clips / "vp9.webm"), 1) as video:
        index = index_of(video)

    def opened(wrong: object) -> Any:
        return dali_video.DeviceVideo(
            str(clips / "vp9.webm"), wrong, device=None, side=64, crop=1.0, threads=1, with_whole=False
        )

    later = index.__class__(
        tuple(s + 0.1 * (s > 2) for s in index.seconds),
        index.codec,
        index.pixels,
        index.width,
        index.height,
        index.turn,
    )
    with pytest.raises(UnsuitedError, match="times differ"):
        list(opened(later).frames(range(0, 81, 5)))
    longer = index.__class__((*index.seconds, 3.3), index.codec, index.pixels, index.width, index.height, index.turn)
    with pytest.raises(UnsuitedError):
        list(opened(longer).frames([80, 81]))


@pytest.mark.parametrize("kind", ["h264.mp4", "h264.mkv", "h264.ts"])
def test_the_index_has_the_numbers_and_times_of_all_frames(tmp_path: Path, kind: str) -> None:
    path = encode(tmp_path / kind, film([(3, 60)]), options=X264 | {"x264-params": "open-gop=0:scenecut=0"})
    with Video(str(path), 1) as video:
        index = index_of(video)
    with Video(str(path), 1) as video:
        exact = [frame.seconds for frame in video.frames(Sampling(skip=1))]
    assert index.seconds == pytest.approx(exact, abs=1e-6)
    assert index.shown == (320, 240)


def test_a_stream_that_begins_amid_a_group_is_not_for_the_device(tmp_path: Path) -> None:
    path = encode(tmp_path / "whole.ts", film([(3, 60)]))
    data = path.read_bytes()
    (tmp_path / "tail.ts").write_bytes(data[len(data) // 188 // 3 * 188 :])
    with Video(str(tmp_path / "tail.ts"), 1) as video, pytest.raises(UnsuitedError):
        index_of(video)
