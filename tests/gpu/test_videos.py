"""Video decoded by NVDEC: the frames of the CPU's decoder. Needs PyAV, as the tests draw their videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Run

from fastsim.decode.video.sampling import Sampling
from fastsim.device import Device
from fastsim.records.files import MediaFile, Snapshot

pytest.importorskip("av", reason="needs PyAV")
from media.draw_videos import encode, film, stamp, with_matrix

from fastsim.videos import frames

pytestmark = pytest.mark.gpu
DEVICES = ("cpu", "cuda:0")


VIDEOS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": {"preset": "veryfast", "crf": "16", "g": "24", "bf": "3"}},
    "h264.ts": {"options": {"preset": "veryfast", "crf": "16", "g": "24", "bf": "3"}},
    "h265.mp4": {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "b": "2M"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"b": "2M"}},
}


def taken(path: Path, device: str, sampling: Sampling, notes: list[str]) -> list[frames.Taken]:
    file = MediaFile(0, str(path), str(path), Snapshot.of(str(path)))
    found = frames.events(
        [file],
        sampling,
        crop=0.85,
        size=112,
        threads=2,
        with_frames=True,
        where=frames.Where(Device.parse(device), notes.append),
    )
    return [event for event in found if isinstance(event, frames.Taken)]


def host(array: Any) -> np.ndarray:
    return array.get() if hasattr(array, "get") else array


@pytest.mark.parametrize("kind", VIDEOS)
@pytest.mark.parametrize(
    "sampling", [Sampling(skip=1), Sampling(skip=10), Sampling(every=0.3, start=1.0, end=3.0)], ids=str
)
def test_a_videos_frames_are_the_same_on_both_decoders(tmp_path: Path, kind: str, sampling: Sampling) -> None:
    # larger than NVDEC's smallest picture, which is 146 to 258 pixels wide
    path, notes = encode(tmp_path / kind, film([(0, 40), (5, 41), (2, 20)], 480, 360), **VIDEOS[kind]), []
    ours, exact = (taken(path, device, sampling, notes) for device in ("cuda:0", "cpu"))
    assert notes == [], "the CPU decoded it"
    assert [(one.index, one.size) for one in ours] == [(one.index, one.size) for one in exact]
    for a, b in zip(ours, exact, strict=True):
        assert a.seconds == pytest.approx(b.seconds, abs=1e-6)
        assert type(a.pixels) is not np.ndarray, "its pixels are on the host"
        assert np.abs(host(a.pixels).astype(int) - b.pixels).mean() < 5
        picture = a.frame.picture()
        assert stamp(picture) == a.index and np.abs(picture.astype(int) - b.frame.picture()).mean() < 5


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (-1, 0, 0, 1), (0, 1, 1, 0)])
def test_a_turned_video_is_the_same_on_both_decoders(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    path, notes = encode(tmp_path / "turned.mp4", film([(0, 30)], 480, 360), **VIDEOS["h264.mp4"]), []
    with_matrix(path, matrix)
    ours, exact = (taken(path, device, Sampling(), notes) for device in ("cuda:0", "cpu"))
    assert notes == [] and len(ours) == len(exact) == 3
    for a, b in zip(ours, exact, strict=True):
        assert a.size == b.size and np.abs(host(a.pixels).astype(int) - b.pixels).mean() < 5


def test_a_codec_that_the_gpu_lacks_goes_to_the_cpu_and_is_told(tmp_path: Path) -> None:
    path, notes = encode(tmp_path / "lossless.mkv", film([(0, 30)]), codec="ffv1", options={}), []
    found = taken(path, "cuda:0", Sampling(), notes)
    assert len(found) == 3 and len(notes) == 1 and "decoded by the CPU" in notes[0]


@pytest.mark.parametrize("command", ["video", "videos", "video-duplicates"])
def test_the_video_commands_find_the_same(run: Run, tmp_path: Path, command: str) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name, plan in (("a.mp4", [(0, 200), (5, 200)]), ("b.mp4", [(5, 200), (2, 200)])):
        encode(clips / name, film(plan, 480, 360), **VIDEOS["h264.mp4"])
    given = clips / "a.mp4" if command == "video" else clips
    told = {}
    for device in DEVICES:
        dry = [] if command == "video-duplicates" else ["--dry-run"]
        run(command, given, "--device", device, "--runtime", "onnxruntime", *dry, "--json", f"{device[:4]}.json")
        result = json.loads((tmp_path / f"{device[:4]}.json").read_text())
        told[device] = (
            [round(match["a_start"]) for group in result["groups"] for match in group["matches"]]
            if command == "video-duplicates" else
            [[frame["index"] for frame in one["kept"]] for one in result["videos"]]
        )  # fmt: skip
    assert told["cuda:0"] == told["cpu"] and told["cpu"]
