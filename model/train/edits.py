"""The edits of the recipe, on batches of tensors on any device: what people and programs do to a copy of a picture.

Decisions are drawn on the host with NumPy, so that a GPU never waits for one; pixels are touched on the device with the
same operations on a CPU and on a GPU. Geometry (crop, flip, turn, perspective, frame, shift) is one grid sample; where a
batch needs an edit for some of its pictures only, those rows alone are worked on.

Pictures come as uint8[n, s, s, 3], squashed to squares as fastsim feeds them, with their true aspect beside them, so
that a rotation turns the picture as a viewer would see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where each view looks, for n pictures.

    matrix: [n, 2, 3], from the view's frame [-1, 1]^2 to the picture's [-1, 1]^2; tilt: [n, 2], perspective;
    frame: [n, 4], left, top, width, height in [0, 1] of the place that the picture takes in the output.
    """

    matrix: Floats
    tilt: Floats
    frame: Floats


@dataclass(frozen=True, slots=True)
class Region:
    """The part of each picture that counts as "the picture": [n, 4] centre x, y, half width, height in [-1, 1] units.

    All of it (0, 0, 1, 1) for most; a small box for some, which stand for detections cut out of a photo.
    """

    box: Floats

    @classmethod
    def draw(cls, rng: Rng, n: int, small: float) -> Region:
        box = np.tile([0.0, 0.0, 1.0, 1.0], (n, 1))
        chosen = rng.random(n) < small
        half = np.sqrt(rng.uniform(0.06, 0.3, n))[:, None] * np.exp(rng.uniform(-0.35, 0.35, (n, 1)) * [1, -1])
        half = np.minimum(half, 0.9)
        centre = rng.uniform(-1, 1, (n, 2)) * (1 - half)
        box[chosen] = np.concatenate([centre, half], 1)[chosen]
        return cls(box)

    @property
    def is_small(self) -> NDArray[np.bool_]:
        return self.box[:, 2] < 1


def happens(rng: Rng, strength: Floats, light: float, much: float) -> NDArray[np.bool_]:
    """Which rows get an edit: with chance `light` at strength 0, and `much` at strength 1."""
    return rng.random(len(strength)) < light + (much - light) * strength


KINDS = 8
"""Kinds of edits with a strength of their own: geometry, colour, patches, captions, size, blur, noise, compression."""


def focus(rng: Rng, strength: Floats) -> Floats:
    """[KINDS, n], the strength of each kind of edit for each row.

    Most rows get all kinds at their own strength, several edits at once. A third of the strong ones gets one or two kinds
    at more than half of the full strength, and the others as good as not at all: most real copies differ from their
    original in one thing, and must score near 1.
    """
    n = len(strength)
    rank = rng.random((KINDS, n)).argsort(0)
    kept = rank < rng.integers(1, 3, n)
    few = np.where(kept, np.maximum(strength, rng.uniform(0.5, 1, n)), 0)
    return np.where((strength > 0) & (rng.random(n) < 0.35), few, strength)


