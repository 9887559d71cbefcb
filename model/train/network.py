"""EfficientNet-B0 with Mish, and a linear layer to unit vectors: the one network, applied to each picture alone.

Sources: EfficientNet (Tan and Le 2019, table 1), squeeze-and-excitation (Hu et al. 2018), Mish (Misra 2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

LAST = 1280
TAPS = {8: 480, 11: 672, 15: 1152}
"""Layers of the body, by index, whose channel means stand beside the last layer's, and how many: where copies differ from
look-alikes is lost at the top. The blocks compute these means anyway; on v0 they gave +.09 micro-AP (model card)."""
FEATURES = sum(TAPS.values()) + LAST
DIM = 256
MEAN, STD = 0.45, 0.26
"""Of ordinary pictures, near enough; one number for all channels keeps the exported graph short."""

STAGES = (
    # expansion, channels, blocks, stride, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class FastMish(nn.Module):
    """Mish as x*(1-q*q)/(1+q*q), q = sigmoid(-x): equal to x*tanh(softplus(x)), and what runtimes fuse best.

    tanh(log(1+e^x)) = ((1+e^x)^2 - 1)/((1+e^x)^2 + 1), and q = 1/(1+e^x). Nothing overflows at either end.
    """

    def forward(self, x: Tensor) -> Tensor:
        q = torch.sigmoid(-x)
        q = q * q
        return x * (1 - q) / (1 + q)


def conv_norm(
    inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1, *, act: bool = True
) -> nn.Sequential:
    """Convolution, batch norm and, unless it is a projection, Mish."""
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside, eps=1e-3, momentum=0.02),
    ]
    return nn.Sequential(*layers, nn.Mish()) if act else nn.Sequential(*layers)


class Block(nn.Module):
    """Inverted residual with squeeze-and-excitation: a gate in (0, 1) a channel, from the channels' means.

    Returns its output and those means (float[n, expanded channels]), which describe the picture at this depth for nothing.
    The whole branch is dropped for some pictures while training (stochastic depth, Huang et al. 2016).
    """

    def __init__(self, inside: int, outside: int, expansion: int, stride: int, kernel: int, *, drop: float) -> None:
        super().__init__()
        wide, hidden = inside * expansion, max(1, inside // 4)
        self.expand = conv_norm(inside, wide, 1) if expansion != 1 else nn.Identity()
        self.depthwise = conv_norm(wide, wide, kernel, stride, groups=wide)
        self.gate = nn.Sequential(nn.Conv2d(wide, hidden, 1), nn.Mish(), nn.Conv2d(hidden, wide, 1))
        self.project = conv_norm(wide, outside, 1, act=False)
        self.residual = stride == 1 and inside == outside
        self.drop = drop

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.depthwise(self.expand(x))
        pooled = y.mean((2, 3), keepdim=True)
        y = self.project(y * torch.sigmoid(self.gate(pooled)))
        if not self.residual:
            return y, pooled.flatten(1)
        if self.training and self.drop > 0:
            keep = torch.rand(x.shape[0], 1, 1, 1, device=x.device) >= self.drop
            y = y * keep / (1 - self.drop)
        return x + y, pooled.flatten(1)


class Network(nn.Module):
    """Pictures, float[n, 3, h, w] RGB in [0, 1], to unit vectors float32[n, 256]."""

    def __init__(self, drop: float = 0.0) -> None:
        super().__init__()
        blocks: list[nn.Module] = [conv_norm(3, 32, 3, 2)]
        inside, total, done = 32, sum(stage[2] for stage in STAGES), 0
        for expansion, outside, count, stride, kernel in STAGES:
            for i in range(count):
                blocks.append(
                    Block(inside, outside, expansion, stride if i == 0 else 1, kernel, drop=drop * done / total)
                )
                inside, done = outside, done + 1
        blocks.append(conv_norm(inside, LAST, 1))
        self.body = nn.Sequential(*blocks)
        # Depths have scales of their own: without this, one learning rate would be too high for some of the head's weights.
        self.scale = nn.BatchNorm1d(FEATURES, affine=False, momentum=0.02)
        self.head = nn.Linear(FEATURES, DIM)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def first(self, x: Tensor, layers: int) -> Tensor:
        """Return what the first `layers` layers of the body (none of `TAPS` among them) make of pictures: float[n, c, h', w']."""
        if layers > min(TAPS):
            raise ValueError(
                f"the first {layers} layers: at most {min(TAPS)}, as the means of layer {min(TAPS)} are needed"
            )
        x = (x - MEAN) / STD
        for layer in self.body[:layers]:
            x = layer(x)[0] if isinstance(layer, Block) else layer(x)
        return x

    def features(self, x: Tensor, done: int = 0) -> Tensor:
        """Pooled features, float[n, 3584]: of three depths (`TAPS`), then of the last layer.

        done: x is no picture but what `first(picture, done)` gave.
        """
        if not done:
            x = (x - MEAN) / STD
        pooled = []
        for i, layer in enumerate(self.body[done:], done):
            if isinstance(layer, Block):
                x, means = layer(x)
                if i in TAPS:
                    pooled.append(means)
            else:
                x = layer(x)
        return torch.cat([*pooled, x.mean((2, 3))], 1)

    def forward(self, x: Tensor, done: int = 0) -> Tensor:
        pooled = self.features(x, done)
        # The last layer and the norm stay in float32 under AMP: half floats would cost the scores two digits.
        with torch.autocast(x.device.type, enabled=False):
            return nnf.normalize(self.head(self.scale(pooled.float())), dim=1)

    @torch.no_grad()
    def set_head(self, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Make the last step `weight @ features + bias`, given the features' moments, up to a factor (unit rows have none)."""
        self.scale.running_mean.copy_(mean)
        self.scale.running_var.copy_(variance)
        spread = (variance + self.scale.eps).sqrt()
        scaled, offset = weight * spread, bias + weight @ mean
        # A size that training's steps fit.
        factor = 0.05 / scaled.square().mean().sqrt()
        self.head.weight.copy_(scaled * factor)
        self.head.bias.copy_(offset * factor)

    @torch.no_grad()
    def plain_head(self) -> tuple[Tensor, Tensor]:
        """Weight float32[256, d] and bias float32[256] on the features themselves: the inverse of `set_head`."""
        weight = self.head.weight / (self.scale.running_var + self.scale.eps).sqrt()
        return weight, self.head.bias - weight @ self.scale.running_mean


def norm_layers(network: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Each convolution with the batch norm behind it, in the order of the data."""
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for first, second in pairwise(module):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    yield first, second


def fold_norms(network: Network) -> None:
    """Put each batch norm's (evaluation) effect into its convolution, in place, for export and for fast inference."""
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential) and len(module) > 1:
            conv, norm = module[0], module[1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[0] = nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval())
                module[1] = nn.Identity()
    weight, bias = network.plain_head()
    network.head.weight.data, network.head.bias.data = weight, bias
    network.scale.running_mean.zero_()
    network.scale.running_var.fill_(1 - network.scale.eps)


def fast_mish(network: nn.Module) -> None:
    """Swap each Mish for the form that runtimes without a Mish kernel run fastest, in place."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Mish):
                setattr(module, name, FastMish())
