"""The rows of a GPU's network stay on the GPU: addresses, order, waits and bytes moved, over NumPy in CuPy's place."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import fake_cupy
import numpy as np
import pytest
from oracle import assert_same_pairs, oracle

from fastsim import similarity
from fastsim.config import Compute, Config, Scan
from fastsim.device import Device
from fastsim.embedding import embed
from fastsim.model import load_model
from fastsim.pipeline import find
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.rows import DeviceRows, Embeddings, FrameBatch
from fastsim.run.progress import NullProgress
from fastsim.run.traffic import Traffic
from fastsim.similarity import effective
from fastsim.videos.embed_frames import with_rows
from fastsim.videos.frames import Ended, Taken, VideoOpened

pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("onnx", reason="needs onnx")


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> object:
    fake_cupy.install(monkeypatch)
    fake_cupy.install_session(monkeypatch)
    return importlib.import_module("cupy")


def frames(count: int, sizes: list[int]) -> list[FrameBatch]:
    """Batches of pictures of 64 pixels whose ids do not ascend."""
    draw = np.random.default_rng(7)
    ids = draw.permutation(np.arange(10, 10 + 3 * count, 3))
    pixels = draw.integers(0, 256, (count, 64, 64, 3), np.uint8)
    stops = np.cumsum(sizes)
    assert stops[-1] == count
    return [
        FrameBatch(ids[a:b].astype(np.int64), pixels[a:b], np.full((b - a, 2), 64, np.int32))
        for a, b in zip([0, *stops[:-1]], stops, strict=True)
    ]


def network(traffic: Traffic, batch: int = 4) -> object:
    backend = importlib.import_module("fastsim.embedding.onnxruntime_cuda")
    return backend.CudaNetwork(
        load_model(), device=Device.parse("cuda:0"), runtime="onnxruntime", batch=batch, traffic=traffic
    )


def run(net: object, batches: list[FrameBatch], keep: int) -> Embeddings:
    with NullProgress().bar("embed", None, "images") as bar:
        return embed(net, batches, bar, keep=keep)[0]  # type: ignore[arg-type]


def test_the_kept_rows_are_the_hosts_bit_by_bit_and_each_crosses_once(cupy: object) -> None:
    batches, traffic = frames(13, [4, 2, 4, 3]), Traffic()
    found = run(network(traffic), batches, keep=20)
    from fastsim.embedding.onnxruntime import OnnxRuntimeNetwork  # not at the top: it may not be installed

    exact = run(OnnxRuntimeNetwork(load_model(), threads=2), batches, keep=20)
    assert exact.device is None and found.device is not None
    assert isinstance(found.device.rows, fake_cupy.Array) and found.device.device == 0
    assert np.array_equal(np.asarray(found.device.rows).view(np.uint16), found.vectors.view(np.uint16))
    assert found.ids.tolist() == exact.ids.tolist()
    assert ((found.vectors.astype(np.float64) * exact.vectors).sum(axis=1) > 0.998).all()
    moved = traffic.as_dict()
    assert moved["vectors"] == {"to_device": 0, "to_host": 13 * 256 * 2}
    assert moved["pixels"] == {"to_device": 13 * 64 * 64 * 3, "to_host": 0}
    assert moved["order"] == {"to_device": 13 * 8, "to_host": 0}
    assert (fake_cupy.Moved.up, fake_cupy.Moved.down) == (13 * (64 * 64 * 3 + 8), 13 * 256 * 2)


def test_a_batch_that_is_larger_than_the_network_takes_is_cut(cupy: object) -> None:
    batches = frames(11, [9, 2])
    cut, whole = run(network(Traffic(), 4), batches, keep=11), run(network(Traffic(), 16), batches, keep=11)
    assert ((cut.vectors.astype(np.float64) * whole.vectors).sum(axis=1) > 0.999).all()
    assert cut.device is not None and np.array_equal(np.asarray(cut.device.rows), cut.vectors)


@pytest.mark.parametrize("keep", [0, 13])
def test_rows_that_are_not_wanted_there_or_do_not_fit_only_pass(cupy: object, keep: int) -> None:
    fake_cupy.Device.memory = 1000
    found = run(network(Traffic()), frames(13, [4, 4, 4, 1]), keep)
    assert found.device is None and len(found) == 13
    assert np.abs(np.linalg.norm(found.vectors.astype(np.float64), axis=1) - 1).max() < 2e-3


def test_a_batch_that_does_not_fit_the_device_is_halved_and_that_is_said(
    cupy: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_session = fake_cupy.Session.run_with_iobinding
    shapes: list[int] = []

    def small(self: fake_cupy.Session, binding: fake_cupy.Binding, options: object) -> None:
        shapes.append(binding.batch)
        if binding.batch > 4:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 1\nmore")
        run_session(self, binding, options)

    monkeypatch.setattr(fake_cupy.Session, "run_with_iobinding", small)
    net = network(Traffic(), batch=16)
    found = run(net, frames(11, [9, 2]), keep=11)
    assert shapes == [16, 8, 4, 4, 4, 4, 4]
    assert net.ran_on.precision == "float16, batch 4: more did not fit the device"  # type: ignore[attr-defined]
    assert found.device is not None and np.array_equal(np.asarray(found.device.rows), found.vectors)


def test_a_network_runs_again_after_a_run_that_was_ended_early(cupy: object) -> None:
    batches, net = frames(16, [4, 4, 4, 4]), network(Traffic())
    first = run(net, batches, keep=16)
    for _ in range(3):
        early = net.run(batches)  # type: ignore[attr-defined]
        next(early)
        early.close()
    again = run(net, batches, keep=16)
    assert np.array_equal(first.vectors, again.vectors)
    assert again.device is not None and np.array_equal(np.asarray(again.device.rows), again.vectors)


def test_a_batch_holds_frames_of_one_memory_and_rows_come_in_order(cupy: object) -> None:
    """A video that the device's decoder leaves amid it goes on with frames in the host's memory."""
    video = MediaFile(0, "v", "v", Snapshot(1, 1, 1))
    pixels = frames(9, [9])[0].pixels
    taken = [
        Taken(k, k / 25, picture.view(fake_cupy.Array) if k < 5 else picture, (64, 64), picture.nbytes, None)
        for k, picture in enumerate(pixels)
    ]
    events = [VideoOpened(video, 9), *taken, Ended(video, 9, "")]
    told = list(with_rows(iter(events), network(Traffic()), 4))  # type: ignore[arg-type]
    assert [event for event, _ in told] == events
    exact = run(network(Traffic()), [FrameBatch(np.arange(9), pixels, np.full((9, 2), 64, np.int32))], keep=0)
    ours = np.stack([row for _, row in told if row is not None])
    assert ((ours.astype(np.float64) * exact.vectors).sum(axis=1) > 0.999).all()


def rows(n: int, d: int) -> np.ndarray:
    draw = np.random.default_rng(n + d)
    values = draw.normal(size=(1, d)) + draw.normal(size=(n, d))
    made = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)
    made[5], made[6] = made[n - 1], 0
    made[7, 1] = np.nan
    return made


@pytest.mark.parametrize(("n", "d"), [(300, 64), (700, 40)])
@pytest.mark.parametrize("device", ["cuda:0", "cuda:0,1", "cuda:1"])
@pytest.mark.parametrize("panel", [None, 256])
def test_rows_are_compared_where_they_lie(cupy: object, n: int, d: int, device: str, panel: int | None) -> None:
    cuda, traffic, vectors = importlib.import_module("fastsim.similarity.cuda"), Traffic(), rows(n, d)
    resident = DeviceRows(0, np.array(vectors).view(fake_cupy.Array))
    found = np.full((n, n), -np.inf)
    for block in cuda.pair_blocks(
        vectors,
        effective(0.55),
        device=Device.parse(device),
        resident=resident,
        traffic=traffic,
        side=128,
        panel=panel,
        room=1 << 14,
    ):
        found[block.left, block.right] = block.score
    assert_same_pairs(found, oracle(vectors), effective(0.55))
    moved = traffic.as_dict()
    assert ("vectors" in moved) == (device != "cuda:0")
    assert (fake_cupy.Moved.up, fake_cupy.Moved.down) == (
        moved.get("vectors", {"to_device": 0})["to_device"],
        moved["pairs"]["to_host"],
    )


def test_nothing_is_copied_between_the_decoder_and_the_pairs(
    cupy: object, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dali = pytest.importorskip("fastsim.decode.dali", reason="needs nvidia-dali")
    for path in [*photos.rglob("*.png"), *photos.rglob("*.webp")]:
        path.unlink()
    fake_cupy.install_decoder(monkeypatch, dali)
    compute = Compute(size=96, device=Device.parse("cuda:0"), runtime="onnxruntime", workers=2, batch=4)
    found = find(Config(Scan((str(photos),)), compute, 0.75), NullProgress())
    n, moved = len(found.embeddings), found.environment.traffic.as_dict()
    files = sum(file.snapshot.size for file in found.files)
    assert n >= 5 and moved["files"] == {"to_device": files, "to_host": 0}
    assert moved["vectors"] == {"to_device": 0, "to_host": n * 512}
    assert moved.keys() <= {"files", "vectors", "labels", "order", "pairs"}
    assert fake_cupy.Moved.down == n * 512 + moved["pairs"]["to_host"]
    exact = find(Config(Scan((str(photos),)), Compute(size=96, workers=2, batch=4), 0.75), NullProgress())
    assert [group.ids.tolist() for group in found.groups] == [group.ids.tolist() for group in exact.groups]
    assert not exact.environment.traffic.as_dict()

    shutil.copy(found.files[0].path, photos / "again.jpg")  # a copy's row comes from the host: all rows go up then
    again = find(Config(Scan((str(photos),)), compute, 0.75), NullProgress())
    assert again.environment.traffic.as_dict()["vectors"] == {"to_device": (n + 1) * 512, "to_host": n * 512}


def test_the_moved_bytes_in_words() -> None:
    traffic = Traffic()
    assert traffic.as_dict() == {} and str(traffic) == ""
    traffic.up("files", 1000)
    traffic.down("pairs", 0)
    traffic.down("vectors", 512)
    assert str(traffic) == "files 1,000 bytes to the device; vectors 512 bytes to the host"


def test_the_device_rows_of_embeddings_have_their_shape() -> None:
    vectors, ids, sizes = np.zeros((3, 4), np.float16), np.arange(3), np.zeros((3, 2), np.int32)
    assert Embeddings(ids, vectors, sizes, DeviceRows(0, vectors)).device is not None
    with pytest.raises(ValueError, match="on the device"):
        Embeddings(ids, vectors, sizes, DeviceRows(0, vectors[:2]))
    assert similarity.effective(1.0) < 1