def draw_geometry(rng: Rng, aspect: Floats, region: Region, strength: Floats) -> Geometry:
    """Crops, zooms, flips, turns, perspective, shifts and frames: several at once for strong rows, few for light ones."""
    n, strong = len(aspect), strength > 0

    def happen(light: float, much: float) -> NDArray[np.bool_]:
        return happens(rng, strength, light, much)

    # Strong crops and mirror images are not what two shots of one detection differ by.
    whole = ~region.is_small
    half = np.ones((n, 2))
    centre = np.zeros((n, 2))

    crop = happen(0.15, 0.55) & whole
    # The square: small crops are what is hardest to find, and half of the strong ones keep less than half of the area.
    area = np.where(strong, 0.2 + 0.8 * rng.random(n) ** 1.5, rng.uniform(0.8, 1, n))
    stretch = np.exp(rng.uniform(-0.3, 0.3, n) * (rng.random(n) < 0.5))
    size = np.minimum(np.sqrt(area)[:, None] * np.stack([stretch, 1 / stretch], 1), 1)
    halves = crop & strong & (rng.random(n) < 0.25)
    axis = rng.integers(0, 2, n)
    cut = np.ones((n, 2))
    cut[np.arange(n), axis] = rng.uniform(0.45, 0.6, n)
    size = np.where(halves[:, None], cut, size)
    half = np.where(crop[:, None], size, half)
    centre = np.where(crop[:, None], rng.uniform(-1, 1, (n, 2)) * (1 - half), centre)
    shift = happen(0.1, 0.12) | region.is_small
    reach = np.where(region.is_small, 0.12, 0.2)[:, None]
    centre = centre + np.where(shift[:, None], rng.uniform(-1, 1, (n, 2)) * reach, 0)

    # Turns by small angles happen in pixels, not in the squashed square: conjugate by the aspect.
    wide = aspect * region.box[:, 2] / region.box[:, 3]
    turned = happen(0.05, 0.2)
    angle = np.radians(np.where(turned, rng.uniform(-1, 1, n) * np.where(strong & whole, 25, 4), 0))
    zoom = np.where(turned & (rng.random(n) < 0.5), np.cos(angle) - 0.35 * np.abs(np.sin(angle)), 1)
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    linear = np.stack([cos, -sin / wide, sin * wide, cos], 1).reshape(n, 2, 2)
    quarter = happen(0, 0.34) & whole
    turns = np.where(quarter, rng.integers(1, 4, n), 0)
    right = np.array([[[1, 0], [0, 1]], [[0, -1], [1, 0]], [[-1, 0], [0, -1]], [[0, 1], [-1, 0]]], float)[turns]
    flips = np.stack([np.where(happen(0.05, 0.4) & whole, -1, 1), np.where(happen(0, 0.06) & whole, -1, 1)], 1)
    linear = linear * half[:, None, :] @ right * flips[:, None, :]

    matrix = np.concatenate([linear, centre[:, :, None]], 2)
    matrix = matrix * region.box[:, 2:, None]
    matrix[:, :, 2] += region.box[:, :2]
    tilt = np.where((happen(0.02, 0.08) & whole)[:, None], rng.uniform(-0.25, 0.25, (n, 2)), 0)
    return Geometry(matrix, tilt, draw_frames(rng, happen(0.06, 0.42) & whole))


def draw_frames(rng: Rng, framed: NDArray[np.bool_]) -> Floats:
    """Letterbox, pillar box, border, screenshot and pasting: where the picture stands inside a larger one."""
    n = len(framed)
    kind = rng.random(n)
    low = np.where(kind < 0.22, 0.8, 0.45)  # a border; or pasted small
    width, height = rng.uniform(low, 1), rng.uniform(low, 1)
    width = np.where((kind >= 0.22) & (kind < 0.44), 1, width)  # letterbox
    height = np.where((kind >= 0.44) & (kind < 0.56), 1, height)  # pillar box
    centred = rng.random(n) < 0.6
    left = (1 - width) * np.where(centred, 0.5, rng.random(n))
    top = (1 - height) * np.where(centred, 0.5, rng.random(n))
    frame = np.stack([left, top, width, height], 1)
    return np.where(framed[:, None], frame, [0.0, 0.0, 1.0, 1.0])


