"""Step 2: train the network, on a CPU or a GPU, in pieces of any length.

    python -m model.train.train DATA --out RUN [--preset cpu|gpu] [--init model.onnx] [--piece MINUTES]

All pictures lie in device memory as uint8; views are edited there (edits.py), so nothing is loaded while training. The
schedule follows the clock: `minutes` of training in all, spent in one call or in several (`--piece`); a call finds RUN's
checkpoint and goes on from it. RUN/log.jsonl has one line a report.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from . import checkpoint
from .config import PRESETS, Config
from .cpu import speed_up
from .edits import Region, make_views
from .inference import Part, first_layers
from .initial import read_weights
from .loss import Memory, total_loss
from .network import Network
from .prepare import Pictures, load
from .sampler import Sampler


class Trainer:
    """A run's network, its average, its optimiser and its data on one device."""

    def __init__(self, config: Config, pictures: Pictures, device: torch.device, compiled: bool = False) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.pictures = config, device, pictures
        self.pixels = torch.from_numpy(pictures.pixels).to(device)
        self.masks = torch.from_numpy(pictures.masks).to(device)
        self.network = Network(config.drop).to(device, memory_format=torch.channels_last)
        if device.type == "cpu":
            speed_up(self.network.body[config.frozen :])
        self.forward: nn.Module = torch.compile(self.network, dynamic=False) if compiled else self.network
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self._frozen: Part | None = None
        self.network.body[: config.frozen].requires_grad_(False)
        # Norms and biases are not decayed.
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=config.rate, betas=config.betas, fused=device.type == "cuda")
        self.memory = Memory(config.memory, self.network.head.out_features, device)
        self.sampler = Sampler(pictures.source, config, device)
        self.step_number, self.seconds = 0, 0.0

    @property
    def done(self) -> float:
        """How much of the whole run is behind, 0 to 1."""
        return min(1.0, self.seconds / (60 * self.config.minutes))

    def start_from(self, path: Path) -> None:
        """Takes the weights of an exported model (.onnx) or of refit (.pt)."""
        self.network.load_state_dict(read_weights(path, self.pictures).state_dict())
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}

    def views(self, rng: np.random.Generator, ids: np.ndarray, others: np.ndarray) -> list[Tensor]:
        """Two views of each picture: one batch of 2n where their sizes are the same, else two of n."""
        config, n = self.config, len(ids)
        sizes = next(stage.sizes for stage in config.stages if self.done <= stage.until)
        first, second = (int(rng.choice(sizes)) for _ in range(2))
        if rng.random() < 0.5:
            second = first
        region = Region.draw(rng, n, config.small)
        own = self.pixels[torch.from_numpy(ids).to(self.device)]
        extra = self.pixels[torch.from_numpy(others).to(self.device)]
        result = []
        light = rng.random(n) < config.light
        strengths = rng.uniform(0.1, config.top_strength(self.done), (2, n))
        for size, strength in ((first, np.where(light, 0, strengths[0])), (second, strengths[1])):
            aspect = self.pictures.aspect[ids]
            result.append(make_views(rng, own, extra, self.masks, aspect, region, strength, size))
        return [torch.cat(result)] if first == second else result

    def rate(self) -> float:
        """Linear warm-up, then half a cosine to a hundredth of the top rate."""
        warm = min(1.0, (self.done + 1e-4) / self.config.warmup)
        return self.config.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.done)))

    def step(self) -> dict[str, Tensor]:
        """One update; returns the loss and its parts, still on the device."""
        config = self.config
        rng = np.random.default_rng((config.seed, self.step_number))
        ids, others = self.sampler.draw(rng)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.network.train()
        self.network.body[: config.frozen].eval()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            batches = [self._first(x) for x in self.views(rng, ids, others)]
            inputs = [x.contiguous(memory_format=torch.channels_last) for x in batches]
            vectors = torch.cat([self.forward(x, config.frozen) for x in inputs])
        labels = torch.from_numpy(np.concatenate([ids, ids])).to(self.device)
        loss, parts = total_loss(vectors, labels, self.memory, config.loss)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.clip)
        self.optimiser.step()
        self.memory.push(vectors, labels)
        self.sampler.remember(ids, vectors[: len(ids)])
        self._average()
        self.step_number += 1
        near = (vectors[: len(ids)] * vectors[len(ids) :]).sum(1).mean()
        return {
            "loss": loss.detach(),
            **{k: v.detach() for k, v in parts.items()},
            "positive": near.detach(),
            "norm": norm,
        }

    def _first(self, x: Tensor) -> Tensor:
        """Views as the first trained layer wants them."""
        if not self.config.frozen:
            return x
        if self._frozen is None:  # now that the weights are loaded
            self._frozen = first_layers(self.network, self.config.frozen, self.device)
        return self._frozen(x)

    @torch.no_grad()
    def _average(self) -> None:
        # A young run's average follows closely: its first weights are worth nothing.
        keep = min(self.config.ema, (1 + self.step_number) / (10 + self.step_number))
        state = self.network.state_dict()
        floats = [name for name, value in state.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[n] for n in floats], [state[n] for n in floats], 1 - keep)

    def save(self, folder: Path) -> None:
        state = {"step": self.step_number, "seconds": self.seconds, "config": asdict(self.config)}
        checkpoint.save(folder, self.network, self.average, self.optimiser, state)

    def restore(self, folder: Path) -> None:
        state = checkpoint.restore(folder, self.network, self.average, self.optimiser)
        self.step_number, self.seconds = state["step"], state["seconds"]


