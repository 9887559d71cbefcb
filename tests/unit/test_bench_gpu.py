"""`python -m bench.gpu` in small, over NumPy in CuPy's place: its checks find what is wrong, its parts run to their end.

No figure that it prints here means anything.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import fake_cupy
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("onnx", reason="needs onnx")
from bench.gpu import __main__ as command
from bench.gpu import measuring, network, pairs, pictures, video
from fastsim.similarity import cpu
from fastsim.videos import frames


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    dali = pytest.importorskip("fastsim.decode.dali", reason="needs nvidia-dali")
    fake_cupy.install(monkeypatch)
    fake_cupy.install_session(monkeypatch)
    fake_cupy.install_decoder(monkeypatch, dali)
    monkeypatch.setattr(frames, "_number", lambda _device: None)
    monkeypatch.setattr(network, "mish", lambda _sizes: iter(()))  # its kernels are CUDA


def told(name: str, clock: measuring.Clock | None = None) -> list[measuring.Row]:
    rows = command.measured([name], measuring.SMALL, clock or measuring.Clock(200))
    assert not [row for row in rows if row[1] == "FAILED"], rows
    return rows


def test_the_pairs_are_validated_and_timed_beside_their_rivals(gpu: None) -> None:
    rows = {(str(what), str(how)): (result, note) for what, how, result, note in told("pairs")}
    assert rows["all-pairs 1,000", "valid"][1].startswith("oracle on 6 tiles of 256: same ")  # type: ignore[union-attr]
    for how in ("fastsim cuda, rows on the device", "fastsim cuda, rows on the host", "cupy.matmul + threshold"):
        assert str(rows["all-pairs 1,000", how][0]).endswith(" s")
    assert ("all-pairs 1,000", "PyTorch, dense") in rows


def test_each_version_of_the_kernel_is_validated_and_timed(gpu: None) -> None:
    rows = told("tiles")
    assert [str(row[1]).split(",")[0] for row in rows] == ["simple", "strips", "strips3", "hopper"]
    assert [row[2] for row in rows] == ["1.00 ms"] * 3 + ["not measured"]


def test_the_network_and_the_pictures_run_and_nothing_is_copied_by_the_host(gpu: None) -> None:
    rows = told("network")
    assert sum("images/s" in str(row[2]) for row in rows) >= 2
    rows = told("pictures")
    moved = {row[1]: row[2] for row in rows if "moved" in str(row[0])}
    assert moved["vectors"] == "0 up, 15,360 down" and "pixels" not in moved
    assert next(row[2] for row in rows if "host copies" in str(row[0])) == "0 bytes"


def test_a_video_that_the_device_does_not_decode_is_told(gpu: None) -> None:
    rows = told("video")
    assert rows[0][1] == "valid" and "decoded by the CPU" in str(rows[0][3])
    assert [row[1] for row in rows[1:]] == [
        "cpu, asked for cuda:0, every 1", "cpu, asked for cuda:0, every 10", "cpu, every 1", "cpu, every 10",
    ]  # fmt: skip
    assert all("decoded by the CPU" in str(row[3]) for row in rows[1:3])


def test_an_oracle_of_a_tile_sees_a_pair_too_many_and_one_too_few() -> None:
    vectors = pairs.rows(1500)
    found = pairs.found(cpu.pair_blocks(vectors, pairs.THRES, workers=1))
    seen = [pairs.check_tile(vectors, found, at, 300) for at in pairs.tiles(1500, 300, 12)]
    assert sum(seen) > 0 and len({*pairs.tiles(1500, 300, 12)}) > 6
    left, right = found
    at = (int(left[0]) // 300 * 300, int(right[0]) // 300 * 300)
    with pytest.raises(AssertionError, match="differ"):
        pairs.check_tile(vectors, (left[1:], right[1:]), at, 300)
    more = np.concatenate([left, [at[0]]]), np.concatenate([right, [at[1] + 7]])
    with pytest.raises(AssertionError, match="differ"):
        pairs.check_tile(vectors, more, at, 300)


@pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")
def test_the_rivals_in_pytorch_find_the_same_and_run(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch")
    vectors = pairs.rows(1200)
    expected = len(pairs.found(cpu.pair_blocks(vectors, pairs.THRES, workers=1))[0])
    assert pairs.by_torch(vectors, side=500, device="cpu") == expected
    pytest.importorskip("torchvision", reason="needs torchvision")
    pixels = np.zeros((2, 64, 64, 3), np.uint8)
    small = measuring.Sizes(batches=1, batch=4, side=64, repeats=1)
    assert network.by_torch(pixels, small, device="cpu") > 0
    assert pictures.by_torch(pictures.jpegs(tmp_path, 6), small, device="cpu") > 0


def test_the_drawn_files_are_all_different_and_a_part_that_fails_or_is_late_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = pictures.jpegs(tmp_path, 205)
    assert len({Path(file.path).read_bytes() for file in files}) == 205
    assert video.drawn(tmp_path / "v.mp4", 5, (64, 48)).snapshot.size > 0

    def broken(_sizes: object, _clock: object) -> object:
        yield "a", "b", "c", ""
        raise RuntimeError("no such device")

    monkeypatch.setitem(command.PARTS, "pairs", broken)
    monkeypatch.setattr(sys, "argv", ["bench.gpu", "--small", "--only", "pairs", "--out", str(tmp_path / "r.json")])
    assert command.main() == 1
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["rows"][0] == ["a", "b", "c", ""] and result["rows"][1][1] == "FAILED"
    assert {"gpus", "problem", "versions", "small", "machine"} <= result.keys()
    assert "no such device" in capsys.readouterr().out
    assert command.measured(["pairs"], measuring.SMALL, measuring.Clock(1))[0][2] == "not measured"


def test_the_busy_share_is_of_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measuring.steady([0, 90, 90, 80, 100, 0]) == 90
    assert measuring.steady([50.0]) is None
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nfor k in 0 80 80 80 80 80 80 0; do echo $k; done\nexec sleep 5\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with measuring.Busy() as busy:
        for _ in range(100):
            if len(busy._samples) == 8:
                break
            __import__("time").sleep(0.02)
    assert str(busy) == "GPU busy 80 % in steady state"
