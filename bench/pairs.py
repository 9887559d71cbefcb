"""n-to-n similarity on the CPU against faiss and NumPy: first the same pairs, then the time, side by side in one run.

    python bench/pairs.py                                   # 20,000 synthetic rows at .75 and .9
    python bench/pairs.py --vectors photos.npz --rows 20000 100000 --json pairs.json
    python bench/pairs.py --rows 500000 --rivals            # fastsim alone

Rows come from `--vectors` (.npy, or the .npz of `fastsim embed`), in random order. Where more are asked for than it
holds, and without it, rows are drawn: see `extend` and `synthetic`. One row in twenty is a near-duplicate of another.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import spread, table, write_json

from fastsim import _core, similar_pairs

Pairs = tuple[np.ndarray, np.ndarray]
BAND = 1e-5
"""Pairs this near to the threshold may be found or not: float32 rounds differently in each program."""
CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def synthetic(n: int, seed: int = 0, d: int = 256) -> np.ndarray:
    """float32[n, d] unit rows like a model's: 4,000 topics, and variances that fall off as in our model (half of the
    energy in 64 of 256 dimensions, .74 in 128); random rows score .00 +- .08, with a long tail upwards."""
    draw = np.random.default_rng(seed)
    scale = np.sqrt(1.02 - np.arange(d) / d).astype(np.float32) ** 1.2
    topics = draw.standard_normal((4000, d), np.float32) * scale
    weight = draw.uniform(0.2, 0.7, n).astype(np.float32)[:, None]
    own = draw.standard_normal((n, d), np.float32) * scale
    return unit(weight * topics[(4000 * draw.random(n) ** 2).astype(int)] + (1 - weight) * own)


def extend(rows: np.ndarray, n: int, seed: int = 0) -> np.ndarray:
    """`rows` and as many drawn from them as are missing: a row of the file plus noise of the file's own covariance,
    such that two rows made from one score about .6."""
    draw = np.random.default_rng(seed)
    if len(rows) >= n:
        return rows[draw.permutation(len(rows))[:n]]
    values, directions = np.linalg.eigh(np.cov(rows.T))
    noise = (directions * np.sqrt(np.maximum(values, 0))).astype(np.float32).T
    out = np.empty((n, rows.shape[1]), np.float32)
    out[: len(rows)] = rows
    for start in range(len(rows), n, 8192):
        part = out[start : start + 8192]
        part[:] = rows[draw.integers(0, len(rows), len(part))] * 0.77
        part += draw.standard_normal(part.shape, np.float32) @ noise * 0.63
    return unit(out)[draw.permutation(n)]


def with_duplicates(rows: np.ndarray, seed: int = 0) -> np.ndarray:
    """float16 rows, one in twenty replaced by another one with a little noise (scores of .9 to 1)."""
    draw = np.random.default_rng(seed)
    n, d = rows.shape
    copies = draw.permutation(n)[: n // 20]
    noise = draw.standard_normal((len(copies), d), np.float32) * draw.uniform(0, 0.4, (len(copies), 1)) / np.sqrt(d)
    rows[copies] = unit(rows[draw.integers(0, n, len(copies))] + noise)
    return rows.astype(np.float16)


def read_vectors(path: str) -> np.ndarray:
    loaded = np.load(path)
    return unit((loaded["vectors"] if isinstance(loaded, np.lib.npyio.NpzFile) else loaded).astype(np.float32))


def by_fastsim(rows: np.ndarray, thres: float) -> Pairs:
    left, right, _ = similar_pairs(rows, thres)
    return left, right


def by_numpy(rows: np.ndarray, thres: float, side: int = 2048) -> Pairs:
    """Tiles of the upper triangle by float32 matrix products: what one writes without a library, done well."""
    unit_rows, n = unit(rows.astype(np.float32)), len(rows)
    found = []
    for r in range(0, n, side):
        for c in range(r, n, side):
            tile = unit_rows[r : r + side] @ unit_rows[c : c + side].T
            left, right = np.divmod(np.flatnonzero(tile >= thres), tile.shape[1])
            keep = left + r < right + c
            found.append((left[keep] + r, right[keep] + c))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def by_faiss(rows: np.ndarray, thres: float) -> Pairs:
    """IndexFlatIP.range_search, on all cores; it has no triangle and finds each pair twice."""
    import faiss

    faiss.omp_set_num_threads(CPUS)
    unit_rows = unit(rows.astype(np.float32))
    index = faiss.IndexFlatIP(unit_rows.shape[1])
    index.add(unit_rows)
    found = []
    for start in range(0, len(rows), 16384):
        limits, _, right = index.range_search(unit_rows[start : start + 16384], float(np.nextafter(thres, 0)))
        left = np.repeat(np.arange(start, start + len(limits) - 1), np.diff(limits.astype(np.int64)))
        keep = left < right
        found.append((left[keep], right[keep]))
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def by_sklearn(rows: np.ndarray, thres: float) -> Pairs:
    from sklearn.neighbors import NearestNeighbors

    unit_rows = unit(rows.astype(np.float32))
    search = NearestNeighbors(radius=np.sqrt(2 - 2 * thres), algorithm="brute", n_jobs=CPUS).fit(unit_rows)
    lists = search.radius_neighbors(unit_rows, return_distance=False)
    left, right = np.repeat(np.arange(len(rows)), [len(part) for part in lists]), np.concatenate(lists)
    return left[left < right], right[left < right]


RIVALS: dict[str, Callable[[np.ndarray, float], Pairs]] = {"faiss": by_faiss, "numpy": by_numpy, "sklearn": by_sklearn}


def available(names: list[str]) -> list[str]:
    present = []
    for name in names:
        try:
            __import__({"sklearn": "sklearn.neighbors"}.get(name, name))
        except ImportError:
            print(f"{name}: not installed here, left out")
        else:
            present.append(name)
    return present


def check_same(name: str, rows: np.ndarray, thres: float, ours: Pairs, theirs: Pairs) -> None:
    """Ends the run if a pair was found by one alone and is not within BAND of the threshold in float64."""
    n = len(rows)
    alone = np.setxor1d(ours[0] * n + ours[1], theirs[0] * n + theirs[1])
    left, right = unit(rows[alone // n].astype(np.float64)), unit(rows[alone % n].astype(np.float64))
    gap = np.abs((left * right).sum(1) - thres)
    if (gap > BAND).any():
        raise SystemExit(f"not valid: {int((gap > BAND).sum())} of {len(alone)} pairs differ from {name}'s at {thres}")


def check_oracle(rows: np.ndarray, thres: float) -> None:
    some = rows[:5000]
    exact = unit(some.astype(np.float64))
    left, right = np.nonzero(np.triu(exact @ exact.T >= thres, 1))
    check_same("the float64 oracle", some, thres, by_fastsim(some, thres), (left, right))


def peak_gflops(side: int = 2048) -> float:
    """The machine's peak as OpenBLAS reaches it: float32 matrix products on all cores, the best of five."""
    a = np.random.default_rng(0).standard_normal((side, side), np.float32)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times) / 1e9


