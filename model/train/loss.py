"""What training minimises: the semi-hard triplet term of FaceNet, InfoNCE over the batch and a memory, and KoLeo's spread.

Sources: Schroff et al. 2015 (triplets), van den Oord et al. 2018 and Chen et al. 2020 (InfoNCE), Wang et al. 2020
(cross-batch memory), Sablayrolles et al. 2019 and Pizzi et al. 2022 (KoLeo, the entropy term of SSCD).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each term counts. `triplet_margin` is in squared distances, 2 - 2 * cosine."""

    infonce: float = 1.0
    temperature: float = 0.06
    triplet: float = 1.0
    triplet_margin: float = 0.3
    koleo: float = 0.1


class Memory:
    """The latest unit rows and their pictures: negatives from past batches, at the cost of one product (first in, first out)."""

    def __init__(self, rows: int, dim: int, device: torch.device) -> None:
        self.vectors = torch.zeros(rows, dim, device=device)
        self.ids = torch.full((rows,), -1, dtype=torch.long, device=device)
        self.at = 0

    def push(self, vectors: Tensor, ids: Tensor) -> None:
        rows = (torch.arange(len(ids), device=ids.device) + self.at) % len(self.ids)
        self.vectors[rows] = vectors.detach().float()
        self.ids[rows] = ids
        self.at = (self.at + len(ids)) % len(self.ids)


def infonce(scores: Tensor, positive: Tensor, negative: Tensor, temperature: float) -> Tensor:
    """-log of the positive's share among itself and the negatives, mean over rows.

    scores: [n, m] cosines; positive: [n] columns; negative: bool[n, m].
    """
    logits = scores / temperature
    good = logits.gather(1, positive[:, None])
    bad = logits.masked_fill(~negative, float("-inf"))
    return (torch.logsumexp(torch.cat([good, bad], 1), 1) - good[:, 0]).mean()


def semi_hard_triplet(scores: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """FaceNet's choice: for each anchor and positive the nearest negative that is farther than the positive; mean over rows.

    A row without such a negative takes the farthest one (its negatives are all nearer than the positive: the nearest
    would pull the network to a point). Same arguments as `infonce`.
    """
    near = scores.gather(1, positive[:, None])
    semi = torch.where(negative & (scores < near), scores, -2.0).amax(1)
    farthest = torch.where(negative, scores, 2.0).amin(1)
    chosen = torch.where(semi > -2, semi, farthest)
    return (2 * (chosen - near[:, 0]) + margin).clamp(min=0).mean()


def koleo(vectors: Tensor, ids: Tensor) -> Tensor:
    """-log of the distance to the nearest vector of another picture, mean over rows: spreads pictures evenly."""
    scores = (vectors @ vectors.T).masked_fill(ids[:, None] == ids[None], -1)
    return -((2 - 2 * scores.amax(1)).clamp(min=1e-6).sqrt()).log().mean()


def total_loss(vectors: Tensor, ids: Tensor, memory: Memory, weights: LossWeights) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum and its parts, for two views a picture: vectors float32[2k, d], row i + k is row i's other view."""
    n = len(vectors)
    others = torch.cat([vectors, memory.vectors])
    other_ids = torch.cat([ids, memory.ids])
    scores = vectors @ others.T
    negative = (ids[:, None] != other_ids[None]) & (other_ids >= 0)[None]
    positive = (torch.arange(n, device=vectors.device) + n // 2) % n
    parts = {
        "infonce": infonce(scores, positive, negative, weights.temperature),
        # FaceNet looks for semi-hard negatives in the batch. Among thousands in a memory there is always one that is just
        # beyond the positive: the term stays at its margin, and was seen to pull look-alikes together.
        "triplet": semi_hard_triplet(scores[:, :n], positive, negative[:, :n], weights.triplet_margin),
        "koleo": koleo(vectors, ids),
    }
    total = weights.infonce * parts["infonce"] + weights.triplet * parts["triplet"] + weights.koleo * parts["koleo"]
    return total, parts
