"""Measure how well vectors tell copies from look-alikes, on a set made from any folder of distinct images.

    python -m bench.accuracy PICTURES --work DIR [--models a.onnx b.onnx] [--rivals phash,fastdup --fastdup-python PY]
                             [--sizes 128 224] [--edited 300] [--same FILE] [--json OUT] [--show 60] [--verify]

Some images are edited in 33 ways (light, middle, strong; seeded), the others are left as they are. Every pair of versions of
one image is a true pair, every other pair a false one. Pairs of images that are in fact alike are not counted: FILE has two
names per line, found by looking at the sheets that --show draws. The edits are in bench/edits.py.

--verify: which pairs `fastsim pairs --verify` confirms, retrieval included, beside the recall of the others at precision
.999 and beside SIFT with RANSAC on the same candidates.

micro-AP: average precision over all pairs in one ranking (Douze et al. 2021). Ties count against: false pairs first.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.confirmed import by_fastsim, by_sift
from bench.confirmed import measure as confirmed_measure
from bench.confirmed import table as confirmed_table
from bench.edits import EDITS, Picture
from bench.evaluation import EvaluationSet, build, build_small, read_same
from bench.features import Vectors, fastdup_vectors, fastsim_vectors, phash_vectors
from bench.scores import PRECISIONS, THRESHOLDS, measure, measure_small, score_pairs


def squashed(path: Path, size: int) -> Picture:
    picture = cv2.imread(str(path))
    smaller = picture.shape[0] > size or picture.shape[1] > size
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)[
        ..., ::-1
    ].copy()


def show_false(vectors: Vectors, data: EvaluationSet, same: set[tuple[int, int]], count: int, out: Path) -> list[str]:
    """Draws the false pairs with the highest scores, the best of each two pictures, and lists them."""
    best: dict[tuple[int, int], tuple[float, int, int]] = {}
    for i in range(len(vectors) - 1):
        scores = vectors[i + 1 :] @ vectors[i]
        for j in np.flatnonzero(scores > 0.6):
            a, b = sorted((int(data.base[i]), int(data.base[i + 1 + j])))
            entry = (float(scores[j]), i, int(i + 1 + j))
            if a != b and (a, b) not in same and (b, a) not in same and entry > best.get((a, b), (0.0, 0, 0)):
                best[a, b] = entry
    top = sorted(best.items(), key=lambda item: -item[1][0])[:count]
    lines, tiles = [], []
    for (a, b), (score, i, j) in top:
        lines.append(
            f"{data.names[a]} {data.names[b]} {score:.3f} ({data.kind[i] or 'original'} / {data.kind[j] or 'original'})"
        )
        tile = np.concatenate([squashed(data.paths[k], 128)[..., ::-1] for k in (i, j)], 1).copy()
        cv2.putText(
            tile, f"{len(lines)}: {score:.2f}", (3, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 255), 1, cv2.LINE_AA
        )
        tiles.append(tile)
    tiles += [np.zeros((128, 256, 3), np.uint8)] * (-len(tiles) % 6)
    if tiles:
        sheet = np.concatenate([np.concatenate(tiles[k : k + 6], 1) for k in range(0, len(tiles), 6)])
        cv2.imwrite(str(out), sheet)
    return lines


def table(results: dict[str, dict[str, Any]]) -> str:
    """All models side by side, a figure a line."""
    names = list(results)
    lines = [("", *names)]

    def row(title: str, values: list[float], form: str = "{:.3f}") -> None:
        lines.append((title, *[form.format(v) for v in values]))

    every = list(results.values())
    row("micro-AP", [r["micro_ap"] for r in every])
    for p in PRECISIONS:
        row(f"recall at precision {p}", [r["recall_at_precision"][str(p)] for r in every])
    for t in map(str, THRESHOLDS):
        row(f"at {t}: precision", [r["thresholds"][t]["precision"] for r in every], "{:.4f}")
        row(f"at {t}: recall", [r["thresholds"][t]["recall"] for r in every])
        row(f"at {t}: false pairs", [r["thresholds"][t]["false_rate"] for r in every], "{:.1e}")
        for strength in ("light", "middle", "strong"):
            row(f"at {t}: {strength} edits found", [r["thresholds"][t].get(f"recall_{strength}", 0) for r in every])
    for edit in every[0]["edits"]:
        row(f"{EDITS[edit][0]}: {edit}, at .999", [r["edits"][edit]["at_p999"] for r in every])
    for key in ("true_at_0.85", "true_mean", "false_at_0.75", "false_at_0.85"):
        row(f"small crops: {key}", [r["small"].get(key, float("nan")) for r in every], "{:.3g}")
    width = [max(len(line[c]) for line in lines) for c in range(len(names) + 1)]
    return "\n".join(
        "  ".join(cell.ljust(width[c]) if c == 0 else cell.rjust(width[c]) for c, cell in enumerate(line))
        for line in lines
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of distinct pictures")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the edited pictures; used again if it is there"
    )
    parser.add_argument(
        "--models", nargs="*", type=Path, default=[], help="ONNX files to compare (default: fastsim's own)"
    )
    parser.add_argument("--rivals", default="", help="phash,fastdup")
    parser.add_argument("--fastdup-python", default=sys.executable, help="a Python that has fastdup")
    parser.add_argument("--edited", type=int, default=300, help="how many pictures are edited")
    parser.add_argument("--small", type=int, default=400, help="how many pairs of small crops")
    parser.add_argument("--sizes", type=int, nargs="+", help="fastsim's --size (default: what each model's card says)")
    parser.add_argument("--same", type=Path, help="pairs of pictures that are alike in truth, two names a line")
    parser.add_argument("--show", type=int, default=0, help="draw this many of the best-scored false pairs a model")
    parser.add_argument("--verify", action="store_true", help="confirm pairs as well, by fastsim --verify and by SIFT")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    options = parsed()
    data = build(options.pictures, options.work, options.edited, options.seed)
    small = build_small(options.pictures, options.work, options.small, options.seed)
    same = read_same(options.same, data.names)
    print(
        f"{len(data.paths)} pictures of {len(data.names)}, {len(EDITS)} edits; {len(same)} pairs alike in truth are not counted"
    )
    results: dict[str, dict[str, Any]] = {}

    def add(name: str, vectors: Vectors, few: Vectors | None) -> None:
        results[name] = measure(score_pairs(vectors, data, same))
        results[name]["small"] = measure_small(few, small) if few is not None else {}
        if options.show:
            print("\n".join([name, *show_false(vectors, data, same, options.show, options.work / f"false-{name}.png")]))

    for model in options.models or [None]:
        name = "fastsim" if model is None else f"{model.parent.name}-{model.stem}"
        few = fastsim_vectors(small.paths, model, "auto")
        for size in options.sizes or [None]:
            at_size = f"{name} {size} px" if options.sizes else name
            add(at_size, fastsim_vectors(data.paths, model, size), few)
    if "phash" in options.rivals:
        add("phash", phash_vectors(data.paths), phash_vectors(small.paths))
    if "fastdup" in options.rivals:
        (options.work / "s").mkdir(exist_ok=True)
        few = fastdup_vectors(small.paths, options.fastdup_python, options.work / "s")
        add("fastdup", fastdup_vectors(data.paths, options.fastdup_python, options.work), few)
    print(table(results))
    confirmed: dict[str, dict[str, Any]] = {}
    if options.verify:
        model, size = (options.models or [None])[0], (options.sizes or [None])[0]
        ranked = by_fastsim(data.paths, model, size)
        confirmed["fastsim --verify"] = confirmed_measure(ranked, data, same)
        confirmed["SIFT, RANSAC"] = confirmed_measure(by_sift(data.paths, ranked, data, same), data, same)
        print(f"\n{confirmed_table(results, confirmed)}")
    if options.json:
        options.json.write_text(
            json.dumps({"command": sys.argv[1:], "results": results, "confirmed": confirmed}, indent=1)
        )


if __name__ == "__main__":
    main()
