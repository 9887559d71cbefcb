"""The network on a GPU: the rows that stay there are those of the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from fastsim.device import Device
from fastsim.model import load_model
from fastsim.records.rows import FrameBatch

pytestmark = pytest.mark.gpu
DEVICES = ("cpu", "cuda:0")


class Quiet:
    def advance(self, n: int = 1) -> None: ...


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
        network = open_network(load_model(), runtime="onnxruntime", device=Device.parse(device), batch=batch, threads=2)
        found[device], _ = embed(network, batches, Quiet(), keep=20)
    ours, exact = found["cuda:0"], found["cpu"]
    assert exact.device is None and ours.device is not None
    assert np.array_equal(ours.device.rows.get().view(np.uint16), ours.vectors.view(np.uint16))
    assert ours.ids.tolist() == exact.ids.tolist() == list(range(20))
    assert ((ours.vectors.astype(np.float32) * exact.vectors).sum(axis=1) > 0.99).all()
