"""Parts of the network that are run but not trained: without gradients, norms folded, on a CPU by OpenVINO.

Two parts are needed. The first layers, when they stay as they are: three quarters of the network's activations are made
by its first six layers, and PyTorch spends most of a CPU training step on them; edges and textures are learnt early
(model/README.md has what that gives). And the pooled features, for refit and calibrate. OpenVINO runs either in about a
third of PyTorch's time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .network import Network, fold_norms

CHUNK = 8
"""Pictures a request: what lies in a CPU's cache."""
Part = Callable[[Tensor], Tensor]


def first_layers(network: Network, layers: int, device: torch.device) -> Part:
    """`network.first(x, layers)` with the weights of now: float[n, 3, h, w] in [0, 1] to float[n, c, h', w'], channels last."""
    return _part(_First(_folded(network), layers), device)


def pooled_features(network: Network, device: torch.device) -> Part:
    """`network.features(x)` with the weights of now: float[n, 3, h, w] in [0, 1] to float[n, d]."""
    return _part(_Features(_folded(network)), device)


def rounded_features(network: Network) -> Part:
    """`pooled_features` on the CPU in bfloat16: by OpenVINO, as fastsim runs it, where this CPU has it, else by PyTorch.

    OpenVINO rounds more: means and sums are bfloat16, too.
    """
    import openvino as ov

    module = _Features(_folded(network))
    if "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return _OnOpenVino(module, "bf16")

    @torch.no_grad()
    def run(x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return module(x).float()

    return run


def _folded(network: Network) -> Network:
    own = copy.deepcopy(network).cpu().eval()
    # The features are what lies before the last layer: its scale is not folded into them.
    fold_norms(own)
    return own


def _part(module: nn.Module, device: torch.device) -> Part:
    if device.type == "cpu":
        return _OnOpenVino(module)
    module.to(device, memory_format=torch.channels_last)

    @torch.no_grad()
    def run(x: Tensor) -> Tensor:
        result: Tensor = module(x)
        return result

    return run


class _First(nn.Module):
    def __init__(self, network: Network, layers: int) -> None:
        super().__init__()
        self.network, self.layers = network, layers

    def forward(self, x: Tensor) -> Tensor:
        return self.network.first(x, self.layers)


class _Features(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.features(x)


class _OnOpenVino:
    """A module of one input, compiled for each size of it. Not to be called by two threads at a time."""

    def __init__(self, module: nn.Module, precision: str = "f32") -> None:
        import openvino as ov

        self._precision = precision

        # Here, not at the first call: PyTorch's tracing is not made for several threads.
        with torch.no_grad():
            self._graph = ov.convert_model(module, example_input=torch.zeros(1, 3, 64, 64))
        self._queues: dict[tuple[int, int], Any] = {}

    def __call__(self, x: Tensor) -> Tensor:
        # A request has one shape: whole chunks, and what is left over as a chunk of its own size.
        whole = len(x) // CHUNK * CHUNK
        parts = [self._run(x[:whole], CHUNK)] if whole else []
        if whole < len(x):
            parts.append(self._run(x[whole:], len(x) - whole))
        result = torch.cat(parts)
        return result.contiguous(memory_format=torch.channels_last) if result.ndim == 4 else result

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

            self._graph.reshape([chunk, 3, side, side])
            hints = {
                "PERFORMANCE_HINT": "THROUGHPUT",
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "INFERENCE_PRECISION_HINT": self._precision,
            }
            compiled = ov.Core().compile_model(self._graph, "CPU", hints)
            self._queues[chunk, side] = ov.AsyncInferQueue(compiled), list(compiled.output(0).shape)
        return self._queues[chunk, side]
