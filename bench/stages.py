"""Measure where the time of an image goes: reading, header, decoding, resizing, the network, and our alternatives.

    python -m bench.stages [--photos FOLDER] [--count 300] [--json FILE]

Prints CPU milliseconds per image of this process (all threads), each variant in turn several times, as median and range, and how
close the vectors of bfloat16 are to those of float32.
"""

from __future__ import annotations

import argparse
import io
import resource
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
from PIL import Image

from bench import common, photos
from fastsim.config import usable_cpus
from fastsim.decode import jpeg, shrink
from fastsim.decode.decoder import decode_file
from fastsim.decode.libraries import opencv
from fastsim.embedding.graph.mish import fuse_mish
from fastsim.model import card_size, load_model

SIZE = card_size()


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def per_item(work: Callable[[Any], object], items: Sequence[Any], repeats: int) -> list[float]:
    """CPU milliseconds an item, one figure a repeat."""
    figures = []
    for _ in range(repeats):
        start = cpu_seconds()
        for item in items:
            work(item)
        figures.append(1e3 * (cpu_seconds() - start) / len(items))
    return figures


def network(fused: bool, precision: str, batch: int) -> Callable[[np.ndarray[Any, Any]], None]:
    """Return a call that runs uint8[k * batch, SIZE, SIZE, 3] through the packaged model."""
    core = ov.Core()
    graph = core.read_model(str(load_model().path))
    if fused and not fuse_mish(graph):
        raise SystemExit("not valid: no Mish was found in the graph")
    graph.reshape([batch, SIZE, SIZE, 3])
    hints = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_NUM_THREADS": usable_cpus(),
        "INFERENCE_PRECISION_HINT": precision,
    }
    queue = ov.AsyncInferQueue(core.compile_model(graph, "CPU", hints))

    def run(pixels: np.ndarray[Any, Any]) -> None:
        for start in range(0, len(pixels), batch):
            queue.start_async({0: pixels[start : start + batch]})
        queue.wait_all()

    return run


def vectors(fused: bool, precision: str, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return unit rows float32[n, d] of uint8[n, SIZE, SIZE, 3]."""
    core = ov.Core()
    graph = core.read_model(str(load_model().path))
    if fused:
        fuse_mish(graph)
    graph.reshape([1, SIZE, SIZE, 3])
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return np.concatenate([np.array(compiled(image[None])[0]) for image in pixels])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", help="folder of photos to make the set from (default: drawn)")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        photos.make_photos(Path(name), options.photos, options.count, (500, 375))
        paths = sorted(Path(name).iterdir())
        rows = decoding(paths, options.repeats)
        pixels = np.stack([decode_file(str(path), lambda _w, _h: SIZE).squares[0] for path in paths])
    cosines = (vectors(True, "bf16", pixels) * vectors(True, "f32", pixels)).sum(1)
    rows += embedding(options.repeats)
    print(f"CPU ms an image, 500x375 JPEGs, {options.repeats} repeats, {common.machine()}")
    print(common.table(["step", "CPU ms"], [(name, common.spread(figures)) for name, figures in rows]))
    print(
        f"\nbfloat16 to float32, {len(cosines)} photos: cosine {cosines.mean():.5f} on average, 1 % below "
        f"{np.percentile(cosines, 1):.5f}, smallest {cosines.min():.5f}"
    )
    common.write_json(options.json, {"stages": dict(rows), "bfloat16_cosines": cosines.tolist()})


def decoding(paths: list[Path], repeats: int) -> list[tuple[str, list[float]]]:
    data = [path.read_bytes() for path in paths]
    headers = [Image.open(io.BytesIO(item)) for item in data]
    scaled = lambda pair: jpeg.decode(pair[0], *pair[1].size, SIZE).image  # noqa: E731
    images = [scaled(pair) for pair in zip(data, headers, strict=True)]
    area = lambda image: cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)  # noqa: E731
    difference = max(np.abs(area(image).astype(int) - shrink.square(image, SIZE)).mean() for image in images)
    if difference > 4:
        raise SystemExit(f"not valid: our resizing differs from area averages by {difference:.1f} on average")
    return [
        ("read the file", per_item(lambda path: path.read_bytes(), paths, repeats)),
        ("header by Pillow", per_item(lambda item: Image.open(io.BytesIO(item)).getexif(), data, repeats)),
        ("decode by OpenCV, whole", per_item(lambda item: opencv(item, cv2.IMREAD_COLOR_BGR), data, repeats)),
        (
            "decode by libjpeg-turbo, scaled while decoding",
            per_item(scaled, list(zip(data, headers, strict=True)), repeats),
        ),
        ("resize, OpenCV's area averages", per_item(area, images, repeats)),
        (
            "resize, ours (to twice the size, then 2x2 blocks)",
            per_item(lambda image: shrink.square(image, SIZE), images, repeats),
        ),
    ]


def embedding(repeats: int) -> list[tuple[str, list[float]]]:
    pixels = np.random.default_rng(0).integers(0, 256, (96, SIZE, SIZE, 3)).astype(np.uint8)
    exact = vectors(False, "f32", pixels[:4])
    fused = vectors(True, "f32", pixels[:4])
    if (exact * fused).sum(1).min() < 0.9999:
        raise SystemExit("not valid: the fused Mish gives other vectors")
    runs = {
        f"network, {precision}, Mish {'fused' if fused else 'as exported'}, batch {batch}": network(
            fused, precision, batch
        )
        for precision in ("bf16", "f32")
        for fused in (False, True)
        for batch in (1, 4, 8, 16)
    }
    for run in runs.values():
        run(pixels[:16])
    figures: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            figures[name] += [value / len(pixels) for value in per_item(run, [pixels], 1)]
    return list(figures.items())


if __name__ == "__main__":
    main()
