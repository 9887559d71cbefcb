"""Compare the terms of the loss: short training runs from the same weights, each without one term or with one alone.

    python -m model.train.ablate DATA --out RUN --init model/train/start.pt [--steps 150] [--variants all no-koleo ...]

Every run sees the same pictures with the same edits. A run is judged by its features, not by the last layer that it
trained: a fresh one is fitted (refit.py), and pairs of held-out pictures are ranked by it. Writes RUN/VARIANT/ and
RUN/ablation.json, after each run; variants that are there already are not run again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray

from .calibrate import pair_scores
from .config import PRESETS, Config
from .initial import read_weights
from .loss import LossWeights
from .network import Network
from .prepare import Pictures, load
from .refit import edited_features, rounding_errors, tune
from .train import Trainer, run

VARIANTS = {
    "all": LossWeights(),
    "no-infonce": LossWeights(infonce=0),
    "no-triplet": LossWeights(triplet=0),
    "no-koleo": LossWeights(koleo=0),
    "infonce-only": LossWeights(triplet=0, koleo=0),
    "triplet-only": LossWeights(infonce=0, koleo=0),
}
"""Loss weights by name; "start" beside them is the weights that all runs start from, untrained."""
PRECISIONS = (0.9, 0.99, 0.999)


def rank(true: NDArray[np.float32], false: NDArray[np.float32]) -> dict[str, float]:
    """Compute micro-AP and the recall at each of `PRECISIONS`, from ascending scores of true and of false pairs."""
    best = true[::-1]
    found = np.arange(1, len(best) + 1)
    precision = found / (found + len(false) - np.searchsorted(false, best, "left"))
    figures = {"micro_ap": float(precision.mean())}
    return figures | {f"recall_at_{p}": float(found[precision >= p].max(initial=0) / len(best)) for p in PRECISIONS}


def judge(network: Network, trained: Pictures, held: Pictures, count: int, threads: int) -> dict[str, float]:
    """Rank pairs of `held` by a last layer fitted on `count` pictures of `trained`, six views of each."""
    features, labels = edited_features(network, trained, count, 6, strength=0.6, threads=threads)
    errors = 400**0.5 * rounding_errors(network, trained, 64)
    dim = network.head.out_features
    weight, bias = tune(features, labels, errors, dim=dim, shrink=0.1, power=0.25, steps=300)
    features, labels = edited_features(network, held, len(held), 4, strength=0.6, seed=2, threads=threads)
    return rank(*pair_scores(nnf.normalize(features @ weight.T + bias, dim=1), labels, held.source))


def train_variant(config: Config, trained: Pictures, options: argparse.Namespace, out: Path) -> Network:
    """Train from `options.init` into `out`, and return the averaged weights."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(config, trained, device, workers=options.threads if device.type == "cpu" else 1)
    if (out / "checkpoint" / "state.json").exists():
        trainer.restore(out / "checkpoint")
    else:
        trainer.start_from(options.init)
    run(trainer, out, piece=1e9)
    network = Network().to(device, memory_format=torch.channels_last)
    network.load_state_dict(trainer.average)
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of shards, from prepare")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True, help="imagenet, model.onnx or a .pt, for every run")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="gpu" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=150, help="of each run")
    parser.add_argument("--pictures", type=int, default=2000, help="that each last layer is fitted on")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variants", nargs="+", choices=["start", *VARIANTS], default=["start", *VARIANTS])
    options = parser.parse_args()
    torch.set_num_threads(1 if not torch.cuda.is_available() else options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    report = options.out / "ablation.json"
    results: dict[str, dict[str, float]] = json.loads(report.read_text()) if report.exists() else {}
    config = replace(PRESETS[options.preset], steps=options.steps, minutes=0)
    trained, held = load(options.data, config.side, config.painted, options.threads).split()
    for name in options.variants:
        if name in results:
            continue
        if name == "start":
            network = read_weights(options.init, trained)
        else:
            network = train_variant(replace(config, loss=VARIANTS[name]), trained, options, options.out / name)
        results[name] = judge(network, trained, held, options.pictures, options.threads)
        report.write_text(json.dumps(results, indent=1))
        print(name, json.dumps(results[name]), flush=True)


if __name__ == "__main__":
    main()
