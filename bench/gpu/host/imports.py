"""python -m bench.gpu.host.imports [dali]: does each library find the GPU? A line each; nothing stops the next."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable

import numpy as np

import bench  # noqa: F401  # the installed package, or the checkout with its core
from fastsim import gpu_probe
from fastsim.device import Device


def told(name: str, work: Callable[[], object]) -> None:
    """Print what `work` returns, or how it failed."""
    start = time.perf_counter()
    try:
        print(f"RESULT {name}: {work()} ({time.perf_counter() - start:.1f} s)", flush=True)
    except BaseException as error:
        print(f"RESULT {name}: FAILED {type(error).__name__}: {str(error).strip()[:300]}", flush=True)


def cupy() -> object:
    import cupy as cp

    runtime = cp.cuda.runtime
    return cp.__version__, runtime.runtimeGetVersion(), runtime.driverGetVersion(), float(cp.arange(5).sum())


def onnxruntime() -> object:
    import cupy as cp
    import onnxruntime as ort

    from fastsim.embedding.onnxruntime_cuda import CudaNetwork
    from fastsim.model import load_model
    from fastsim.records.rows import FrameBatch

    net = CudaNetwork(load_model(), device=Device.parse("cuda:0"), runtime="onnxruntime", batch=8)
    batch = FrameBatch(np.arange(8), cp.zeros((8, 128, 128, 3), cp.uint8), np.zeros((8, 2), np.int32))
    ((_, rows),) = net.run([batch])
    return ort.__version__, net.ran_on, rows.shape, str(rows.dtype)


def dali_pictures(encoded: bytes) -> object:
    """Return the shape of four pictures that the device decoded."""
    from fastsim.decode import dali

    pipe = dali.build(4, 4, 0)
    pipe.feed_input("encoded", [np.frombuffer(encoded, np.uint8)] * 4)
    pipe.feed_input("id", [np.array([k], np.int64) for k in range(4)])
    pipe.feed_input("side", [np.array([128, 128], np.float32)] * 4)
    pipe.schedule_run()
    pictures, _ids = pipe.share_outputs()
    return dali._taken(pictures, 0).shape


def broken_picture() -> object:
    try:
        return f"no error, shape {dali_pictures(bytes.fromhex('ffd8ffe000104a464946') + bytes(300) + bytes.fromhex('ffd9'))}"
    except Exception as error:  # its type and words are what is asked for
        return f"{type(error).__name__}: {str(error)[:160]!r}"


def jpeg() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (375, 500, 3), np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


if __name__ == "__main__":
    told("doctor", lambda: gpu_probe.probe().problem or "nothing is missing")
    told("cupy", cupy)
    told("onnxruntime", onnxruntime)
    if "dali" in sys.argv:
        told("dali", lambda: dali_pictures(jpeg()))
        told("dali, a broken picture", broken_picture)
