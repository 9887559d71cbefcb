"""Measure whether a whole run is linear in files, except for the all-pairs term, by growing sets and a fit.

    python -m bench.scale [--photos FOLDER] [--counts 1000 5000 20000 100000] [--repeats 1] [--json FILE]

Images of 160x120 are drawn once; each set is the one before it and more. Every run is a process of its own without a cache, and
must find the planted copies. Then seconds = a + b n + c n^2 is fitted to wall and to CPU seconds (no coefficient under 0,
relative errors): a is the start, b an image, c the all-pairs term. As a fit with c could hide another square term, wall seconds
without the stages `compare` and `group` are fitted by a + b n alone: linear means that no run is further than TOLERANCE from
that. On a machine with other work, CPU seconds are more reliable.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import common, end_to_end, photos
from fastsim.model import card_size

WIDTH, HEIGHT = 160, 120
TOLERANCE = 0.1
"""Share of a run's seconds that the fit may be off by."""


def draw_sets(folder: Path, source: str | None, counts: list[int]) -> list[tuple[Path, list[tuple[str, str]]]]:
    """Return a folder for what each of `counts` has more than the one before it, with the pairs planted in it."""
    parts = []
    for low, high in itertools.pairwise([0, *counts]):
        part = folder / f"to_{high}"
        part.mkdir()
        parts.append((part, photos.make_photos(part, source, high - low, (WIDTH, HEIGHT), first=low)))
    return parts


def fitted(n: np.ndarray, seconds: np.ndarray, squared: bool = True) -> np.ndarray:
    """Fit a + b n + c n^2 with the least squares of relative errors; return float64[3], none under 0.

    c is 0 unless `squared`. Of all choices of terms that are left out (at 0), the best without a negative one: for three
    terms that is the non-negative least squares solution.
    """
    choices = itertools.chain.from_iterable(itertools.combinations(range(2 + squared), k) for k in (1, 2, 3))
    terms = np.stack([np.ones_like(n), n, n * n], 1) / seconds[:, None]
    scale = terms.max(0)
    best, least = np.zeros(3), np.inf
    for used in choices:
        part = (terms / scale)[:, used]
        values = np.linalg.lstsq(part, np.ones(len(n)), rcond=None)[0]
        error = float(((part @ values - 1) ** 2).sum())
        if (values >= 0).all() and error < least:
            best, least = np.zeros(3), error
            best[list(used)] = values / scale[list(used)]
    return best


def report_fit(what: str, n: np.ndarray, seconds: np.ndarray, squared: bool = True) -> dict[str, object]:
    """Print the fit of one kind of seconds and return it for the JSON."""
    a, b, c = fitted(n, seconds, squared)
    expected = a + b * n + c * n * n
    off = seconds / expected - 1
    rows = [
        (f"{int(k):,}", f"{s:.2f}", f"{e:.2f}", f"{100 * o:+.1f} %", f"{100 * c * k * k / e:.1f} %")
        for k, s, e, o in zip(n, seconds, expected, off, strict=True)
    ]
    close = bool(np.abs(off).max() <= TOLERANCE)
    square = f" + {1e12 * c:.3g} ps x n^2" if squared else ""
    print(f"\n{what} = {a:.3g} s + {1e3 * b:.3g} ms x n{square}")
    print(common.table(["pictures", "measured", "fit", "off by", "n^2 term's share"], rows))
    print(f"every run within {100 * TOLERANCE:.0f} % of this: {'yes' if close else 'NO'}")
    if len(n) <= 2 + squared:
        print("(so few sizes are met by any fit: take more)")
    return {"a": a, "b": b, "c": c, "off": off.tolist(), "close": close}


def main() -> None:
    options = parsed()
    counts = sorted(options.counts)
    costs: dict[int, list[common.Cost]] = {n: [] for n in counts}
    timings: dict[int, list[end_to_end.Timings]] = {n: [] for n in counts}
    print(f"pictures of {WIDTH}x{HEIGHT}, --size {options.size}, {options.repeats} runs each, {common.machine()}")
    with tempfile.TemporaryDirectory() as name:
        work, start = Path(name), time.perf_counter()
        parts = draw_sets(work, options.photos, counts)
        print(f"{counts[-1]:,} pictures drawn in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
        for _, (number, n) in itertools.product(range(options.repeats), enumerate(counts, start=1)):
            inputs, pairs = [part for part, _ in parts[:number]], [pair for _, some in parts[:number] for pair in some]
            cost, seconds = end_to_end.run_fastsim(inputs, pairs, work, "--size", str(options.size))
            costs[n].append(cost)
            timings[n].append(seconds)
            print(f"{n:,} pictures: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s", file=sys.stderr, flush=True)
    fits = report(counts, costs, timings)
    common.write_json(options.json, {"costs": costs, "timings": timings, "fits": fits})


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", help="folder of photos to make the pictures from (default: drawn)")
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 5000, 20_000, 100_000])
    parser.add_argument("--size", default=str(card_size()), help="fastsim's --size")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json")
    return parser.parse_args()


def report(
    counts: list[int], costs: dict[int, list[common.Cost]], timings: dict[int, list[end_to_end.Timings]]
) -> dict[str, dict[str, object]]:
    """Print the runs, then the fits, and return the fits."""
    rows = []
    for n in counts:
        middle, compare = common.median(costs[n]), statistics.median(run["compare"] for run in timings[n])
        walls, cpus = [cost.wall for cost in costs[n]], [cost.cpu for cost in costs[n]]
        rate = (f"{n / middle.wall:.0f}", f"{1e3 * middle.cpu / n:.2f}", f"{compare:.2f}", f"{middle.peak_mb:.0f}")
        rows.append((f"{n:,}", common.spread(walls), common.spread(cpus), *rate))
    head = ["pictures", "wall s", "CPU s", "pictures/s", "CPU ms a picture", "of it all-pairs, wall s", "peak MB"]
    print(common.table(head, rows))
    sizes = np.array(counts, np.float64)
    wall = np.array([statistics.median(cost.wall for cost in costs[n]) for n in counts])
    cpu = np.array([statistics.median(cost.cpu for cost in costs[n]) for n in counts])
    n_to_n = [statistics.median(run["compare"] + run["group"] for run in timings[n]) for n in counts]
    return {
        "wall": report_fit("wall seconds", sizes, wall),
        "cpu": report_fit("CPU seconds", sizes, cpu),
        "linear": report_fit("wall seconds without the all-pairs term", sizes, wall - n_to_n, squared=False),
    }


if __name__ == "__main__":
    main()
