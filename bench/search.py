"""One image against an index of a million: in one process that serves many queries, and in a whole process for one.

    python -m bench.search                                   # 1,000,000 synthetic rows, 20 queries, 5 whole processes
    python -m bench.search --rows 100000 --photos DIR --json search.json

The index holds synthetic rows of 256 float16 (bench/rows.py) and, in one place, the row of the query itself, which must be found
first; the other matches are checked against NumPy in float64. "Warm" is `fastsim.Index.search` on a JPEG of 500x375 that
has not been seen before: reading, decoding, embedding, comparing with every row, and reading the matches, with network
and index open. "Whole process" is `fastsim search QUERY --in INDEX`, from the start of the interpreter to its end, with the
network compiled by an earlier run and the index in the page cache. CPU seconds are told beside wall seconds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import fastsim
from bench.common import fastsim as command
from bench.common import machine, measure, spread, write_json
from bench.photos import make_photos
from bench.rows import synthetic, unit
from fastsim.config import resolve_compute
from fastsim.retrieval.building import network_of
from fastsim.retrieval.index_file import Entries, write_index

CHUNK = 100_000


def make_index(path: Path, count: int, known: np.ndarray, size: int) -> None:
    """Write an index of `count` synthetic rows, with `known` as its last one."""
    entries = Entries(
        [f"/nowhere/{number:09d}.jpg".encode() for number in range(count)],
        np.ones((count, 4), np.int64), np.zeros((count, 32), np.uint8), np.full((count, 2), 500, np.int32),
        np.tile(np.array([1, 1, 1, 0], np.int32), (count, 1)),
    )  # fmt: skip

    def rows() -> Iterator[np.ndarray]:
        for start in range(0, count, CHUNK):
            part = synthetic(min(CHUNK, count - start), seed=start).astype(np.float16)
            if start + len(part) == count:
                part[-1] = known
            yield part

    with path.open("wb") as stream:
        network = network_of(resolve_compute(size=str(size)))
        write_index(stream, network, entries, rows(), np.empty((0, known.shape[0]), np.float16))


def check(index: fastsim.Index, vector: np.ndarray, k: int) -> None:
    """End the run if the scores of the k best are not those of NumPy in float64."""
    rows, scores = index.nearest(vector[None], k)
    best = np.full(k, -1.0)
    query = unit(vector.astype(np.float64)[None])[0]
    everything = index.vectors
    for start in range(0, len(everything), CHUNK):
        part = unit(everything[start : start + CHUNK].astype(np.float64)) @ query
        best = np.sort(np.concatenate([best, part]))[::-1][:k]
    if rows[0, 0] != len(index) - 1 or np.abs(best - scores[0]).max() > 1e-5:
        raise SystemExit("not valid: other matches than those of NumPy in float64")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--best", type=int, default=10, help="matches of a query")
    parser.add_argument("--photos", help="folder of photos to make the queries from (default: drawn)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = run(Path(name), options)
    write_json(options.json, {"rows": options.rows, "best": options.best, **result})


def run(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    photos, path, cache = folder / "photos", folder / "big.index", str(folder / "cache")
    photos.mkdir()
    make_photos(photos, options.photos, options.queries + 1, (500, 375), copies=0)
    images = sorted(photos.iterdir())
    start = time.perf_counter()
    embedded = fastsim.embed(images[:1], cache=cache)
    make_index(path, options.rows, embedded.vectors[0], 128)
    print(f"{machine()['cpu']}, {options.workers} threads")
    print(f"{options.rows:,} rows written in {time.perf_counter() - start:.1f} s, {path.stat().st_size / 1e6:,.0f} MB")
    start = time.perf_counter()
    index = fastsim.Index(path, workers=options.workers, cache=cache)
    opening = time.perf_counter() - start
    check(index, embedded.vectors[0], options.best)
    start = time.perf_counter()
    [found] = index.search(images[0], k=options.best)  # loads the network
    first = time.perf_counter() - start
    if found[0].score < 0.99:
        raise SystemExit("not valid: the image itself is not found first")
    walls, cpus = [], []
    for image in images[1:]:
        start, before = time.perf_counter(), time.process_time()
        index.search(image, k=options.best)
        walls.append(time.perf_counter() - start)
        cpus.append(time.process_time() - before)
    words = command("search", str(images[1]), "--in", str(path), "--workers", str(options.workers), "--cache", cache)
    costs = [measure(words) for _ in range(options.processes)]
    print(f"open {1000 * opening:.0f} ms; first query, with the network loaded, {1000 * first:.0f} ms")
    print(f"warm query: {spread([1000 * one for one in walls])} ms, {spread([1000 * one for one in cpus])} CPU-ms")
    print(f"whole process: {spread([one.wall for one in costs])} s, {spread([one.cpu for one in costs])} CPU-s, "
          f"{max(one.peak_mb for one in costs):.0f} MB")  # fmt: skip
    return {
        "open_s": opening, "first_s": first, "warm_s": walls, "warm_cpu_s": cpus, "median_s": statistics.median(walls),
        "process": costs,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