def to_device(values: NDArray[np.generic] | Floats, device: torch.device) -> Tensor:
    """Return the values on the device, floats as float32; a GPU gets them from pinned memory, so that the host does not wait."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    tensor = tensor.float() if tensor.is_floating_point() else tensor
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def grid(size: int, device: torch.device) -> Tensor:
    """Pixel centres, float[size, size, 2] as x, y in [0, 1]."""
    axis = (torch.arange(size, device=device) + 0.5) / size
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], 2)


def warp(pixels: Tensor, geometry: Geometry, size: int, backgrounds: Tensor) -> Tensor:
    """float[n, 3, size, size]: views of float[n, 3, s, s] pictures, over backgrounds of the views' shape.

    Sampled at twice the size and averaged where the picture is larger than the view: plain bilinear sampling would alias,
    where fastsim itself shrinks by area.
    """
    device = pixels.device
    fine = 2 * size if pixels.shape[-1] > 1.2 * size else size
    frame = to_device(geometry.frame, device)[:, None, None]
    place = (grid(fine, device) - frame[..., :2]) / frame[..., 2:] * 2 - 1
    matrix, tilt = to_device(geometry.matrix, device), to_device(geometry.tilt, device)
    flat = place.flatten(1, 2)
    source = flat @ matrix[:, :, :2].transpose(1, 2) + matrix[:, None, :, 2]
    source = source / (1 + (flat * tilt[:, None]).sum(2, keepdim=True)).clamp(min=0.3)
    inside = ((flat.abs().amax(2) <= 1) & (source.abs().amax(2) <= 1.001)).view(-1, 1, fine, fine).float()
    view = nnf.grid_sample(pixels, source.view(place.shape), padding_mode="border", align_corners=False)
    if fine != size:
        view, inside = nnf.avg_pool2d(view, 2), nnf.avg_pool2d(inside, 2)
    return torch.lerp(backgrounds, view, inside)


def draw_backgrounds(rng: Rng, own: Tensor, others: Tensor, size: int) -> Tensor:
    """Return what shows where the picture does not reach, float[n, 3, size, size]: a colour, another picture, or a blur."""
    n, device = len(own), own.device
    kind = rng.random(n)
    colour = np.where(rng.random((n, 1)) < 0.5, rng.integers(0, 2, (n, 1)), rng.random((n, 3)))
    result = (
        to_device(np.where(kind[:, None] < 0.25, 0.0, colour), device)[:, :, None, None]
        .expand(n, 3, size, size)
        .clone()
    )
    rows = np.flatnonzero((kind > 0.38) & (kind < 0.9))
    if len(rows):
        at = to_device(rows, device)
        result[at] = nnf.interpolate(others[at % len(others)], (size, size), mode="bilinear", antialias=True)
    rows = np.flatnonzero(kind >= 0.9)
    if len(rows):
        at = to_device(rows, device)
        coarse = nnf.interpolate(own[at], (7, 7), mode="area")
        result[at] = nnf.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)
    return result


def recolour(rng: Rng, x: Tensor, strength: Floats) -> Tensor:
    """Brightness, contrast, saturation, hue, cast and grey as one matrix a picture; then gamma and few levels."""
    n, device = len(x), x.device
    much, strong = 0.35 + 0.65 * strength, strength > 0

    def some(chance: float, reach: float) -> Floats:
        return np.where(rng.random(n) < chance * much, rng.uniform(-reach, reach, n) * much, 0)

    luma = np.array([0.299, 0.587, 0.114])
    grey = np.tile(luma, (3, 1))
    saturation = np.where(rng.random(n) < 0.22 * much, 0, np.exp(some(0.35, 0.8)))[:, None, None]
    hue = some(0.3, 0.8)
    axis = 1 / math.sqrt(3)
    cross = np.array([[0, -axis, axis], [axis, 0, -axis], [-axis, axis, 0]])
    turn = np.eye(3) + np.sin(hue)[:, None, None] * cross + (1 - np.cos(hue))[:, None, None] * (cross @ cross)
    matrix = (saturation * np.eye(3) + (1 - saturation) * grey) @ turn
    gain = np.exp(some(0.35, 0.6))[:, None] * np.exp(some(0.12, 0.3)[:, None] * rng.uniform(-1, 1, (n, 3)))
    contrast = np.exp(some(0.35, 0.7))[:, None]
    offset = 0.5 * (1 - contrast) + some(0.25, 0.25)[:, None] + np.zeros((n, 3))
    matrix = matrix * (gain * contrast)[:, :, None]
    x = torch.einsum("nij,njhw->nihw", to_device(matrix, device), x) + to_device(offset, device)[:, :, None, None]
    x = x.clamp(0, 1)
    gamma = np.exp(some(0.25, 0.7))
    rows = np.flatnonzero(gamma != 1)
    if len(rows):
        at = to_device(rows, device)
        x[at] = x[at].clamp(min=1e-4) ** to_device(gamma[rows], device)[:, None, None, None]
    rows = np.flatnonzero(strong & (rng.random(n) < 0.03))
    if len(rows):
        at, levels = to_device(rows, device), to_device(rng.integers(3, 9, len(rows)).astype(float), device)
        x[at] = (x[at] * levels[:, None, None, None]).round() / levels[:, None, None, None]
    return x


def resample(rng: Rng, x: Tensor, strength: Floats) -> Tensor:
    """Down to a part of the size and back, smoothly or as blocks (pixelation)."""
    n, size, strong = len(x), x.shape[-1], strength > 0
    chosen = happens(rng, strength, 0.3, 0.4)
    bucket = np.where(strong, rng.integers(0, 5, n), rng.integers(3, 5, n))
    blocks = strong & (rng.random(n) < 0.4)
    for i, factor in enumerate((0.16, 0.25, 0.4, 0.6, 0.8)):
        for blocky in (False, True):
            rows = np.flatnonzero(chosen & (bucket == i) & (blocks == blocky))
            if not len(rows):
                continue
            at = to_device(rows, x.device)
            small = nnf.interpolate(x[at], (max(8, round(size * factor)),) * 2, mode="bilinear", antialias=True)
            mode = {"mode": "nearest"} if blocky else {"mode": "bilinear", "align_corners": False}
            x[at] = nnf.interpolate(small, (size, size), **mode)
    return x


def blur(rng: Rng, x: Tensor, strength: Floats) -> Tensor:
    """Gaussian or motion blur (along one axis), or sharpening by an unsharp mask."""
    size = x.shape[-1]
    rows = np.flatnonzero(happens(rng, strength, 0.06, 0.16))
    if not len(rows):
        return x
    k, device = len(rows), x.device
    radius = max(2, round(size * 0.05))
    sigma = size * np.exp(rng.uniform(math.log(0.003), math.log(0.022), (k, 2)))
    motion = rng.random(k) < 0.25
    sigma[motion, rng.integers(0, 2, motion.sum())] = 0.05
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma[:, :, None] ** 2))
    kernel = to_device(kernel / kernel.sum(2, keepdims=True), device).repeat_interleave(3, 0)
    at = to_device(rows, device)
    sharp = x[at]
    soft = nnf.pad(sharp.reshape(1, 3 * k, size, size), (radius,) * 4, mode="replicate")
    soft = nnf.conv2d(soft, kernel[:, 0, None, None, :], groups=3 * k)
    soft = nnf.conv2d(soft, kernel[:, 1, None, :, None], groups=3 * k).view(k, 3, size, size)
    amount = to_device(np.where(rng.random(k) < 0.25, -0.8, 1.0), device)[:, None, None, None]
    x[at] = (sharp + (soft - sharp) * amount).clamp(0, 1)
    return x


def noise(rng: Rng, x: Tensor, strength: Floats) -> Tensor:
    """Gaussian noise (grey or coloured), a multiplying mask, or single pixels set to extremes (pixel attack)."""
    n, strong = len(x), strength > 0
    # One generator a call: batches are drawn on a thread, and the global one belongs to the network's training.
    generator = torch.Generator(x.device).manual_seed(int(rng.integers(0, 2**62)))
    chosen = happens(rng, strength, 0.08, 0.22)
    kind = rng.integers(0, 4, n)
    level = np.where(strong, np.exp(rng.uniform(math.log(0.01), math.log(0.16), n)), 0.02)
    for i in range(4):
        rows = np.flatnonzero(chosen & (kind == i))
        if not len(rows):
            continue
        at = to_device(rows, x.device)
        amount = to_device(level[rows], x.device)[:, None, None, None]
        part = x[at]
        size, device = x.shape[-1], x.device
        if i < 2:
            grain = torch.randn(len(rows), 1 + 2 * i, size, size, device=device, generator=generator)
            x[at] = (part + grain * amount).clamp(0, 1)
            continue
        even = torch.rand(part.shape, device=device, generator=generator)
        if i == 2:
            x[at] = (part * (1 + (even * 2 - 1) * 2 * amount)).clamp(0, 1)
        else:
            hit = torch.rand(len(rows), 1, size, size, device=device, generator=generator) < amount * 0.5
            x[at] = torch.where(hit, even.round(), part)
    return x


def draw_boxes(rng: Rng, n: int, low: float, high: float) -> Floats:
    """[n, 4] left, top, width, height in [0, 1], sides between `low` and `high`."""
    size = rng.uniform(low, high, (n, 2))
    return np.concatenate([rng.random((n, 2)) * (1 - size), size], 1)


def patch(rng: Rng, x: Tensor, others: Tensor, strength: Floats) -> Tensor:
    """Cutout, stickers and insets: a rectangle or an ellipse of one colour or of another picture, laid over the view."""
    rows = np.flatnonzero(happens(rng, strength, 0.02, 0.28))
    if not len(rows):
        return x
    k, size, device = len(rows), x.shape[-1], x.device
    at = to_device(rows, device)
    box = to_device(draw_boxes(rng, k, 0.1, 0.45), device)[:, None, None]
    place = (grid(size, device) - box[..., :2]) / box[..., 2:] * 2 - 1
    square, disc = place.abs().amax(3), place.norm(dim=3)
    round_ = to_device(rng.random(k) < 0.4, device)[:, None, None]
    mask = (torch.where(round_, disc, square) <= 1)[:, None].float()
    content = to_device(rng.random((k, 3)) * (rng.random((k, 1)) < 0.7), device)[:, :, None, None].expand(
        k, 3, size, size
    )
    pictured = np.flatnonzero(rng.random(k) < 0.5)
    if len(pictured):
        content = content.clone()
        which = to_device(pictured, device)
        content[which] = nnf.grid_sample(
            others[at[which] % len(others)], place[which], padding_mode="border", align_corners=False
        )
    alpha = to_device(np.where(rng.random(k) < 0.8, 1, rng.uniform(0.4, 1, k)), device)[:, None, None, None]
    x[at] = torch.lerp(x[at], content, mask * alpha)
    return x


def caption(rng: Rng, x: Tensor, masks: Tensor, strength: Floats) -> Tensor:
    """Text, marks and emoji out of a bank of masks (uint8[m, 1, h, w], 255 is ink), some with a bar behind them."""
    for _ in range(2):
        rows = np.flatnonzero(happens(rng, strength, 0.04, 0.14))
        if not len(rows):
            continue
        k, size, device = len(rows), x.shape[-1], x.device
        at = to_device(rows, device)
        box = draw_boxes(rng, k, 0.12, 0.6)
        wide = rng.random(k) < 0.6
        box[wide, 2] = rng.uniform(0.5, 1, wide.sum())
        box[wide, 0] = rng.random(wide.sum()) * (1 - box[wide, 2])
        box[wide, 3] = np.minimum(box[wide, 3], 0.22)
        low = rng.random(k) < 0.4
        box[low, 1] = 1 - box[low, 3] - rng.random(low.sum()) * 0.08
        region = to_device(box, device)[:, None, None]
        place = (grid(size, device) - region[..., :2]) / region[..., 2:] * 2 - 1
        ink = masks[to_device(rng.integers(0, len(masks), k), device)].float() / 255
        ink = nnf.grid_sample(ink, place, padding_mode="zeros", align_corners=False)
        alpha = to_device(np.where(rng.random(k) < 0.6, 1, rng.uniform(0.25, 1, k)), device)[:, None, None, None]
        bar = to_device((rng.random(k) < 0.25) * rng.uniform(0.5, 1, k), device)[:, None, None, None]
        bar = bar * (place.abs().amax(3) <= 1)[:, None]
        colour = np.where(rng.random((k, 1)) < 0.6, rng.integers(0, 2, (k, 1)), rng.random((k, 3)))
        tone = to_device(colour, device)[:, :, None, None]
        part = torch.lerp(x[at], (1 - tone.round()).expand(-1, 3, size, size), bar.expand(-1, 3, -1, -1))
        x[at] = torch.lerp(part, tone.expand_as(part), (ink * alpha).expand_as(part))
    return x


LUMA_TABLE = np.array([
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56), (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
], float)  # fmt: skip
"""ITU-T T.81, annex K.1; K.2, for colour, is close to its upper left corner repeated and capped at 99."""
COLOUR_TABLE = np.full((8, 8), 99.0)
COLOUR_TABLE[:3, :3] = [[17, 18, 24], [18, 21, 26], [24, 26, 56]]
TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
FROM_YCC = np.linalg.inv(TO_YCC)


def jpeg(rng: Rng, x: Tensor, strength: Floats) -> Tensor:
    """Return what JPEG loses, without a file: 8x8 cosine transform, quantised by the standard's table at a quality of 8 to 95.

    Colour is halved in size (4:2:0). The view's side must be a multiple of 16, else the edge is padded by repetition.
    """
    rows = np.flatnonzero(rng.random(len(x)) < 0.4)
    if not len(rows):
        return x
    device, size, strong = x.device, x.shape[-1], strength > 0
    at = to_device(rows, device)
    quality = np.where(strong[rows], rng.uniform(8, 95, len(rows)), rng.uniform(35, 95, len(rows)))
    scale = to_device(np.where(quality < 50, 50 / quality, 2 - quality / 50), device)[:, None, None, None, None]
    to_ycc, table, colour_table = (to_device(matrix, device) for matrix in (TO_YCC, LUMA_TABLE, COLOUR_TABLE))
    fill = -size % 16
    part = nnf.pad(x[at], (0, fill, 0, fill), mode="replicate")
    planes = torch.einsum("ij,njhw->nihw", to_ycc, part * 255)
    luma = _quantise(planes[:, :1] - 128, table, scale) + 128
    colour = _quantise(nnf.avg_pool2d(planes[:, 1:], 2), colour_table, scale)
    planes = torch.cat([luma, nnf.interpolate(colour, scale_factor=2.0, mode="bilinear", align_corners=False)], 1)
    back = torch.einsum("ij,njhw->nihw", to_device(FROM_YCC, device), planes) / 255
    x[at] = back[:, :, :size, :size].clamp(0, 1)
    return x


def _quantise(plane: Tensor, table: Tensor, scale: Tensor) -> Tensor:
    """Round the 8x8 cosine coefficients of float[n, c, h, w] to multiples of table * scale."""
    n, c, h, w = plane.shape
    k = torch.arange(8, device=plane.device, dtype=torch.float32)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) * 0.5
    basis[0] *= math.sqrt(0.5)
    blocks = plane.view(n, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5).reshape(n, -1, 1, 8, 8)
    step = (table * scale).clamp(min=1)
    values = (basis @ blocks @ basis.T / step).round() * step
    blocks = (basis.T @ values @ basis).view(n, c, h // 8, w // 8, 8, 8)
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)


@torch.no_grad()
def make_views(  # noqa: PLR0917 - eight things that a view depends on
    rng: Rng,
    pictures: Tensor,
    others: Tensor,
    masks: Tensor,
    aspect: Floats,
    region: Region,
    strength: Floats,
    size: int,
) -> Tensor:
    """Edited views of a batch, float[n, 3, size, size] RGB in [0, 1], on the pictures' device.

    pictures, others: uint8[n, s, s, 3]; others are shown behind, over or beside the pictures, and must not be in the
    batch. masks: uint8[m, 1, h, w], ink for captions. aspect: width / height of the true pictures. strength:
    [n] in [0, 1]; at 0 a view gets light edits or none, at 1 four or five strong ones on top of each other.
    """
    own = pictures.permute(0, 3, 1, 2).float() / 255
    extra = others.permute(0, 3, 1, 2).float() / 255
    geometry, colour, over, text, small, soft, grain, file = focus(rng, strength)
    x = warp(own, draw_geometry(rng, aspect, region, geometry), size, draw_backgrounds(rng, own, extra, size)).clamp(
        0, 1
    )
    steps: list[Callable[[Tensor], Tensor]] = [
        lambda v: recolour(rng, v, colour),
        lambda v: patch(rng, v, extra, over),
        lambda v: caption(rng, v, masks, text),
        lambda v: resample(rng, v, small),
        lambda v: blur(rng, v, soft),
        lambda v: noise(rng, v, grain),
    ]
    # Copies of copies: no order is the true one, so each batch draws its own; recompression comes last, as a file is saved.
    for i in rng.permutation(len(steps)):
        x = steps[i](x)
    return jpeg(rng, x, file).clamp(0, 1)