CHILD = """
import sys
from pathlib import Path
import numpy as np
from fastsim import similar_pairs

def peak():  # not ru_maxrss, which begins with the parent's
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

rows = np.load(sys.argv[1])
similar_pairs(rows[:64], 0.9)
before = peak()
similar_pairs(rows, float(sys.argv[2]))
print(peak() - before)
"""


def extra_megabytes(rows: np.ndarray, thres: float) -> float:
    """Peak memory beyond the rows and the libraries, of a process that does nothing else; NaN where there is no /proc."""
    if not Path("/proc/self/status").exists():
        return float("nan")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.npy")
        np.save(path, rows)
        command = [sys.executable, "-c", CHILD, path, str(thres)]
        return float(subprocess.run(command, capture_output=True, check=True).stdout)


def compare(rows: np.ndarray, thres: float, rivals: list[str], repeats: int) -> dict[str, Any]:
    """Seconds of each program, `repeats` rounds in turn, after one unmeasured round whose pairs are compared."""
    programs = {"fastsim": by_fastsim, **{name: RIVALS[name] for name in rivals}}
    check_oracle(rows, thres)
    ours = by_fastsim(rows, thres)
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    cpu: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(repeats):
        for name, program in programs.items():
            start, busy = time.perf_counter(), time.process_time()
            pairs = program(rows, thres)
            seconds[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - busy)
            if turn == 0:
                check_same(name, rows, thres, ours, pairs)
    extra = extra_megabytes(rows, thres)
    return {"rows": len(rows), "thres": thres, "pairs": len(ours[0]), "seconds": seconds, "cpu": cpu, "extra_mb": extra}


def report(results: list[dict[str, Any]], d: int, peak: float) -> str:
    lines = []
    for result in results:
        compared = result["rows"] * (result["rows"] - 1) / 2
        ours = statistics.median(result["seconds"]["fastsim"])
        for name, seconds in result["seconds"].items():
            middle = statistics.median(seconds)
            work = 2 * d * compared / middle / 1e9
            what = (f"{result['rows']:,}", result["thres"], f"{result['pairs']:,}", name, spread(seconds))
            busy = f"{statistics.median(result['cpu'][name]):.3g}"
            rate = (f"{compared / middle:.2e}", f"{work:.0f} ({work / peak:.1f}x)")
            extra = f"{result['extra_mb']:.0f}" if name == "fastsim" else ""
            lines.append((*what, busy, *rate, extra, f"{middle / ours:.1f}x"))
    figures = ("seconds", "CPU seconds", "compared/s", "GOP/s (of peak)", "MB more", "fastsim's seconds x")
    head = ("rows", "thres", "pairs", "program", *figures)
    return table(head, lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--vectors", help=".npy or .npz with the rows; by default synthetic ones")
    options.add_argument("--rows", type=int, nargs="+", default=[20_000])
    options.add_argument("--thres", type=float, nargs="+", default=[0.75, 0.9])
    options.add_argument("--rivals", nargs="*", choices=sorted(RIVALS), default=["faiss", "numpy"])
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--json", help="write the figures here, too")
    chosen = options.parse_args()
    base = read_vectors(chosen.vectors) if chosen.vectors else None
    rivals, peak = available(chosen.rivals), peak_gflops()
    print(f"{CPUS} CPUs, kernel {_core.isas()[0]}, peak {peak:.0f} GFLOP/s float32 (OpenBLAS); 2d operations a pair")
    results, d = [], 256
    for n in chosen.rows:
        rows = with_duplicates(synthetic(n) if base is None else extend(base, n))
        d = rows.shape[1]
        results += [compare(rows, thres, rivals, chosen.repeats) for thres in chosen.thres]
        print(f"{n:,} rows done", file=sys.stderr)
    print(report(results, d, peak))
    write_json(chosen.json, {"peak_gflops": peak, "dims": d, "results": results})


if __name__ == "__main__":
    main()