def run(trainer: Trainer, out: Path, piece: float, report: float = 20, save_every: float = 120) -> None:
    """Trains until the run or this piece of `piece` minutes is over; reports and saves by the clock, in seconds."""
    out.mkdir(parents=True, exist_ok=True)
    start = last_report = last_save = time.monotonic()
    before, views, device = trainer.seconds, 0, trainer.device
    with (out / "log.jsonl").open("a") as log:
        log.write(
            json.dumps({"start": trainer.step_number, "torch": torch.__version__, "config": asdict(trainer.config)})
            + "\n"
        )
        while trainer.done < 1 and time.monotonic() - start < piece * 60:
            values = trainer.step()
            views += 2 * min(trainer.config.batch, trainer.sampler.count * 4 // 5)
            if device.type == "cuda" and trainer.step_number % 8 == 0:
                torch.cuda.synchronize()  # else the host runs ahead, and the clock below means nothing
            now = time.monotonic()
            trainer.seconds = before + now - start
            if now - last_report >= report or trainer.done >= 1:
                line = {
                    "step": trainer.step_number,
                    "minutes": round(trainer.seconds / 60, 2),
                    "views_per_s": round(views / (now - last_report), 1),
                }
                line |= {"rate": trainer.rate(), **{k: round(float(v), 4) for k, v in values.items()}}
                log.write(json.dumps(line) + "\n")
                log.flush()
                print(json.dumps(line), flush=True)
                last_report, views = now, 0
            if now - last_save >= save_every:
                trainer.save(out / "checkpoint")
                last_save = time.monotonic()
    trainer.save(out / "checkpoint")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of shards, from prepare")
    parser.add_argument("--out", type=Path, required=True, help="folder for the log and the checkpoint")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="gpu" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--init", type=Path, help="start from model.onnx or refit.pt; from scratch without it")
    parser.add_argument("--minutes", type=float, help="the whole run, over all pieces (default: the preset's)")
    parser.add_argument("--piece", type=float, default=1e9, help="stop this call after so many minutes")
    parser.add_argument("--rate", type=float, help="top learning rate (default: the preset's)")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU run")
    parser.add_argument("--compile", action="store_true", help="torch.compile: minutes to start, faster after")
    options = parser.parse_args()
    changes = {key: value for key in ("minutes", "rate") if (value := getattr(options, key)) is not None}
    config = replace(PRESETS[options.preset], **changes)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(options.threads)
    else:
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    pictures, _ = load(options.data, config.side, config.painted, options.threads).split()
    trainer = Trainer(config, pictures, device, options.compile)
    if (options.out / "checkpoint" / "state.json").exists():
        trainer.restore(options.out / "checkpoint")
    elif options.init is not None:
        trainer.start_from(options.init)
    run(trainer, options.out, options.piece)


if __name__ == "__main__":
    main()
