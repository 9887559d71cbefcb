"""Step 4: make scores mean what the documentation says, on pictures that training did not see.

    python -m model.train.calibrate DATA RUN [--target 0.85 --rate 1e-6]

Scores are cosines of stored unit rows, so a calibration must live in the rows. One more dimension, the same for all
pictures, maps cosine s to (s + c) / (1 + c): order stays, identical pictures stay at 1, and the score that false pairs
pass at `rate` moves up to `target`. It can't move down: where false pairs pass above the target, c is 0, and the
table that is written says at which rate each threshold is really passed.

False pairs are all pairs of different held-out pictures (one in 16, which train leaves out), each in clean and edited
versions. Pictures of one source are among them: they are alike, and what a user takes for a mistake is mostly one of
those. `--across-sources` leaves them out, for sources that hold one picture twice. Writes RUN/calibrated.pt and
RUN/calibrated.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor

from .network import Network
from .prepare import load
from .refit import edited_features

THRESHOLDS = (0.75, 0.85, 0.9, 0.95)


def pair_scores(
    vectors: Tensor, labels: NDArray[np.int64], source: NDArray[np.int32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (true, false) scores float32 of pairs of rows: of one picture, and of different pictures; both ascending.

    source: int32, of each picture; with it, false pairs are those of different sources only.
    """
    true, false = [], []
    ids = torch.from_numpy(labels)
    origin = ids if source is None else torch.from_numpy(source[labels])
    for start in range(0, len(vectors), 512):
        scores = vectors[start : start + 512] @ vectors.T
        later = torch.arange(len(vectors))[None] > torch.arange(start, start + len(scores))[:, None]
        mine = ids[start : start + 512, None] == ids[None]
        true.append(scores[mine & later].numpy())
        false.append(scores[(origin[start : start + 512, None] != origin[None]) & later].numpy())
    return np.sort(np.concatenate(true)), np.sort(np.concatenate(false))


def raise_needed(score: float, target: float) -> float:
    """Return the c >= 0 that takes `score` to `target`: (score + c) / (1 + c) = target."""
    return max(0.0, (target - score) / (1 - target))


def table(true: NDArray[np.float32], false: NDArray[np.float32], c: float) -> dict[str, dict[str, float]]:
    """At each threshold, the shares of true and of false pairs that pass it, after raising by c."""
    result = {}
    for threshold in THRESHOLDS:
        raw = threshold * (1 + c) - c
        found, wrong = (1 - np.searchsorted(scores, raw) / len(scores) for scores in (true, false))
        result[str(threshold)] = {"true_pairs": round(float(found), 4), "false_pairs": float(f"{wrong:.2e}")}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path, help="the folder with refit.pt")
    parser.add_argument("--target", type=float, default=0.85)
    parser.add_argument("--rate", type=float, default=1e-6)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--across-sources", action="store_true", help="count false pairs of different sources only")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU: each makes views and features of its own")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = Network()
    network.load_state_dict(torch.load(options.run / "refit.pt", map_location="cpu", weights_only=True))
    _, held = load(options.data, 224, 600).split()
    network.to(device, memory_format=torch.channels_last)
    torch.set_num_threads(1)
    features, labels = edited_features(
        network, held, len(held), options.views, strength=0.4, seed=2, threads=options.threads
    )
    network.cpu()
    with torch.no_grad():
        vectors = nnf.normalize(network.head(network.scale(features)), dim=1)
    true, false = pair_scores(vectors, labels, held.source if options.across_sources else None)
    passed = float(false[int(len(false) * (1 - options.rate))])
    c = raise_needed(passed, options.target)
    notes: dict[str, Any] = {
        "raise_by": round(c, 4),
        "false_pairs_pass_at": {"rate": options.rate, "score_before": round(passed, 4)},
        "pairs": {"true": len(true), "false": len(false), "pictures": len(held)},
        "thresholds": table(true, false, c),
    }
    shutil.copyfile(options.run / "refit.pt", options.run / "calibrated.pt")
    (options.run / "calibrated.json").write_text(json.dumps(notes, indent=1))
    print(json.dumps(notes, indent=1))


if __name__ == "__main__":
    main()
