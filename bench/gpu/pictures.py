"""JPEGs: decoded, decoded and embedded, and from the folder to the groups; torchvision's decoder and the cpu backend."""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from bench.gpu.measuring import DEVICE, Busy, Clock, Quiet, Row, Sizes, timed
from bench.gpu.network import guarded
from fastsim import decode
from fastsim.device import Device
from fastsim.model import load_model
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.rows import FrameBatch


def jpegs(folder: Path, n: int) -> list[MediaFile]:
    """Return n JPEGs of 500 x 375 from 200 drawn ones, each with its own comment, so that no two have equal bytes."""
    from PIL import Image

    draw = np.random.default_rng(0)
    made = []
    for _ in range(min(n, 200)):
        small = Image.fromarray(draw.integers(0, 256, (24, 32, 3), np.uint8))
        stream = io.BytesIO()
        small.resize((500, 375), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        made.append(stream.getvalue())
    files = []
    for k in range(n):
        path, data, note = folder / f"{k:06}.jpg", made[k % len(made)], f"{k:08}".encode()
        path.write_bytes(data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + data[2:])
        files.append(MediaFile(k, str(path), str(folder), Snapshot.of(str(path))))
    return files


def part(sizes: Sizes, clock: Clock) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        files = jpegs(Path(folder), sizes.files)
        yield from _valid(files[:200], sizes)
        yield from _decoding(files, sizes)
        yield from guarded(
            "decode 500x375", "torchvision, nvJPEG", lambda: by_torch(files[: sizes.cpu_files], sizes), clock
        )
        yield from _embedding(files, sizes)
        yield from _whole(folder, sizes)


def _frames(files: list[MediaFile], sizes: Sizes, device: str) -> Iterator[FrameBatch]:
    batches = decode.frame_batches(
        files, size=sizes.side, batch=sizes.batch, workers=os.cpu_count() or 1, device=Device.parse(device)
    )
    for batch in batches:
        assert isinstance(batch, FrameBatch), batch
        yield batch


def _valid(files: list[MediaFile], sizes: Sizes) -> Iterator[Row]:
    """Check that the images of both backends differ little."""
    cpu, cuda = (
        {int(k): p for batch in _frames(files, sizes, device) for k, p in zip(batch.ids, _host(batch), strict=True)}
        for device in ("cpu", DEVICE)
    )
    assert cpu.keys() == cuda.keys()
    worst = max(float(np.abs(cpu[k].astype(int) - cuda[k]).mean()) for k in cpu)
    assert worst < 4, f"a picture differs by {worst} grey levels from the cpu backend's"
    yield "decode valid", f"{len(cpu)} pictures", f"within {worst:.2f} grey levels of the cpu backend's on average", ""


def _host(batch: FrameBatch) -> np.ndarray:
    pixels = batch.pixels
    return pixels.get() if hasattr(pixels, "get") else pixels


def _decoding(files: list[MediaFile], sizes: Sizes) -> Iterator[Row]:
    for device, part in ((DEVICE, files), ("cpu", files[: sizes.cpu_files])):
        seconds = timed(lambda p=part, d=device: sum(len(b.ids) for b in _frames(p, sizes, d)), 1)  # type: ignore[misc]
        yield "decode 500x375", device, f"{len(part) / seconds:.0f} images/s", f"{os.cpu_count()} CPUs"


def _embedding(files: list[MediaFile], sizes: Sizes) -> Iterator[Row]:
    from fastsim.embedding import embed
    from fastsim.embedding.onnxruntime_cuda import CudaNetwork

    net = CudaNetwork(load_model(), device=Device.parse(DEVICE), runtime="onnxruntime", batch=sizes.batch)
    run = lambda: embed(net, _frames(files, sizes, DEVICE), Quiet())  # noqa: E731
    run()
    with Busy() as busy:
        seconds = timed(run, 1)
    yield "decode + embed", DEVICE, f"{len(files) / seconds:.0f} images/s", str(busy)


def _whole(folder: str, sizes: Sizes) -> Iterator[Row]:
    """From the folder to the groups, with the bytes that crossed between host and device."""
    from fastsim.config import Compute, Config, Scan
    from fastsim.pipeline import find
    from fastsim.run.progress import NullProgress

    workers = os.cpu_count() or 1
    compute = Compute(
        size=sizes.side, device=Device.parse(DEVICE), runtime="onnxruntime", workers=workers, batch=sizes.batch
    )
    with Busy() as busy:
        start = time.perf_counter()
        found = find(Config(Scan((folder,)), compute, 0.9), NullProgress())
        seconds = time.perf_counter() - start
    n, moved = len(found.embeddings), found.environment.traffic.as_dict()
    assert n == len(found.files) == sizes.files, f"{n} of {len(found.files)} files have a vector"
    what = "folder to groups"
    yield what, DEVICE, f"{seconds:.1f} s, {n / seconds:.0f} images/s", f"{busy}; {len(found.groups)} groups"
    for kind, ways in moved.items():
        yield f"{what}: moved", kind, f"{ways['to_device']:,} up, {ways['to_host']:,} down", "bytes"
    copied = sum(moved.get(kind, {}).get("to_device", 0) for kind in ("pixels", "vectors"))
    yield f"{what}: host copies", "pixels or rows that went up", f"{copied:,} bytes", "0: none between decode and pairs"


def by_torch(files: list[MediaFile], sizes: Sizes, device: str = DEVICE) -> float:
    """Images a second: torchvision's decode_jpeg on the device (nvJPEG) in batches, each picture resized there."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms.v2.functional import resize

    side = [sizes.side, sizes.side]

    def run() -> None:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for at in range(0, len(files), sizes.batch):
                data = list(pool.map(lambda file: read_file(file.path), files[at : at + sizes.batch]))
                pictures = decode_jpeg(data, mode=ImageReadMode.RGB, device=device)
                torch.stack([resize(picture, side, antialias=True) for picture in pictures])
        if device != "cpu":
            torch.cuda.synchronize()

    return len(files) / timed(run, 1)
