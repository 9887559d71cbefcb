"""From picture files to groups on a GPU: decoded there, never copied on the way, and the same as on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import Run

from fastsim import decode
from fastsim.device import Device
from fastsim.model import load_model
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.rows import FrameBatch

pytestmark = pytest.mark.gpu
DEVICES = ("cpu", "cuda:0")


class Quiet:
    def advance(self, n: int = 1) -> None: ...


def test_decoded_pictures_give_nearly_the_vectors_of_the_cpu_backend(photos: Path) -> None:
    from fastsim.embedding import embed, open_network

    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    paths = sorted(path for path in photos.rglob("*") if path.is_file())
    files = [MediaFile(k, str(path), str(photos), Snapshot.of(str(path))) for k, path in enumerate(paths)]
    vectors = {}
    for device, runtime in (("cpu", "openvino"), ("cuda:0", "onnxruntime")):
        try:
            network = open_network(load_model(), runtime=runtime, device=Device.parse(device), batch=4, threads=2)
        except ImportError:
            network = open_network(load_model(), runtime="onnxruntime", device=Device.parse(device), batch=4, threads=2)
        frames = decode.frame_batches(files, size=224, batch=4, workers=2, device=Device.parse(device))
        vectors[device], skipped = embed(network, frames, Quiet())
        assert len(skipped) == 1
    a, b = (vectors[device].vectors.astype(np.float32) for device in DEVICES)
    assert ((a * b).sum(axis=1) > 0.99).all()
    assert np.abs(a @ a.T - b @ b.T).max() < 0.01


def test_pixels_stay_on_the_device(photos: Path) -> None:
    import cupy as cp

    files = [MediaFile(0, str(photos / "holiday" / "hills.jpg"), str(photos), Snapshot.of(str(photos)))]
    (batch,) = decode.frame_batches(files, size=224, batch=4, workers=2, device=Device.parse("cuda:0"))
    assert isinstance(batch, FrameBatch) and isinstance(batch.pixels, cp.ndarray)


def test_the_command_finds_the_same_groups(run: Run, photos: Path, tmp_path: Path) -> None:
    groups = {}
    for device in DEVICES:
        run(
            "images",
            photos,
            "--device",
            device,
            "--runtime",
            "onnxruntime",
            "--dry-run",
            "--json",
            f"{device[:4]}.json",
        )
        found = json.loads((tmp_path / f"{device[:4]}.json").read_text())
        assert found["environment"]["device"] == device
        groups[device] = [[member["path"] for member in group["members"]] for group in found["groups"]]
    assert len(groups["cpu"]) == 4
    assert groups["cuda:0"] == groups["cpu"]


def test_nothing_is_copied_between_the_decoder_and_the_pairs(photos: Path) -> None:
    from fastsim.config import Compute, Config, Scan
    from fastsim.pipeline import find
    from fastsim.run.progress import NullProgress

    for path in [*photos.rglob("*.png"), *photos.rglob("*.webp")]:
        path.unlink()
    groups = {}
    for device in DEVICES:
        compute = Compute(device=Device.parse(device), runtime="onnxruntime", workers=2, batch=4)
        found = find(Config(Scan((str(photos),)), compute, 0.75), NullProgress())
        groups[device], moved = [set(group.ids.tolist()) for group in found.groups], found.environment.traffic.as_dict()
    assert groups["cuda:0"] == groups["cpu"]
    n = len(found.embeddings)
    assert moved["vectors"] == {"to_device": 0, "to_host": 512 * n} and "pixels" not in moved
