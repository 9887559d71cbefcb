"""Whole runs of `fastsim images` beside others, on the same photos, in turn: seconds, CPU seconds, peak memory.

    python bench/end_to_end.py                                  # 1,000 drawn photos of 500x375
    python bench/end_to_end.py --photos FOLDER --count 1000 --fastdup-python /path/to/venv/bin/python
    python bench/end_to_end.py --rerun                          # a second run, with the embedding cache filled

The rivals: fastdup, which needs an environment of its own (`pip install fastdup`), as its dependencies exclude ours;
and the seed's way, one image after the other: decoded whole, embedded alone with the same model, compared with all
before it. Before anything is timed, fastsim must find the planted copies; of fastdup it is checked that it has a
feature for each photo.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "media")]

import common  # noqa: E402
import draw  # noqa: E402

FASTDUP = """
import sys, fastdup
fd = fastdup.create(work_dir=sys.argv[2], input_dir=sys.argv[1])
fd.run(num_images=0, overwrite=True, print_summary=False, verbose=False)
import numpy as np
names, features = fd.embeddings()
print(len(names), file=open(sys.argv[2] + "/count.txt", "w"))
"""
SEED = """
import sys, pathlib, cv2, numpy as np, openvino as ov
from fastsim.model import load_model
graph = ov.Core().read_model(str(load_model().path))
graph.reshape([1, 224, 224, 3])
network = ov.Core().compile_model(graph, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
rows, pairs = [], 0
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    image = cv2.cvtColor(cv2.resize(cv2.imread(str(path)), (224, 224)), cv2.COLOR_BGR2RGB)
    row = network(image[None])[0][0].copy()
    for other in rows:
        pairs += float(np.dot(row, other)) >= 0.9
    rows.append(row)
"""
COPIES = 20
"""Photos that are planted a second time, saved again at another quality."""


def make_photos(folder: Path, source: str | None, count: int, size: tuple[int, int]) -> list[tuple[str, str]]:
    """`count` JPEGs of `size` (width, height), variants of those in `source`, or drawn. Returns the planted pairs."""
    rng = np.random.default_rng(0)
    originals = sorted(path for path in Path(source).rglob("*") if path.is_file()) if source else []
    for i in range(count - COPIES):
        if originals:
            picture = cv2.imread(str(originals[i % len(originals)]))
            if picture is None:
                continue
            height, width = picture.shape[:2]
            share = rng.uniform(0.45, 1.0)
            w, h = int(width * share), int(height * share)
            x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
            picture = cv2.resize(picture[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
        else:
            picture = (draw.leaves, draw.hills, draw.town)[i % 3](i, *size)
        cv2.imwrite(str(folder / f"{i:06}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    pairs = []
    for path in sorted(folder.glob("*.jpg"))[:COPIES]:
        copy = folder / f"copy_{path.name}"
        cv2.imwrite(str(copy), cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 75])
        pairs.append((path.name, copy.name))
    return pairs


def fastsim_command(photos: Path, *more: str) -> list[str]:
    command = [sys.executable, "-m", "fastsim", "images", str(photos), "--dry-run", "--quiet", "--thres", "0.9", *more]
    return command if "--cache" in more else [*command, "--no-cache"]


def validate(photos: Path, pairs: list[tuple[str, str]], work: Path) -> None:
    """Every planted copy must be in the group of its original."""
    result = work / "result.json"
    subprocess.run(fastsim_command(photos, "--json", str(result)), check=True, stdout=subprocess.DEVNULL)
    group_of = {
        Path(member["path"]).name: number
        for number, group in enumerate(json.loads(result.read_text())["groups"])
        for member in group["members"]
    }
    missed = [pair for pair in pairs if group_of.get(pair[0], -1) != group_of.get(pair[1], -2)]
    if missed:
        raise SystemExit(f"not valid: {len(missed)} of {len(pairs)} planted copies were not found, first {missed[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", help="folder of photos to make the set from (default: drawn)")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--height", type=int, default=375)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--fastdup-python", help="python of an environment that has fastdup")
    parser.add_argument("--rerun", action="store_true", help="time a second run, with the cache filled, and no rival")
    parser.add_argument("--no-seed", action="store_true", help="leave the seed's way out")
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        photos = work / "photos"
        photos.mkdir()
        pairs = make_photos(photos, options.photos, options.count, (options.width, options.height))
        count = len(list(photos.iterdir()))
        validate(photos, pairs, work)
        cache = ["--cache", str(work / "cache")] if options.rerun else []
        if options.rerun:
            common.measure(fastsim_command(photos, *cache))
        costs: dict[str, list[common.Cost]] = {"fastsim": []}
        for turn in range(options.repeats):
            costs["fastsim"].append(common.measure(fastsim_command(photos, *cache)))
            if options.fastdup_python and not options.rerun:
                costs.setdefault("fastdup", []).append(run_fastdup(options.fastdup_python, photos, work / "fastdup"))
            if turn < 2 and not options.no_seed and not options.rerun:  # it is slow, and its time varies little
                costs.setdefault("the seed's way", []).append(common.measure([sys.executable, "-c", SEED, str(photos)]))
    report(costs, count, options)


def run_fastdup(python: str, photos: Path, out: Path) -> common.Cost:
    shutil.rmtree(out, ignore_errors=True)
    cost = common.measure([python, "-c", FASTDUP, str(photos), str(out)])
    if int((out / "count.txt").read_text()) != len(list(photos.iterdir())):
        raise SystemExit("not valid: fastdup has not a feature for each photo")
    return cost


def report(costs: dict[str, list[common.Cost]], count: int, options: argparse.Namespace) -> None:
    """The table, and the JSON."""
    print(f"{count} JPEGs of {options.width}x{options.height}, {options.repeats} runs in turn, {common.machine()}")
    base = common.median(costs["fastsim"]).wall
    rows = [
        (
            name,
            common.spread([cost.wall for cost in runs]),
            common.spread([cost.cpu for cost in runs]),
            f"{count / common.median(runs).wall:.1f}",
            f"{common.median(runs).peak_mb:.0f}",
            f"{common.median(runs).wall / base:.2f}",
        )
        for name, runs in costs.items()
    ]
    print(common.table(["", "wall s", "CPU s", "images/s", "peak MB", "time against fastsim"], rows))
    ratios = {name: common.median(runs).wall / base for name, runs in costs.items() if name != "fastsim"}
    common.write_json(options.json, {"count": count, "costs": costs, "ratios": ratios})


if __name__ == "__main__":
    main()
