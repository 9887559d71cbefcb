"""The pairs of the cuda backend, on a GPU: those of the oracle, and the bits of the cpu backend."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import assert_same_pairs, oracle

from fastsim.device import Device
from fastsim.records.rows import DeviceRows, Embeddings
from fastsim.run.traffic import Traffic
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
    for block in pair_blocks(embeddings, thres, device=Device.parse(device), workers=2):
        found[block.left, block.right] = block.score
    assert_same_pairs(found, oracle(vectors), effective(thres))


@pytest.mark.parametrize(
    "options", [{}, {"kernel": "prefilter_reference"}, {"side": 256, "panel": 512, "room": 1 << 14}]
)
def test_kernels_panels_and_overflows_give_the_bits_of_the_cpu_backend(options: dict) -> None:
    from fastsim.similarity import cpu, cuda

    vectors = rows(3000, 256, 5)
    vectors[1::100] = vectors[::100]  # duplicates: some would score 1.0000001 if both backends did not clamp at 1

    def found(blocks: object) -> list:
        return sorted(
            (left, right, score)
            for block in blocks  # type: ignore[attr-defined]
            for left, right, score in zip(block.left.tolist(), block.right.tolist(), block.score.tolist(), strict=True)
        )

    expected = found(cpu.pair_blocks(vectors, 0.55, workers=2))
    assert len(expected) > 1000
    assert found(cuda.pair_blocks(vectors, 0.55, device=Device.parse("cuda:0"), **options)) == expected


@pytest.mark.parametrize(("n", "d"), [(700, 256), (1500, 40)])
@pytest.mark.parametrize("panel", [None, 32768])
def test_rows_that_lie_on_the_device_give_the_same_bits_and_stay_there(n: int, d: int, panel: int | None) -> None:
    import cupy as cp

    from fastsim.similarity import cuda

    vectors, traffic = rows(n, d, 3), Traffic()

    def found(resident: DeviceRows | None) -> list:
        blocks = cuda.pair_blocks(
            vectors, 0.5, device=Device.parse("cuda:0"), resident=resident, traffic=traffic, panel=panel
        )
        return sorted(
            (left, right, score)
            for block in blocks
            for left, right, score in zip(block.left.tolist(), block.right.tolist(), block.score.tolist(), strict=True)
        )

    there = found(DeviceRows(0, cp.asarray(vectors)))
    assert "vectors" not in traffic.as_dict()
    assert there == found(None) and len(there) > 100
    assert traffic.as_dict()["vectors"]["to_device"] == vectors.nbytes


@pytest.mark.parametrize("options", [{}, {"side": 256, "panel": 512, "room": 1 << 16}])
def test_the_nearest_neighbours_have_the_bits_of_the_cpu_backend(options: dict) -> None:
    from fastsim.similarity import neighbours, neighbours_cuda

    vectors = rows(3000, 256, 7)
    exact = neighbours.find_nearest(vectors, 24, 0.3, workers=2)
    ours = neighbours_cuda.find_nearest(vectors, 24, 0.3, device=Device.parse("cuda:0"), **options)
    assert np.array_equal(ours.index, exact.index)
    assert np.array_equal(ours.score.view(np.uint32), exact.score.view(np.uint32))
