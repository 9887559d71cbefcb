"""The gradients of one batch: what a step consists of, and what several threads of a CPU do side by side.

A worker has a replica of the network and batches of its own. Threads that meet once a step lose little to each other, and
little to other programs; threads inside each operation wait for the slower one hundreds of times a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .batches import Batches
from .config import Config
from .edits import to_device
from .loss import Memory, total_loss
from .network import Network


@dataclass(frozen=True, slots=True)
class Result:
    """ids: int64[n] pictures; vectors: float[2n, 256], first views before second ones; labels: int64[2n]; parts of the loss."""

    ids: NDArray[np.int64]
    vectors: Tensor
    labels: Tensor
    parts: dict[str, Tensor]


class Worker:
    """Leaves the gradients of a batch's loss, times `share`, in its network's parameters."""

    def __init__(self, network: Network, batches: Batches, config: Config, *, share: float, compiled: bool) -> None:
        self.network, self.batches, self.config, self.share = network, batches, config, share
        self.forward: nn.Module = torch.compile(network, dynamic=False) if compiled else network

    def run(self, step: int, done: float, memory: Memory) -> Result:
        config, device = self.config, self.batches.device
        batch = self.batches.take(step, done)
        self.network.train()
        self.network.body[: config.frozen].eval()
        self.network.zero_grad(set_to_none=True)
        # The views are made before, in float32: rounded coordinates would move pixels.
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            inputs = [x.contiguous(memory_format=torch.channels_last) for x in batch.views]
            vectors = torch.cat([self.forward(x, config.frozen) for x in inputs])
        labels = to_device(np.concatenate([batch.ids, batch.ids]), device)
        loss, parts = total_loss(vectors, labels, memory, config.loss)
        (loss * self.share).backward()
        n = len(batch.ids)
        parts |= {"loss": loss, "positive": (vectors[:n] * vectors[n:]).sum(1).mean()}
        return Result(batch.ids, vectors.detach(), labels, {name: value.detach() for name, value in parts.items()})


@torch.no_grad()
def spread(networks: list[Network]) -> None:
    """Give the replicas the weights and statistics of the first network."""
    source = list(networks[0].state_dict().values())
    for network in networks[1:]:
        torch._foreach_copy_(list(network.state_dict().values()), source)


@torch.no_grad()
def gather(networks: list[Network]) -> None:
    """Add the replicas' gradients to the first network's, and give it the mean of their norms' statistics."""
    if len(networks) == 1:
        return
    for own, *others in zip(*(network.parameters() for network in networks), strict=True):
        for other in others:
            if own.grad is not None and other.grad is not None:
                own.grad.add_(other.grad)
    for own, *others in zip(*(network.buffers() for network in networks), strict=True):
        if own.is_floating_point():
            own.copy_(torch.stack([own, *others]).mean(0))
