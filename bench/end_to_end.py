"""Measure whole runs of `fastsim images` and of rivals on the same photos: seconds, CPU seconds, peak memory, stages.

    python -m bench.end_to_end                                  # 1,000 drawn photos of 500x375
    python -m bench.end_to_end --photos FOLDER --fastdup-python FD/bin/python --imagededup-python ID/bin/python
    python -m bench.end_to_end --count 10000 --rivals --repeats 1                     # fastsim alone
    python -m bench.end_to_end --count 300 --width 4000 --height 3000 --rivals fastdup --fastdup-python FD/bin/python
    python -m bench.end_to_end --count 20000 --width 100 --height 75 --rivals --repeats 1
    python -m bench.end_to_end --rerun                          # a second run, with the embedding cache filled

The programs run in turn. The rivals are in bench/rivals.py. The result of every run is checked before its time counts: fastsim,
the hashes and the naive baseline must find the planted copies, and each rival must have a feature for each photo. A short run of
each comes first and is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import common, photos, rivals
from fastsim.model import card_size

Pairs = list[tuple[str, str]]
Timings = dict[str, float]
WARM_UP = 40
"""Photos of a run of each program that is not counted: it fills the system's file cache with the program itself."""
MEMORY_BAR = 1000
"""MB that a run over 10,000 photos may take."""


def run_fastsim(inputs: Sequence[Path], pairs: Pairs, work: Path, *more: str) -> tuple[common.Cost, Timings]:
    """One whole run, its cost and seconds a stage. Ends the benchmark if a planted copy is not with its original."""
    result = work / "result.json"
    cached = () if "--cache" in more else ("--no-cache",)
    options = ["--dry-run", "--quiet", "--thres", "0.9", "--json", str(result), *cached, *more]
    cost = common.measure(common.fastsim("images", *map(str, inputs), *options))
    found = json.loads(result.read_text(encoding="utf-8"))
    groups = enumerate(found["groups"])
    group_of = {Path(member["path"]).name: number for number, group in groups for member in group["members"]}
    missed = [pair for pair in pairs if group_of.get(pair[0], -1) != group_of.get(pair[1], -2)]
    if missed:
        raise SystemExit(f"not valid: {len(missed)} of {len(pairs)} planted copies were not found, first {missed[0]}")
    return cost, found["timings"]


def main() -> None:
    options = parsed()
    with tempfile.TemporaryDirectory() as name:
        work, folder = Path(name), Path(name, "photos")
        folder.mkdir()
        pairs = photos.make_photos(folder, options.photos, options.count, (options.width, options.height))
        count, size = len(list(folder.iterdir())), photos.median_kilobytes(folder)
        print(
            f"{count} JPEGs of {options.width}x{options.height} (median {size:.0f} kB), {common.machine()}", flush=True
        )
        costs, timings = turns(options, folder, pairs, work)
    print(in_comparison(costs, count))
    print(f"\nWhere fastsim's seconds go (median):\n\n{by_stage(timings, costs['fastsim'], count)}")
    peak = common.median(costs["fastsim"]).peak_mb
    print(f"\nfastsim's peak {peak:.0f} MB; under {MEMORY_BAR} MB: {'yes' if peak < MEMORY_BAR else 'NO'}")
    base = common.median(costs["fastsim"]).wall
    ratios = {name: common.median(runs).wall / base for name, runs in costs.items() if name != "fastsim"}
    figures = {"count": count, "median_kb": size, "costs": costs, "timings": timings, "ratios": ratios}
    common.write_json(options.json, figures)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", help="folder of photos to make the set from (default: drawn)")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--height", type=int, default=375)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=float("inf"), help="begin no further turn after so many seconds")
    parser.add_argument("--slow-turns", type=int, default=2, help="most runs of a slow rival (its time varies little)")
    parser.add_argument("--size", help="fastsim's --size")
    parser.add_argument("--rivals", nargs="*", choices=rivals.NAMES, default=list(rivals.NAMES))
    parser.add_argument("--fastdup-python", type=os.path.abspath, help="python of an environment that has fastdup")
    parser.add_argument(
        "--imagededup-python", type=os.path.abspath, help="python of an environment that has imagededup"
    )
    parser.add_argument("--rerun", action="store_true", help="time a second run, with the cache filled, and no rival")
    parser.add_argument("--json")
    return parser.parse_args()


def turns(
    options: argparse.Namespace, folder: Path, pairs: Pairs, work: Path
) -> tuple[dict[str, list[common.Cost]], list[Timings]]:
    """Return the costs of each program, run in turn; fastsim's seconds a stage, run by run."""
    more = ["--size", options.size] if options.size else []
    others: dict[str, rivals.Rival] = {}
    if options.rerun:
        more += ["--cache", str(work / "cache")]
        run_fastsim([folder], pairs, work, *more)
    else:
        side = int(options.size) if (options.size or "auto").isdecimal() else card_size()
        others = rivals.chosen(options.rivals, options.fastdup_python, options.imagededup_python, side)
        few = work / "few"
        few.mkdir()
        for path in sorted(folder.iterdir())[:WARM_UP]:
            shutil.copy(path, few)
        run_fastsim([few], [], work, *more)
        for name, rival in others.items():
            rivals.run(name, rival, few, [], work / "rival")
    costs: dict[str, list[common.Cost]] = {"fastsim": [], **{name: [] for name in others}}
    timings: list[Timings] = []
    start = time.perf_counter()
    for turn in range(options.repeats):
        if turn and time.perf_counter() - start > options.limit:
            print(f"{options.limit:g} s are used up: {turn} turns of {options.repeats}")
            break
        cost, seconds = run_fastsim([folder], pairs, work, *more)
        costs["fastsim"].append(cost)
        timings.append(seconds)
        for name, rival in others.items():
            if turn < options.slow_turns or not rival.slow:
                costs[name].append(rivals.run(name, rival, folder, pairs, work / "rival"))
    return costs, timings


def in_comparison(costs: dict[str, list[common.Cost]], count: int) -> str:
    base = common.median(costs["fastsim"]).wall
    rows = [
        (
            name,
            len(runs),
            common.spread([cost.wall for cost in runs]),
            common.spread([cost.cpu for cost in runs]),
            f"{count / common.median(runs).wall:.1f}",
            f"{common.median(runs).peak_mb:.0f}",
            f"{common.median(runs).wall / base:.2f}",
        )
        for name, runs in costs.items()
    ]
    return common.table(["", "runs", "wall s", "CPU s", "images/s", "peak MB", "time against fastsim"], rows)


def by_stage(timings: list[Timings], costs: list[common.Cost], count: int) -> str:
    """Seconds a stage, and what no stage accounts for: the interpreter's start, imports, the report, the exit."""
    wall = common.median(costs).wall
    seconds = {name: statistics.median(run[name] for run in timings) for name in timings[0]}
    seconds["start, report and exit"] = statistics.median(
        cost.wall - sum(run.values()) for cost, run in zip(costs, timings, strict=True)
    )
    rows = [(name, f"{s:.3f}", f"{1e3 * s / count:.3f}", f"{100 * s / wall:.1f}") for name, s in seconds.items()]
    return common.table(["stage", "seconds", "ms an image", "% of the run"], rows)


if __name__ == "__main__":
    main()
