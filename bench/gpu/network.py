"""The network at each input size, pixels on the device: with Mish in several forms, and EfficientNet-B0 in PyTorch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from bench.gpu.measuring import DEVICE, Clock, Row, Sizes, timed
from fastsim.device import Device
from fastsim.embedding import unit_rows
from fastsim.model import load_model
from fastsim.records.rows import FrameBatch

FUSED = """
float v = x, e = __expf(v), n = e * (e + 2.0f);
y = (float16)(v > 15.0f ? v : v * n / (n + 2.0f));
"""
"""Mish in one pass: tanh(ln(1 + e)) = n / (n + 2) with n = e * (e + 2)."""


FORMS: dict[str, dict[str, Any]] = {
    "as by default: Mish as x tanh(softplus(x)), means by pooling, NHWC": {},
    "Mish as exported": {"softplus": False},
    "means as exported": {"pooling": False},
    "NCHW": {"options": {"prefer_nhwc": "0"}},
}
"""What is compared: a name, and how CudaNetwork is opened."""


class Pictures(NamedTuple):
    """A batch of noise on the device, and the float32 rows that the CPU makes of its first pictures."""

    batch: FrameBatch
    pixels: np.ndarray[Any, Any]  # uint8[n, side, side, 3], on the host
    exact: np.ndarray[Any, Any]

    @classmethod
    def drawn(cls, sizes: Sizes, side: int) -> Pictures:
        import cupy as cp

        n = sizes.batch
        pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), np.uint8)
        ids, shapes = np.arange(n, dtype=np.int64), np.zeros((n, 2), np.int32)
        exact = _exact(FrameBatch(ids[:8], pixels[:8], shapes[:8]))
        return cls(FrameBatch(ids, cp.asarray(pixels), shapes), pixels, exact)


def part(sizes: Sizes, clock: Clock) -> Iterator[Row]:
    for side in sizes.sides:
        drawn = Pictures.drawn(sizes, side)
        for form, options in FORMS.items():
            yield from _ours(drawn, form, sizes, runtime="onnxruntime", **options)
        rival = "PyTorch, EfficientNet-B0, AMP"
        yield from guarded(f"embed {side}", rival, lambda d=drawn: by_torch(d.pixels, sizes), clock)  # type: ignore[misc]
    yield from mish(sizes)


def tensorrt(sizes: Sizes, _clock: Clock) -> Iterator[Row]:
    """Return the same with the TensorRT provider, whose engine takes minutes to build."""
    yield from _ours(Pictures.drawn(sizes, sizes.side), "TensorRT fuses Mish", sizes, runtime="tensorrt")


def _exact(batch: FrameBatch) -> np.ndarray[Any, Any]:
    from fastsim.embedding.onnxruntime import OnnxRuntimeNetwork

    ((_, raw),) = OnnxRuntimeNetwork(load_model(), threads=os.cpu_count() or 1).run([batch])
    return unit_rows(raw)


def _ours(drawn: Pictures, form: str, sizes: Sizes, *, runtime: str, **options: Any) -> Iterator[Row]:
    from fastsim.embedding.onnxruntime_cuda import CudaNetwork

    batch, exact = drawn.batch, drawn.exact
    net = CudaNetwork(load_model(), device=Device.parse(DEVICE), runtime=runtime, batch=len(batch.ids), **options)
    ((_, ours),) = net.run([batch])
    worst = float((unit_rows(ours)[: len(exact)].astype(np.float32) * exact).sum(axis=1).min())
    assert worst > 0.99, f"{form}: cosine to the cpu backend {worst}"
    seconds = timed(lambda: list(net.run([batch] * sizes.batches)), sizes.repeats)
    rate = sizes.batches * len(batch.ids) / seconds
    yield (
        f"embed {batch.pixels.shape[1]}", f"{net.ran_on.runtime}, {net.ran_on.precision}, {form}", f"{rate:.0f} images/s",
        f"cosine to float32 on the CPU >= {worst:.4f}",
    )  # fmt: skip


def mish(sizes: Sizes) -> Iterator[Row]:
    """Mish alone, on one feature map of the network's first stage: a fused kernel, three passes, seven passes."""
    import cupy as cp

    side = sizes.side // 2
    x = cp.random.standard_normal((sizes.batch, 32, side, side), dtype=cp.float32).astype(cp.float16)
    fused = cp.ElementwiseKernel("float16 x", "float16 y", FUSED, "fastsim_mish")
    softplus = cp.ElementwiseKernel(
        "float16 x", "float16 y", "float v = x; y = v > 15 ? v : log1pf(expf(v))", "softplus"
    )
    sigmoid = cp.ElementwiseKernel("float16 x", "float16 y", "float v = x; y = 1.0f / (1.0f + expf(-v))", "sigmoid")
    one = cp.float16(1)

    def three() -> Any:
        return x * cp.tanh(softplus(x))

    def seven() -> Any:
        q = sigmoid(-x)
        square = q * q
        return (x * (one - square)) / (square + one)

    exact = x[:1].astype(cp.float64)
    exact = exact * cp.tanh(cp.log1p(cp.exp(exact)))
    for how, work in (("one fused pass", lambda: fused(x)), ("three passes", three), ("seven passes", seven)):
        worst = float(cp.abs(work()[:1].astype(cp.float64) - exact).max())
        assert worst < 0.02, f"Mish in {how}: off by {worst}"
        seconds = timed(lambda work=work: _waited(work), sizes.repeats)  # type: ignore[misc]
        yield f"Mish, {x.size / 1e6:.0f} M values", how, f"{seconds * 1e3:.3f} ms", f"off by {worst:.4f} at most"


def _waited(work: Callable[[], Any]) -> None:
    import cupy as cp

    work()
    cp.cuda.Stream.null.synchronize()


def by_torch(pixels: np.ndarray[Any, Any], sizes: Sizes, device: str = DEVICE) -> float:
    """Images a second of torchvision's EfficientNet-B0 (SiLU) in float16, channels last, pixels on the device."""
    import torch
    from torchvision.models import efficientnet_b0

    net = efficientnet_b0(weights=None).eval().to(device, memory_format=torch.channels_last)
    batch = torch.from_numpy(pixels).to(device)

    def run() -> None:
        for _ in range(sizes.batches):
            with torch.inference_mode(), torch.autocast(device.split(":", maxsplit=1)[0], torch.float16):
                net((batch.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.22)
        if device != "cpu":
            torch.cuda.synchronize()

    return sizes.batches * len(pixels) / timed(run, sizes.repeats)


def guarded(what: str, how: str, rate: Callable[[], float], clock: Clock, unit: str = "images/s") -> Iterator[Row]:
    """Return a rival's row; one that is not installed, fails, or comes too late is reported as not measured."""
    if clock.left() < 45:
        yield what, how, "not measured", "out of time"
        return
    try:
        yield what, how, f"{rate():.0f} {unit}", ""
    except Exception as error:
        yield what, how, "not measured", f"{type(error).__name__}: {str(error)[:100]}"
