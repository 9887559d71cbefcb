"""Step 2: train the network, on a CPU or a GPU, in pieces of any length.

    python -m model.train.train DATA --out RUN [--preset cpu|gpu] [--init model.onnx] [--piece MINUTES]

All pictures lie in device memory as uint8; views are edited there (edits.py), so nothing is loaded while training. The
run is `--steps` steps long, or `--minutes` by the clock, in one call or in several (`--piece`); a call finds RUN's
checkpoint and goes on from it. The rate stays at its top until the last part of the run: a run is made longer by a call
with more steps. RUN/log.jsonl has one line a report.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from . import checkpoint
from .batches import Batches
from .config import PRESETS, Config
from .cpu import speed_up
from .inference import first_layers
from .initial import read_weights
from .loss import Memory
from .network import Network
from .prepare import Pictures, load
from .sampler import Sampler
from .worker import Result, Worker, gather, spread


class Trainer:
    """A run's network, its average, its optimiser and its data on one device."""

    def __init__(
        self, config: Config, pictures: Pictures, device: torch.device, *, workers: int = 1, compiled: bool = False
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.device, self.pictures = config, device, pictures
        self.network = Network(config.drop).to(device, memory_format=torch.channels_last)
        if device.type == "cpu":
            speed_up(self.network.body[config.frozen :])
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
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
        self.workers = [self._worker(number, workers, compiled) for number in range(workers)]
        self._threads = ThreadPoolExecutor(workers, "worker")
        self.step_number, self.seconds = 0, 0.0

    def _worker(self, number: int, count: int, compiled: bool) -> Worker:
        network = copy.deepcopy(self.network) if number else self.network
        batches = Batches(self.pictures, self.sampler, number=number, background=self.device.type == "cuda")
        return Worker(network, batches, self.config, share=1 / count, compiled=compiled)

    @property
    def done(self) -> float:
        """How much of the whole run is behind, 0 to 1."""
        if self.config.minutes:
            return min(1.0, self.seconds / (60 * self.config.minutes))
        return min(1.0, self.step_number / self.config.steps)

    def start_from(self, path: Path) -> None:
        """Take the weights of an exported model (.onnx) or of refit (.pt)."""
        self.network.load_state_dict(read_weights(path, self.pictures).state_dict())
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}

    def rate(self) -> float:
        """Linear warm-up, the top rate, and in the last part a linear fall to a hundredth of it."""
        warm = min(1.0, (self.step_number + 1) / self.config.warmup)
        fall = min(1.0, (1 - self.done) / self.config.cooldown)
        return self.config.rate * warm * max(0.01, fall)

    def step(self) -> dict[str, Tensor]:
        """One update; returns the loss and its parts, still on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        networks = [worker.network for worker in self.workers]
        spread(networks)
        for worker in self.workers:
            if self.config.frozen and worker.batches.first is None:  # the first step: now the weights are loaded
                worker.batches.first = first_layers(self.network, self.config.frozen, self.device)
        results = self._run_workers()
        gather(networks)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimiser.step()
        for worker, result in zip(self.workers, results, strict=True):
            worker.batches.wait()
            self.memory.push(result.vectors, result.labels)
            self.sampler.remember(result.ids, result.vectors[: len(result.ids)])
        self._average()
        self.step_number += 1
        names = results[0].parts
        return {name: torch.stack([r.parts[name] for r in results]).mean() for name in names} | {"norm": norm}

    def _run_workers(self) -> list[Result]:
        if len(self.workers) == 1:
            return [self.workers[0].run(self.step_number, self.done, self.memory)]
        return list(self._threads.map(lambda w: w.run(self.step_number, self.done, self.memory), self.workers))

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


def run(trainer: Trainer, out: Path, piece: float, report: float = 20, save_every: float = 300) -> None:
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
            views += sum(2 * trainer.sampler.batch for _ in trainer.workers)
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
    parser.add_argument(
        "--init", type=Path, help="start from imagenet, model.onnx or refit.pt; from scratch without it"
    )
    parser.add_argument("--steps", type=int, help="the whole run, over all pieces (default: the preset's)")
    parser.add_argument("--minutes", type=float, help="the whole run by the clock instead, over all pieces")
    parser.add_argument("--piece", type=float, default=1e9, help="stop this call after so many minutes")
    parser.add_argument("--rate", type=float, help="top learning rate (default: the preset's)")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU run, each with batches of its own")
    parser.add_argument("--compile", action="store_true", help="torch.compile: minutes to start, faster after")
    options = parser.parse_args()
    changes = {key: value for key in ("steps", "minutes", "rate") if (value := getattr(options, key)) is not None}
    config = replace(PRESETS[options.preset], **changes)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    else:
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    pictures, _ = load(options.data, config.side, config.painted, options.threads).split()
    workers = options.threads if device.type == "cpu" else 1
    trainer = Trainer(config, pictures, device, workers=workers, compiled=options.compile)
    if (options.out / "checkpoint" / "state.json").exists():
        trainer.restore(options.out / "checkpoint")
    elif options.init is not None:
        trainer.start_from(options.init)
    run(trainer, options.out, options.piece)


if __name__ == "__main__":
    main()
