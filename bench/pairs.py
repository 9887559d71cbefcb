"""Measure all-pairs similarity on the CPU against faiss, NumPy and scikit-learn: first the same pairs, then the time.

    python -m bench.pairs                                   # 20,000 synthetic rows at .75 and .9
    python -m bench.pairs --vectors photos.npz --rows 20000 100000 --json pairs.json
    python -m bench.pairs --rows 500000 --rivals            # fastsim alone

Rows come from `--vectors` (.npy, or the .npz of `fastsim embed`), in random order. If more are requested than it holds, and
without it, rows are drawn: see bench/rows.py. One row in twenty is a near-duplicate of another.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import spread, table, write_json
from bench.comparers import CPUS, RIVALS, Pairs, available, by_fastsim, ending
from bench.rows import extend, read_vectors, synthetic, unit, with_duplicates
from fastsim import _core

BAND = 1e-5
"""Pairs this near to the threshold may be found or not: float32 rounds differently in each program."""
MEMORY_BAR = 256
"""MB that a comparison may take beyond the rows."""


def check_same(name: str, rows: np.ndarray, thres: float, ours: Pairs, theirs: Pairs) -> None:
    """End the run if a pair was found by one alone and is not within BAND of the threshold in float64."""
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
    """Return the machine's peak as OpenBLAS reaches it: float32 matrix products on all cores, the best of five."""
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
        command = [sys.executable, "-P", "-c", CHILD, path, str(thres)]
        return float(subprocess.run(command, capture_output=True, check=True).stdout)


def compare(rows: np.ndarray, thres: float, rivals: list[str], repeats: int) -> dict[str, Any]:
    """Seconds of each program, `repeats` rounds in turn; the pairs of the first round are compared, before any counts."""
    programs = {"fastsim": by_fastsim, **{name: RIVALS[name] for name in rivals}}
    check_oracle(rows, thres)  # this warms up fastsim's threads, too
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    cpu: dict[str, list[float]] = {name: [] for name in programs}
    ours: Pairs = (np.empty(0, np.int64), np.empty(0, np.int64))
    for turn in range(repeats):
        for name, program in programs.items():
            start, busy = time.perf_counter(), time.process_time()
            pairs = program(rows, thres)
            seconds[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - busy)
            if turn == 0 and name == "fastsim":
                ours = pairs
            elif turn == 0:
                check_same(name, rows, thres, ours, pairs)
    extra = extra_megabytes(rows, thres)
    return {"rows": len(rows), "thres": thres, "pairs": len(ours[0]), "seconds": seconds, "cpu": cpu, "extra_mb": extra}


def report(results: list[dict[str, Any]], d: int, peak: float) -> str:
    """Return the table of all programs; then, of fastsim, what the n^2 term costs and whether memory is under its bar."""
    lines, constants = [], []
    for result in results:
        n, compared = result["rows"], result["rows"] * (result["rows"] - 1) / 2
        ours = statistics.median(result["seconds"]["fastsim"])
        for name, seconds in result["seconds"].items():
            middle = statistics.median(seconds)
            work = 2 * d * compared / middle / 1e9
            what = (f"{n:,}", result["thres"], f"{result['pairs']:,}", name, spread(seconds))
            busy = f"{statistics.median(result['cpu'][name]):.3g}"
            rate = (f"{compared / middle:.2e}", f"{work:.0f} ({work / peak:.1f}x)")
            lines.append((*what, busy, *rate, f"{middle / ours:.1f}x"))
        fits = "not known here" if np.isnan(result["extra_mb"]) else "yes" if result["extra_mb"] < MEMORY_BAR else "NO"
        memory = (f"{result['extra_mb']:.0f}", f"{MEMORY_BAR}: {fits}")
        constants.append(
            (f"{n:,}", result["thres"], f"{1e12 * ours / n**2:.0f}", f"{1e12 * ours / compared:.0f}", *memory)
        )
    figures = ("seconds", "CPU seconds", "compared/s", "GOP/s (of peak)", "fastsim's seconds x")
    whole = table(("rows", "thres", "pairs", "program", *figures), lines)
    head = ("rows", "thres", "seconds / n^2, ps", "ps a pair", "MB beyond the rows", "under")
    return f"{whole}\n\nfastsim's n^2 constant and memory:\n\n{table(head, constants)}"


def ratios(results: list[dict[str, Any]]) -> dict[str, float]:
    """{rival and case: its median seconds in times of fastsim's}."""
    found = {}
    for result in results:
        ours = statistics.median(result["seconds"]["fastsim"])
        for name, seconds in result["seconds"].items():
            if name != "fastsim":
                label = f"{name}, {result['rows']:,} rows, {result['thres']}"
                found[label] = statistics.median(seconds) / ours
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--vectors", help=".npy or .npz with the rows; by default synthetic ones")
    options.add_argument("--rows", type=int, nargs="+", default=[20_000])
    options.add_argument("--thres", type=float, nargs="+", default=[0.75, 0.9])
    options.add_argument("--rivals", nargs="*", choices=sorted(RIVALS), default=sorted(RIVALS))
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
        here = ending(rivals, n)
        results += [compare(rows, thres, here, chosen.repeats) for thres in chosen.thres]
        print(f"{n:,} rows done", file=sys.stderr)
    print(report(results, d, peak))
    write_json(chosen.json, {"peak_gflops": peak, "dims": d, "results": results, "ratios": ratios(results)})


if __name__ == "__main__":
    main()
