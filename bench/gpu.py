"""python -m bench.gpu [--out FILE]: validates the cuda backend on a GPU, then measures it. Under eight minutes.

Each part runs by itself: one that fails, or a rival that is not installed, is told in the table and stops nothing.
Not yet run on a GPU.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import table, write_json
from fastsim import cuda as probe_module
from fastsim import decode
from fastsim.model import load_model
from fastsim.records import FrameBatch, MediaFile, Snapshot

PACKAGES = ("cupy-cuda13x", "cupy-cuda12x", "onnxruntime-gpu", "nvidia-dali-cuda130", "nvidia-dali-cuda120", "torch")
BATCH = 256


class _Quiet:
    def advance(self, n: int = 1) -> None: ...


def rows(n: int, d: int = 256) -> np.ndarray[Any, Any]:
    """Unit float16 rows, made piece by piece; every hundredth is a copy of its neighbour with noise."""
    draw = np.random.default_rng(n)
    whole = np.empty((n, d), np.float16)
    for start in range(0, n, 65536):
        part = draw.standard_normal((min(65536, n - start), d), np.float32)
        part[1::100] = part[: len(part[1::100]) * 100 : 100] + 0.1 * part[1::100]
        whole[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return whole


def pairs(blocks: Any) -> set[tuple[int, int]]:
    return {pair for block in blocks for pair in zip(block.left.tolist(), block.right.tolist(), strict=True)}


def timed(work: Callable[[], Any], repeats: int = 3) -> float:
    """Median wall seconds after one warm-up; `work` waits for the device itself."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def n_to_n() -> list[list[object]]:
    """Validated against the C kernels at 20,000 rows, then timed with rows on the host at the start."""
    from fastsim.similarity import cpu, cuda

    small = rows(20_000)
    expected = pairs(cpu.pair_blocks(small, 0.9, workers=os.cpu_count() or 1))
    found = pairs(cuda.pair_blocks(small, 0.9, device="cuda:0"))
    assert found == expected and len(expected) >= 100, f"{len(found)} pairs, {len(expected)} expected"
    told: list[list[object]] = [["n-to-n valid", "20,000 rows", f"{len(found)} pairs, those of the cpu backend", ""]]
    for n in (100_000, 1_000_000):
        vectors = rows(n)
        seconds = timed(lambda v=vectors: sum(map(len, cuda.pair_blocks(v, 0.9, device="cuda:0"))))  # type: ignore[misc]
        rate = n * (n - 1) / 2 * 512 / seconds / 1e12
        told.append([f"n-to-n {n:,}", "fastsim cuda", f"{seconds:.3f} s", f"{rate:.0f} TFLOP/s (upload included)"])
    told.append(
        ["n-to-n 100,000", "cupy.matmul + threshold", f"{timed(lambda: matmul(rows_100k())):.3f} s", "full square"]
    )
    return told


_kept: dict[str, Any] = {}


def rows_100k() -> Any:
    import cupy as cp

    if "rows" not in _kept:
        _kept["rows"] = cp.asarray(rows(100_000))
    return _kept["rows"]


def matmul(whole: Any, side: int = 16384) -> int:
    import cupy as cp

    count = 0
    for r in range(0, len(whole), side):
        for c in range(0, len(whole), side):
            count += len(cp.argwhere(whole[r : r + side] @ whole[c : c + side].T >= 0.9))
    return count


def network() -> list[list[object]]:
    """Images a second at 224 pixels, pixels on the device; validated against ONNX Runtime's CPU provider."""
    import cupy as cp

    from fastsim.embedding import unit_rows
    from fastsim.embedding.onnxruntime import OnnxRuntimeNetwork
    from fastsim.embedding.onnxruntime_cuda import CudaNetwork

    model = load_model()
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, 224, 224, 3), np.uint8)
    ids, sizes = np.arange(BATCH, dtype=np.int64), np.zeros((BATCH, 2), np.int32)
    on_device = FrameBatch(ids, cp.asarray(pixels), sizes)
    fast = CudaNetwork(model, device="cuda:0", runtime="onnxruntime", batch=BATCH)
    ((_, ours),) = fast.run([on_device])
    few = FrameBatch(ids[:8], pixels[:8], sizes[:8])
    ((_, theirs),) = OnnxRuntimeNetwork(model, device="cpu", threads=os.cpu_count() or 1).run([few])
    worst = float((unit_rows(ours[:8]).astype(np.float32) * unit_rows(theirs)).sum(axis=1).min())
    assert worst > 0.99, f"cosine to the cpu backend {worst}"
    seconds = timed(lambda: list(fast.run([on_device] * 40)))
    ran = f"{fast.ran_on.runtime}, {fast.ran_on.precision}"
    return [
        ["embed valid", ran, f"cosine to float32 on the CPU >= {worst:.4f}", ""],
        ["embed 224", ran, f"{40 * BATCH / seconds:.0f} images/s", ""],
    ]


def jpegs(folder: Path, n: int) -> list[MediaFile]:
    """n JPEGs of 500 x 375 from 200 drawn ones, equal in bytes but for a comment at the end."""
    from PIL import Image

    draw = np.random.default_rng(0)
    made = []
    for _ in range(200):
        small = Image.fromarray(draw.integers(0, 256, (24, 32, 3), np.uint8))
        stream = io.BytesIO()
        small.resize((500, 375), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        made.append(stream.getvalue())
    files = []
    for k in range(n):
        path = folder / f"{k}.jpg"
        path.write_bytes(made[k % 200])
        files.append(MediaFile(k, str(path), str(folder), Snapshot.of(str(path))))
    return files


def pictures() -> list[list[object]]:
    """Decode alone, then decode and embed, of 20,000 files in the page cache."""
    from fastsim.embedding import embed
    from fastsim.embedding.onnxruntime_cuda import CudaNetwork

    workers, told = os.cpu_count() or 1, []
    with tempfile.TemporaryDirectory() as folder:
        files = jpegs(Path(folder), 20_000)
        for device in ("cuda:0", "cpu"):
            part = files if device != "cpu" else files[:4000]
            frames = lambda p=part, d=device: decode.frame_batches(p, size=224, batch=BATCH, workers=workers, device=d)  # type: ignore[misc]  # noqa: E731
            seconds = timed(lambda f=frames: sum(len(batch.ids) for batch in f()), 1)  # type: ignore[misc]
            told.append(["decode 500x375", device, f"{len(part) / seconds:.0f} images/s", ""])
        net = CudaNetwork(load_model(), device="cuda:0", runtime="onnxruntime", batch=BATCH)

        def run():
            return embed(
                net, decode.frame_batches(files, size=224, batch=BATCH, workers=workers, device="cuda:0"), _Quiet()
            )

        told.append(["decode + embed", "cuda:0", f"{len(files) / timed(run, 1):.0f} images/s", ""])
    return told


def main() -> None:
    """Run all parts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="JSON file to write")
    out = parser.parse_args().out
    found = probe_module.probe()
    told: list[list[object]] = []
    for part in (n_to_n, network, pictures):
        try:
            told += part()
        except Exception as error:  # one part's failure is a finding; the others still run
            traceback.print_exc()
            told.append([part.__name__, "FAILED", f"{type(error).__name__}: {str(error)[:200]}", ""])
    told.append(["torch decode and EfficientNet, video, GPU busy share", "not measured", "not written yet", ""])
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    print(found.gpus, found.problem, versions)
    print(table(("what", "how", "result", "note"), told))
    write_json(out, {"gpus": found.gpus, "problem": found.problem, "versions": versions, "rows": told})


if __name__ == "__main__":
    main()
