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
    """One run. `batch` counts pictures a step, each seen twice; `minutes` is the whole run, over all its pieces."""

    minutes: float
    batch: int
    side: int
    stages: tuple[Stage, ...]
    rate: float
    memory: int
    ema: float
    seed: int = 20261123
    warmup: float = 0.03
    weight_decay: float = 0.03
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 5.0
    drop: float = 0.0
    frozen: int = 0
    """This many of the body's first layers stay as they are (inference.py); 0 trains all."""
    painted: int = 2500
    small: float = 0.12
    """Part of the pictures that are small boxes out of a larger one, as detections are."""
    light: float = 0.5
    """Part of the first views that get light edits only; the others draw their strength from 0.1 to `top_strength`."""
    strength: tuple[float, float] = (0.4, 1.0)
    """The top strength at the start, and from the middle of the run on: hopeless copies teach nothing at first."""
    same_source: float = 0.25
    neighbours: float = 0.25
    """Parts of a batch drawn from one source, and as pairs of a picture and one of its nearest."""
    loss: LossWeights = field(default_factory=LossWeights)

    def top_strength(self, done: float) -> float:
        start, end = self.strength
        return start + (end - start) * min(1.0, 2 * done)


PRESETS = {
    # Two CPU cores, on from a model whose first layers are good enough to stay: small views, a memory to make up for the
    # small batch.
    "cpu": Config(
        minutes=105,
        batch=64,
        side=160,
        stages=(Stage(0.5, (96,)), Stage(1.0, (112, 128, 144))),
        rate=8e-4,
        memory=8192,
        ema=0.998,
        warmup=0.04,
        frozen=6,
        strength=(0.4, 0.85),
    ),
    # One H100 or H200, from scratch or on from a model: under 30 minutes of device time, in pieces of under ten.
    "gpu": Config(
        minutes=24,
        batch=640,
        side=224,
        stages=(Stage(0.45, (64, 96, 128)), Stage(0.85, (96, 128, 160)), Stage(1.0, (112, 160, 224))),
        rate=2e-3,
        memory=32768,
        ema=0.9995,
        weight_decay=0.05,
        drop=0.05,
        painted=8000,
    ),
    # Seconds: the tests.
    "tiny": Config(
        minutes=0.05,
        batch=8,
        side=64,
        stages=(Stage(1.0, (32, 48)),),
        rate=1e-3,
        memory=64,
        ema=0.9,
        painted=24,
    ),
}
