"""The same cases on both backends, on a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media.draw_videos import encode, film, stamp, with_matrix
from oracle import assert_same_pairs, oracle
from support import Run

from fastsim import decode
from fastsim.decode.sampling import Sampling
from fastsim.model import load_model
from fastsim.records import DeviceRows, Embeddings, FrameBatch, MediaFile, Snapshot
from fastsim.similarity import effective, pair_blocks
from fastsim.traffic import Traffic
from fastsim.videos import frames

pytestmark = pytest.mark.gpu
DEVICES = ("cpu", "cuda:0")


class Quiet:
    def advance(self, n: int = 1) -> None: ...


def rows(n: int, d: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(1, d)) + draw.normal(size=(n, d))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("n", "d"), [(2, 16), (129, 40), (700, 256), (1500, 1056)])
@pytest.mark.parametrize("thres", [0.0, 0.5, 0.9, 1.0])
def test_pairs_are_those_of_the_oracle(device: str, n: int, d: int, thres: float) -> None:
    vectors = rows(n, d, n)
    vectors[n - 1] = vectors[0]
    if n > 9:
        vectors[7], vectors[8, 3] = 0, np.inf
    embeddings = Embeddings(np.arange(n, dtype=np.int64), vectors, np.zeros((n, 2), np.int32))
    found = np.full((n, n), -np.inf)
    for block in pair_blocks(embeddings, thres, device=device, workers=2):
        found[block.left, block.right] = block.score
    assert_same_pairs(found, oracle(vectors), effective(thres))


@pytest.mark.parametrize("options", [{}, {"kernel": "sift_reference"}, {"side": 256, "panel": 512, "room": 1 << 14}])
def test_kernels_panels_and_overflows_give_the_bits_of_the_cpu_backend(options: dict) -> None:
    from fastsim.similarity import cpu, cuda

    vectors = rows(3000, 256, 5)

    def found(blocks: object) -> list:
        return sorted(
            (left, right, score)
            for block in blocks  # type: ignore[attr-defined]
            for left, right, score in zip(block.left.tolist(), block.right.tolist(), block.score.tolist(), strict=True)
        )

    expected = found(cpu.pair_blocks(vectors, 0.55, workers=2))
    assert len(expected) > 1000
    assert found(cuda.pair_blocks(vectors, 0.55, device="cuda:0", **options)) == expected


def test_decoded_pictures_give_nearly_the_vectors_of_the_cpu_backend(photos: Path) -> None:
    from fastsim.embedding import embed, open_network

    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    paths = sorted(path for path in photos.rglob("*") if path.is_file())
    files = [MediaFile(k, str(path), str(photos), Snapshot.of(str(path))) for k, path in enumerate(paths)]
    vectors = {}
    for device, runtime in (("cpu", "openvino"), ("cuda:0", "onnxruntime")):
        try:
            network = open_network(load_model(), runtime=runtime, device=device, batch=4, threads=2)
        except ImportError:
            network = open_network(load_model(), runtime="onnxruntime", device=device, batch=4, threads=2)
        frames = decode.frame_batches(files, size=224, batch=4, workers=2, device=device)
        vectors[device], skipped = embed(network, frames, Quiet())
        assert len(skipped) == 1
    a, b = (vectors[device].vectors.astype(np.float32) for device in DEVICES)
    assert ((a * b).sum(axis=1) > 0.99).all()
    assert np.abs(a @ a.T - b @ b.T).max() < 0.01


def test_pixels_stay_on_the_device(photos: Path) -> None:
    import cupy as cp

    files = [MediaFile(0, str(photos / "holiday" / "hills.jpg"), str(photos), Snapshot.of(str(photos)))]
    (batch,) = decode.frame_batches(files, size=224, batch=4, workers=2, device="cuda:0")
    assert isinstance(batch, FrameBatch) and isinstance(batch.pixels, cp.ndarray)


@pytest.mark.parametrize("device", DEVICES)
def test_the_command_finds_the_same_groups(run: Run, photos: Path, device: str) -> None:
    done = run("images", photos, "--outs", "out", "--device", device, "--runtime", "onnxruntime", "--dry-run")
    assert "group" in done.stdout


@pytest.mark.parametrize(("n", "d"), [(700, 256), (1500, 40)])
@pytest.mark.parametrize("panel", [None, 32768])
def test_rows_that_lie_on_the_device_give_the_same_bits_and_stay_there(n: int, d: int, panel: int | None) -> None:
    import cupy as cp

    from fastsim.similarity import cuda

    vectors, traffic = rows(n, d, 3), Traffic()

    def found(resident: DeviceRows | None) -> list:
        blocks = cuda.pair_blocks(vectors, 0.5, device="cuda:0", resident=resident, traffic=traffic, panel=panel)
        return sorted(
            (left, right, score)
            for block in blocks
            for left, right, score in zip(block.left.tolist(), block.right.tolist(), block.score.tolist(), strict=True)
        )

    there = found(DeviceRows(0, cp.asarray(vectors)))
    assert "vectors" not in traffic.as_dict()
    assert there == found(None) and len(there) > 100
    assert traffic.as_dict()["vectors"]["to_device"] == vectors.nbytes


@pytest.mark.parametrize("batch", [3, 8])
def test_the_networks_rows_on_the_device_are_those_on_the_host(batch: int) -> None:
    from fastsim.embedding import embed, open_network

    draw = np.random.default_rng(0)
    ids, pixels = draw.permutation(20), draw.integers(0, 256, (20, 96, 96, 3), np.uint8)
    batches = [
        FrameBatch(ids[k : k + 7].astype(np.int64), pixels[k : k + 7], np.full((len(ids[k : k + 7]), 2), 96, np.int32))
        for k in range(0, 20, 7)
    ]
    found = {}
    for device in DEVICES:
        network = open_network(load_model(), runtime="onnxruntime", device=device, batch=batch, threads=2)
        found[device], _ = embed(network, batches, Quiet(), keep=20)
    ours, exact = found["cuda:0"], found["cpu"]
    assert exact.device is None and ours.device is not None
    assert np.array_equal(ours.device.rows.get().view(np.uint16), ours.vectors.view(np.uint16))
    assert ours.ids.tolist() == exact.ids.tolist() == list(range(20))
    assert ((ours.vectors.astype(np.float32) * exact.vectors).sum(axis=1) > 0.99).all()


def test_nothing_is_copied_between_the_decoder_and_the_pairs(photos: Path) -> None:
    from fastsim.config import Compute, Config, Scan
    from fastsim.pipeline import find
    from fastsim.progress import NullProgress

    for path in [*photos.rglob("*.png"), *photos.rglob("*.webp")]:
        path.unlink()
    groups = {}
    for device in DEVICES:
        compute = Compute(device=device, runtime="onnxruntime", workers=2, batch=4)
        found = find(Config(Scan((str(photos),)), compute, 0.75), NullProgress())
        groups[device], moved = [set(group.ids.tolist()) for group in found.groups], found.environment.traffic.as_dict()
    assert groups["cuda:0"] == groups["cpu"]
    n = len(found.embeddings)
    assert moved["vectors"] == {"to_device": 0, "to_host": 512 * n} and "pixels" not in moved


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
        [file], sampling, crop=0.85, size=112, threads=2, with_frames=True, where=frames.Where(device, notes.append)
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


def test_the_benchmark_runs_in_small(tmp_path: Path) -> None:
    root, out = Path(__file__).parents[2], tmp_path / "gpu.json"
    command = [sys.executable, "-m", "bench.gpu", "--small", "--out", str(out)]
    subprocess.run(command, cwd=root, env=dict(os.environ), check=True, timeout=400)
    failed = [row for row in json.loads(out.read_text())["rows"] if row[1] == "FAILED"]
    assert not failed, failed
