"""Which pictures stand in a batch together: half at random, some of one source, some beside their look-alikes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .config import Config
from .edits import to_device


class Sampler:
    """Draws batches of distinct pictures, and remembers the latest vector of each, to find hard negatives."""

    def __init__(self, source: NDArray[np.int32], config: Config, device: torch.device, dim: int = 256) -> None:
        self.config = config
        self.members = [np.flatnonzero(source == s) for s in np.unique(source)]
        weights = np.sqrt([len(m) for m in self.members])
        self.weights = weights / weights.sum()
        self.count = len(source)
        self.batch = min(config.batch, self.count * 4 // 5)
        self.bank = torch.zeros(
            self.count, dim, device=device, dtype=torch.float16 if device.type == "cuda" else torch.float32
        )
        self.seen = np.zeros(self.count, bool)

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """int64[batch] distinct pictures, and int64[batch // 4] others that are not among them, for backgrounds."""
        batch = self.batch
        parts = [self._look_alikes(rng, int(batch * self.config.neighbours / 2))]
        chosen = self.members[rng.choice(len(self.members), p=self.weights)]
        parts.append(rng.permutation(chosen)[: int(batch * self.config.same_source)])
        parts.append(rng.permutation(self.count))
        order = np.concatenate(parts)
        first = np.sort(np.unique(order, return_index=True)[1])
        order = order[first]
        # Two views are trained as two halves and batch norm sees all of them: the order inside a batch does not matter.
        return order[:batch], order[batch : batch + max(1, batch // 4)]

    def _look_alikes(self, rng: np.random.Generator, pairs: int, near: int = 8) -> NDArray[np.int64]:
        known = np.flatnonzero(self.seen)
        if len(known) < 4 * near or pairs == 0:
            return np.empty(0, np.int64)
        seeds = rng.choice(known, min(pairs, len(known)), replace=False)
        rows = to_device(seeds, self.bank.device)
        scores = self.bank[rows] @ self.bank.T
        scores[torch.arange(len(rows), device=rows.device), rows] = -1
        nearest = scores.topk(near, 1).indices.cpu().numpy()
        return np.concatenate([seeds, nearest[np.arange(len(seeds)), rng.integers(0, near, len(seeds))]])

    def remember(self, ids: NDArray[np.int64], vectors: Tensor) -> None:
        """Record one vector per picture; called with the first views, the lighter ones."""
        self.bank[to_device(ids, self.bank.device)] = vectors.detach().to(self.bank.dtype)
        self.seen[ids] = True
