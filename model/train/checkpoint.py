"""Checkpoints that travel: a folder of files under 16 MB each, enough to go on training elsewhere.

`average.pt` (float16, the averaged weights: what refit and export read), `weights-0.pt` and `weights-1.pt` (float32),
`first.pt` and `second.pt` (AdamW's moments, bfloat16), `state.json`. About 53 MB; the memories fill again by themselves.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

State = dict[str, Tensor]


def save(
    folder: Path, model: nn.Module, average: State, optimiser: torch.optim.Optimizer, state: dict[str, Any]
) -> None:
    """Write all of it beside its place and then rename: a run killed while saving leaves the older checkpoint whole."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    names = list(weights)
    half = _middle(weights)
    moments = [optimiser.state[p] for group in optimiser.param_groups for p in group["params"]]
    files: dict[str, Any] = {
        "average.pt": {
            name: value.half().cpu() if value.is_floating_point() else value.cpu() for name, value in average.items()
        },
        "weights-0.pt": {name: weights[name] for name in names[:half]},
        "weights-1.pt": {name: weights[name] for name in names[half:]},
        "first.pt": [m["exp_avg"].bfloat16().cpu() for m in moments if m],
        "second.pt": [m["exp_avg_sq"].bfloat16().cpu() for m in moments if m],
    }
    for name, content in files.items():
        torch.save(content, folder / f"{name}.new")
    (folder / "state.json.new").write_text(json.dumps(state, indent=1))
    for name in [*files, "state.json"]:
        os.replace(folder / f"{name}.new", folder / name)


def _middle(weights: State) -> int:
    """How many entries make up half of the bytes."""
    total, so_far = sum(value.nbytes for value in weights.values()), 0
    for i, value in enumerate(weights.values()):
        so_far += value.nbytes
        if so_far > total / 2:
            return i
    return len(weights)


def load_average(folder: Path) -> State:
    """Return the averaged weights, float32, for `Network.load_state_dict`."""
    state: State = torch.load(folder / "average.pt", map_location="cpu", weights_only=True)
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def restore(folder: Path, model: nn.Module, average: State, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Put a checkpoint into a model, its average and a fresh optimiser; return what `save` was given as `state`."""
    weights: State = {}
    for part in ("weights-0.pt", "weights-1.pt"):
        weights |= torch.load(folder / part, map_location="cpu", weights_only=True)
    model.load_state_dict(weights)
    for name, value in load_average(folder).items():
        average[name].copy_(value)
    state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    first = torch.load(folder / "first.pt", map_location="cpu", weights_only=True)
    second = torch.load(folder / "second.pt", map_location="cpu", weights_only=True)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for parameter, m, v in zip(parameters, first, second, strict=True):
        optimiser.state[parameter] = {
            # On the parameter's device: the fused AdamW of a GPU reads it there.
            "step": torch.tensor(float(state["step"]), device=parameter.device),
            "exp_avg": m.to(parameter.device, parameter.dtype, memory_format=torch.preserve_format),
            "exp_avg_sq": v.to(parameter.device, parameter.dtype, memory_format=torch.preserve_format),
        }
    return state
