"""Step 3: the last layer again, from what the edits do to the pooled features.

    python -m model.train.refit DATA RUN [--pictures 7500] [--views 6] [--onnx model.onnx]

Linear discriminant analysis: the directions in which pictures differ most against what edits change within a picture
(Fisher 1936), each scaled by eigenvalue^-power; then a little InfoNCE on that layer alone, the features left as they are
(the model card says what each gave). Writes RUN/refit.pt: the network's weights with the new layer.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor

from . import checkpoint
from .config import SIZE
from .edits import Region, make_views
from .inference import Part, pooled_features, rounded_features
from .initial import read_weights
from .loss import infonce
from .network import Network
from .prepare import Pictures, load

SIZES = (SIZE, SIZE, 160, 112, SIZE, 224)
"""Sides of the views, in turn: what people give to `--size`, the default most often."""


def edited_features(
    network: Network,
    pictures: Pictures,
    count: int,
    views: int,
    *,
    strength: float,
    seed: int = 1,
    threads: int = 1,
) -> tuple[Tensor, NDArray[np.int64]]:
    """Pooled features float32[count * views, d] of edited views, on the CPU, and the picture of each.

    The first view of a picture is nearly clean; the others get edits of 0.1 to `strength`. Batches have edits of their
    own seeds, so that any number of `threads` gives the same; each runs PyTorch and OpenVINO on the cores that
    `torch.set_num_threads` allows.
    """
    device = network.head.weight.device
    ids = np.random.default_rng((seed, count)).permutation(len(pictures))[: min(count, len(pictures) - 8)]
    spare = np.setdiff1d(np.arange(len(pictures)), ids)
    masks = torch.from_numpy(pictures.masks).to(device)
    # A runner is for one thread at a time, and PyTorch's tracing, which makes it, is not for threads at all.
    runners: SimpleQueue[Part] = SimpleQueue()
    for _ in range(threads):
        runners.put(pooled_features(network, device))
    step = 256 if device.type == "cuda" else 16

    @torch.no_grad()
    def batch(start: int) -> Tensor:
        rng, chosen, run = np.random.default_rng((seed, count, start)), ids[start : start + step], runners.get()
        own = torch.from_numpy(pictures.pixels[chosen]).to(device)
        others = torch.from_numpy(pictures.pixels[rng.choice(spare, 8)]).to(device)
        region = Region.draw(rng, len(chosen), 0.1)
        rows = []
        for view in range(views):
            much = rng.uniform(0.1, strength, len(chosen)) if view else np.zeros(len(chosen))
            x = make_views(rng, own, others, masks, pictures.aspect[chosen], region, much, SIZES[view % len(SIZES)])
            rows.append(run(x).float().cpu())
        runners.put(run)
        return torch.cat(rows)

    starts = range(0, len(ids), step)
    with ThreadPoolExecutor(threads, "views") as pool:
        rows = list(pool.map(batch, starts))
    return torch.cat(rows), np.concatenate([np.tile(ids[start : start + step], views) for start in starts])


def rounding_errors(network: Network, pictures: Pictures, count: int = 512) -> Tensor:
    """float32[count + 3000, d]: what bfloat16 does to the features of pictures at the default size.

    Runtimes use it where a CPU has it: it is one more edit.
    """
    rows = np.linspace(0, len(pictures) - 1, count).astype(int)
    exact, rounded = pooled_features(network, torch.device("cpu")), rounded_features(network)
    errors = []
    for chosen in np.array_split(rows, max(1, count // 16)):
        x = torch.from_numpy(pictures.pixels[chosen]).permute(0, 3, 1, 2).float() / 255
        x = nnf.interpolate(x, (SIZE, SIZE), mode="area")
        # The last layer's input is rounded once more; features whose mean is far above their spread lose most by that.
        errors.append(rounded(x).bfloat16().float() - exact(x))
    real = torch.cat(errors)
    # A few hundred errors span a few hundred directions; the others round just as much.
    drawn = torch.randn(3000, real.shape[1], generator=torch.Generator().manual_seed(0)) * real.std(0)
    return torch.cat([real, drawn])


def discriminants(
    features: Tensor, labels: NDArray[np.int64], dim: int, *, shrink: float, power: float, noise: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the linear layer of LDA: weight float32[dim, d] and bias float32[dim], such that the mean picture maps to 0.

    shrink: this part of the mean within-picture variance is added to every direction, as a few thousand pictures do not
    tell small variances well. power: 0 keeps Fisher's scaling (directions count by their signal), 0.5 makes all equal.
    noise: float32[m, d], other changes to the features that must not show, added to the within-picture scatter.
    """
    import scipy.linalg

    x = features.double().numpy()
    # Depths have scales of their own, and shrinking towards the mean variance must treat them alike.
    mean, spread = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / spread
    order = np.argsort(labels, kind="stable")
    x = x[order]
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    counts = np.diff(np.append(starts, len(x)))
    inside = x - np.repeat(np.add.reduceat(x, starts) / counts[:, None], counts, 0)
    within, total = inside.T @ inside / len(x), x.T @ x / len(x)
    if noise is not None:
        errors = noise.double().numpy() / spread
        within += errors.T @ errors / len(errors)
    within += np.eye(len(within)) * shrink * np.trace(within) / len(within)
    values, vectors = scipy.linalg.eigh(total, within, subset_by_index=[len(total) - dim, len(total) - 1])
    weight = (vectors * values**-power).T
    weight = weight / np.sqrt(np.square(x @ weight.T).sum(1).mean()) / spread
    return torch.tensor(weight).float(), torch.tensor(-weight @ mean).float()


