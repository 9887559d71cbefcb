"""What `fastsim leakage` takes beyond embedding: two splits of vectors compared both ways, against the embedding of as many.

    python -m bench.leakage                                  # 50,000 rows against 10,000, and 400 drawn photos embedded
    python -m bench.leakage --rows 500000 50000 --photos DIR --json leakage.json

The comparison is the one that the command makes (`find_nearest_among`, both ways, as many neighbours); what it finds is first
checked against NumPy on a part of the rows. One row in twenty of the second split is a near-duplicate of one of the first.
Embedding is measured on photos of 500x375 without a cache, and scaled to the number of rows: its cost is linear
(`python -m bench.scale`).
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.common import fastsim, machine, measure, write_json
from bench.photos import make_photos
from bench.rows import synthetic, unit
from fastsim.similarity.neighbours import find_nearest_among
from fastsim.verified_pairs import NEIGHBOURS


def splits(train: int, val: int) -> tuple[np.ndarray, np.ndarray]:
    """float16 rows of two splits; one in twenty of the second is a row of the first with a little noise."""
    draw = np.random.default_rng(1)
    rows = synthetic(train + val)
    copies = draw.permutation(val)[: val // 20] + train
    noise = draw.standard_normal((len(copies), rows.shape[1]), np.float32) * 0.02
    rows[copies] = unit(rows[draw.integers(0, train, len(copies))] + noise)
    return rows[:train].astype(np.float16), rows[train:].astype(np.float16)


def check(train: np.ndarray, val: np.ndarray, thres: float, workers: int) -> None:
    """End the run if a row of a part has not the best match that float64 finds."""
    some = val[:500]
    found = find_nearest_among(some, train, 1, thres, workers=workers)
    scores = unit(some.astype(np.float64)) @ unit(train.astype(np.float64)).T
    best = scores.max(axis=1)
    sure = np.abs(best - thres) > 1e-5
    if not np.array_equal(found.index[sure, 0] >= 0, best[sure] >= thres):
        raise SystemExit("not valid: other matches than those of NumPy in float64")


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs=2, default=(50_000, 10_000), metavar=("TRAIN", "VAL"))
    parser.add_argument("--thres", type=float, default=0.9)
    parser.add_argument("--photos", help="folder of photos to make the set from (default: drawn)")
    parser.add_argument("--count", type=int, default=400, help="photos that are embedded")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json")
    options = parser.parse_args()
    train, val = splits(*options.rows)
    check(train, val, options.thres, options.workers)
    start, before = time.perf_counter(), cpu()
    for mine, theirs in ((train, val), (val, train)):
        found = find_nearest_among(mine, theirs, NEIGHBOURS, options.thres, workers=options.workers)
    wall, spent = time.perf_counter() - start, cpu() - before
    leaked = int((found.index[:, 0] >= 0).sum())
    with tempfile.TemporaryDirectory() as folder:
        make_photos(Path(folder), options.photos, options.count, (500, 375), copies=0)
        out = str(Path(folder) / "out.npz")
        cost = measure(
            fastsim("embed", folder, "--no-cache", "--out", out, "--workers", str(options.workers), "--quiet")
        )
    total = sum(options.rows)
    embed_wall, embed_cpu = (value / options.count * total for value in (cost.wall, cost.cpu))
    print(f"{machine()['cpu']}, {options.workers} threads")
    print(
        f"compare {len(train):,} x {len(val):,} both ways: {wall:.2f} s, {spent:.2f} CPU-s; {leaked:,} of {len(val):,} leaked"
    )
    print(f"embed {total:,} (from {options.count:,} photos): {embed_wall:.0f} s, {embed_cpu:.0f} CPU-s")
    print(
        f"comparing is {100 * spent / embed_cpu:.2f} % of embedding in CPU time, {100 * wall / embed_wall:.2f} % in wall time"
    )
    write_json(options.json, {
        "rows": list(options.rows), "thres": options.thres, "compare": {"wall": wall, "cpu": spent}, "leaked": leaked,
        "embed": {"wall": embed_wall, "cpu": embed_cpu, "photos": options.count},
    })  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
