"""Measure what fastsim costs before it works: `--help`, `--version`, and `images` on one small image.

    python -m bench.startup [--repeats 7] [--json FILE]

Prints median and range of wall and CPU seconds of whole processes, after one run that is not counted (it fills the system's file
cache), against the bars of 0.3 s (help, version) and 1.5 s (images). `python -P -X importtime -m fastsim --help` shows which
imports a command pays for.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np

from bench import common

HEAVY = ("numpy", "cv2", "openvino", "PIL", "av", "onnxruntime")
"""Packages that `--help` may not import."""


def commands(folder: Path, turn: int) -> dict[str, tuple[list[str], float]]:
    """Return {what: (command, most seconds)}, with a picture in `folder` that is new to the cache there."""
    picture = folder / f"{turn}.png"
    cv2.imwrite(str(picture), np.random.default_rng(turn).integers(0, 256, (64, 64, 3)).astype(np.uint8))
    images = common.fastsim("images", str(picture), "--dry-run", "--quiet")
    return {
        "--help": (common.fastsim("--help"), 0.3),
        "--version": (common.fastsim("--version"), 0.3),
        "images, one picture": ([*images, "--no-cache"], 1.5),
        "images, one new picture, network compiled before": ([*images, "--cache", str(folder / "cache")], 1.5),
    }


def heavy_imports(command: list[str]) -> list[str]:
    """Those of HEAVY that `command` imports."""
    python, *rest = command
    run = subprocess.run([python, "-X", "importtime", *rest], capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:")}
    return sorted(loaded & set(HEAVY))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json")
    options = parser.parse_args()
    found = heavy_imports(common.fastsim("--help"))
    if found:
        raise SystemExit(f"not valid: --help imports {', '.join(found)}")
    costs: dict[str, list[common.Cost]] = {}
    bars: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        for turn in range(1 + options.repeats):
            for what, (command, bars[what]) in commands(Path(name), turn).items():
                cost = common.measure(command)
                if turn:
                    costs.setdefault(what, []).append(cost)
    rows = []
    for what, runs in costs.items():
        walls, cpus = [cost.wall for cost in runs], [cost.cpu for cost in runs]
        verdict = "yes" if statistics.median(walls) <= bars[what] else "NO"
        rows.append((what, common.spread(walls), common.spread(cpus), f"{bars[what]}: {verdict}"))
    print(f"{options.repeats} runs in turn, {common.machine()}")
    print(common.table(["", "wall s", "CPU s", "within"], rows))
    common.write_json(options.json, {"costs": costs})


if __name__ == "__main__":
    main()
