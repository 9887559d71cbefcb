"""The first layers of the network, when they are not trained: run without gradients, on a CPU by OpenVINO.

Three quarters of the network's activations are made by its first six layers, and PyTorch spends most of a CPU training
step on them: Mish and its gradient, batch norms, depthwise gradients. Edges and textures are learnt early; with those
layers kept as an earlier run left them, two CPU cores train the others about four times as fast (model/README.md).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from .network import Network, fold_norms

CHUNK = 8
"""Pictures a request: what lies in a CPU's cache."""


class _Head(nn.Module):
    """The layers themselves, as one module that a converter can trace."""

    def __init__(self, network: Network, layers: int) -> None:
        super().__init__()
        self.network, self.layers = network, layers

    def forward(self, x: Tensor) -> Tensor:
        return self.network.first(x, self.layers)


class FrozenLayers:
    """`network.first(x, layers)` with the weights of now, in evaluation mode."""

    def __init__(self, network: Network, layers: int, device: torch.device) -> None:
        own = copy.deepcopy(network).cpu().eval()
        fold_norms(own)
        self._module = _Head(own, layers).to(device)
        self._on_cpu = device.type == "cpu"
        self._queues: dict[tuple[int, int], Any] = {}

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """float[n, 3, h, w] in [0, 1] to float[n, channels, h', w'], channels last."""
        if not self._on_cpu:
            return self._module(x)
        # An OpenVINO request has one shape: whole chunks, and what is left over as a chunk of its own size.
        whole = len(x) // CHUNK * CHUNK
        parts = [self._run(x[:whole], CHUNK)] if whole else []
        if whole < len(x):
            parts.append(self._run(x[whole:], len(x) - whole))
        return torch.cat(parts).contiguous(memory_format=torch.channels_last)

    def _run(self, x: Tensor, chunk: int) -> Tensor:
        pixels = x.contiguous().numpy()
        queue, shape = self._queue(chunk, x.shape[-1])
        result = torch.empty(len(x), *shape[1:])
        target = result.numpy()

        def store(request: Any, start: int) -> None:
            target[start : start + chunk] = request.get_output_tensor().data

        queue.set_callback(store)
        for start in range(0, len(x), chunk):
            queue.start_async({0: pixels[start : start + chunk]}, start)
        queue.wait_all()
        return result

    def _queue(self, chunk: int, side: int) -> tuple[Any, list[int]]:
        if (chunk, side) not in self._queues:
            import openvino as ov

            graph = ov.convert_model(self._module, example_input=torch.zeros(1, 3, 64, 64))
            graph.reshape([chunk, 3, side, side])
            hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
            compiled = ov.Core().compile_model(graph, "CPU", hints)
            self._queues[chunk, side] = ov.AsyncInferQueue(compiled), list(compiled.output(0).shape)
        return self._queues[chunk, side]