def look_alikes(vectors: Tensor, near: int = 8) -> NDArray[np.int64]:
    """int64[n, near]: the nearest other rows of float32[n, d], by cosine."""
    unit = nnf.normalize(vectors, dim=1)
    scores = (unit @ unit.T).fill_diagonal_(-2)
    found: NDArray[np.int64] = scores.topk(min(near, len(unit) - 1), 1).indices.numpy()
    return found


def draw_batch(rng: np.random.Generator, nearest: NDArray[np.int64], batch: int, hard: float) -> NDArray[np.int64]:
    """int64[batch] distinct pictures: `hard` of them a picture beside one of its `nearest`, the others at random."""
    count, near = nearest.shape
    seeds = rng.permutation(count)[: int(batch * hard / 2)]
    order = np.concatenate([seeds, nearest[seeds, rng.integers(0, near, len(seeds))], rng.permutation(count)])
    return order[np.sort(np.unique(order, return_index=True)[1])][:batch]


def tune(
    features: Tensor,
    labels: NDArray[np.int64],
    noise: Tensor,
    *,
    dim: int,
    shrink: float,
    power: float,
    steps: int,
    rate: float = 3e-3,
    batch: int = 512,
    temperature: float = 0.05,
    hard: float = 0.7,
) -> tuple[Tensor, Tensor]:
    """LDA, then InfoNCE on the last layer alone, among three times as many discriminants: weight [dim, d], bias [dim].

    The features stay as they are, so a step costs a thousandth of one of training. Two views of a picture are drawn from
    those that `features` has; noise (float32[m, d]) is added to each, as in `discriminants`. hard: this part of a batch
    are pictures with one of their nearest look-alikes, which is what high precision depends on.
    """
    rng = np.random.default_rng(0)
    base, shift = discriminants(features, labels, 3 * dim, shrink=shrink, power=power, noise=noise)
    rows, errors = features @ base.T + shift, noise @ base.T
    matrix = torch.zeros(dim, 3 * dim)
    matrix[:, -dim:] = torch.eye(dim)  # eigenvalues ascend: the best discriminants come last
    matrix.requires_grad_()
    offset = torch.zeros(dim, requires_grad=True)
    optimiser = torch.optim.Adam([matrix, offset], rate)
    views = np.argsort(labels, kind="stable").reshape(len(np.unique(labels)), -1)
    batch = min(batch, len(views))
    positive = (torch.arange(2 * batch) + batch) % (2 * batch)
    negative = torch.arange(2 * batch)[:, None] % batch != torch.arange(2 * batch)[None] % batch
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 30) * (1 - step / steps)
        if step % 20 == 0:
            with torch.no_grad():
                nearest = look_alikes(rows[torch.from_numpy(views[:, 0])] @ matrix.T + offset)
        chosen = views[draw_batch(rng, nearest, batch, hard)]
        order = np.argsort(rng.random(chosen.shape), 1)[:, :2]
        x = rows[np.take_along_axis(chosen, order, 1).T.ravel()] + errors[rng.integers(0, len(errors), 2 * batch)]
        vectors = nnf.normalize(x @ matrix.T + offset, dim=1)
        loss = infonce(vectors @ vectors.T, positive, negative, temperature)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return matrix @ base, matrix @ shift + offset


def kept_features(
    network: Network, pictures: Pictures, options: argparse.Namespace
) -> tuple[Tensor, NDArray[np.int64], Tensor]:
    """Features, labels and rounding errors, from `options.features` if that file is there, else computed."""
    if options.features is not None and options.features.exists():
        with np.load(options.features) as kept:
            return torch.from_numpy(kept["features"]), kept["labels"], torch.from_numpy(kept["errors"])
    features, labels = edited_features(
        network, pictures, options.pictures, options.views, strength=options.strength, threads=options.threads
    )
    errors = rounding_errors(network, pictures)
    if options.features is not None:
        np.savez(options.features, features=features.numpy(), labels=labels, errors=errors.numpy())
    return features, labels, errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path, help="the folder of a training run; refit.pt goes there")
    parser.add_argument("--onnx", type=Path, help="refit this exported model instead of the run's average")
    parser.add_argument("--pictures", type=int, default=7500)
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--strength", type=float, default=0.6)
    parser.add_argument("--shrink", type=float, default=0.1)
    parser.add_argument("--power", type=float, default=0.25)
    parser.add_argument("--steps", type=int, default=600, help="of InfoNCE on the last layer; 0 leaves it at LDA")
    parser.add_argument("--temperature", type=float, default=0.05)
    parser.add_argument(
        "--features", type=Path, help="keep the features in this .npz, or take them from it: another layer in a minute"
    )
    parser.add_argument("--rounding", type=float, default=400, help="weight of bfloat16's rounding errors")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU: each makes views and features of its own")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(
        1
    )  # threads inside each operation wait for the slower one: several batches side by side are faster
    pictures, _ = load(options.data, 224, 600).split()
    if options.onnx:
        network = read_weights(options.onnx, pictures)
    else:
        network = Network()
        network.load_state_dict(checkpoint.load_average(options.run / "checkpoint"))
    network.to(device, memory_format=torch.channels_last)
    features, labels, errors = kept_features(network, pictures, options)
    torch.set_num_threads(options.threads)
    weight, bias = tune(
        features,
        labels,
        errors * options.rounding**0.5,
        dim=network.head.out_features,
        shrink=options.shrink,
        power=options.power,
        steps=options.steps,
        temperature=options.temperature,
    )
    network.cpu().set_head(weight, bias, features.mean(0), features.var(0))
    options.run.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), options.run / "refit.pt")
    print(f"{len(features)} views of {len(set(labels.tolist()))} pictures: wrote {options.run / 'refit.pt'}")


if __name__ == "__main__":
    main()
