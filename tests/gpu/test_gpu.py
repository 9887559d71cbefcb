"""The same cases on both backends, on a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from oracle import assert_same_pairs, oracle
from support import Run

from fastsim import decode
from fastsim.model import load_model
from fastsim.records import Embeddings, FrameBatch, MediaFile, Snapshot
from fastsim.similarity import effective, pair_blocks

pytestmark = pytest.mark.gpu
DEVICES = ("cpu", "cuda:0")


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

    class Quiet:
        def advance(self, n: int = 1) -> None: ...

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
