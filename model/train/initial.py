"""Weights out of an exported ONNX file, to train on from it: export folds the batch norms, this unfolds them again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .network import Network, norm_layers
from .prepare import Pictures


def read_weights(path: Path, pictures: Pictures) -> Network:
    """The network of model.onnx or refit.pt; batch norms that export folded away get the statistics of 64 pictures."""
    network = Network()
    if path.suffix == ".pt":
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return network
    load_onnx(network, path)
    rows = np.linspace(0, len(pictures) - 1, 64).astype(int)
    sample = torch.from_numpy(pictures.pixels[rows]).permute(0, 3, 1, 2).float() / 255
    unfold_norms(network, nn.functional.interpolate(sample, (96, 96), mode="area"))
    return network


def load_onnx(network: Network, path: Path) -> None:
    """Copies the weights of `path` (this network, exported) into `network`, whose batch norms become the identity.

    The graph's convolutions stand in the order of the data, as the modules do. v0 reversed the channels in front of its
    stem (it was trained on OpenCV's BGR); such a graph has its stem's kernel turned to RGB instead. Raises ValueError
    where the file is another network.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    values = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in graph.initializer}
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
    """Gives identity batch norms real statistics, those of `pictures` (float[n, 3, h, w] in [0, 1]), without changing the output.

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
