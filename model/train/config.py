"""Every number of a training run, in one frozen record that is written into the log and the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

from .loss import LossWeights

SIZE = 128
"""Side in pixels at which the network is used by default: the model card has what each size finds and costs."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Up to this part of the whole run, each view draws its side in pixels from `sizes`."""

    until: float
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """One run of `steps` steps over all its pieces. `batch` counts pictures a step and worker, each seen twice.

    `minutes`, where it is not 0, measures the run by the clock instead: for a machine lent for a fixed time.
    """

    steps: int
    batch: int
    side: int
    stages: tuple[Stage, ...]
    rate: float
    memory: int
    ema: float
    minutes: float = 0
    seed: int = 20261123
    warmup: int = 100
    """Steps in which the rate rises."""
    cooldown: float = 0.4
    """The last part of the run, in which the rate falls to a hundredth. Before, it is constant: a run can be made longer."""
    weight_decay: float = 0.03
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 5.0
    drop: float = 0.0
    frozen: int = 0
    """This many of the body's first layers stay as they are (inference.py); 0 trains all."""
    painted: int = 3000
    small: float = 0.12
    """Part of the pictures that are small boxes out of a larger one, as detections are."""
    light: float = 0.5
    """Part of the first views that get light edits only; the others draw their strength from 0.1 to `top_strength`."""
    strength: tuple[float, float] = (0.4, 1.0)
    """The top strength at the start, and from a tenth of the run on: hopeless copies teach nothing at first."""
    same_source: float = 0.25
    neighbours: float = 0.25
    """Parts of a batch drawn from one source, and as pairs of a picture and one of its nearest."""
    loss: LossWeights = field(default_factory=LossWeights)

    def top_strength(self, done: float) -> float:
        start, end = self.strength
        return start + (end - start) * min(1.0, 10 * done)


PRESETS = {
    # Two CPU cores, on from a model whose first layers are good enough to stay: small views, a memory to make up for the
    # small batch.
    "cpu": Config(
        steps=4000,
        batch=32,
        side=160,
        stages=(Stage(0.6, (96,)), Stage(1.0, (96, 112, 128))),
        rate=6e-4,
        memory=8192,
        # An hour has about 1,000 steps: a longer average would hold weights from before the rate fell.
        ema=0.99,
        warmup=60,
        frozen=6,
        strength=(0.5, 0.9),
        neighbours=0.375,
    ),
    # One H100 or H200, on from ImageNet's weights or from a model, all layers: fits a loan of 15 minutes with its start and
    # its transfers.
    "gpu": Config(
        steps=0,
        minutes=8,
        batch=640,
        side=192,
        stages=(Stage(0.5, (96, 128)), Stage(0.85, (96, 128, 160)), Stage(1.0, (112, 128, 160, 224))),
        rate=1e-3,
        memory=32768,
        ema=0.9995,
        weight_decay=0.05,
        drop=0.05,
        painted=8000,
    ),
    # Seconds: the tests.
    "tiny": Config(
        steps=200,
        batch=8,
        side=64,
        stages=(Stage(1.0, (32, 48)),),
        rate=1e-3,
        memory=64,
        ema=0.9,
        painted=24,
    ),
}
