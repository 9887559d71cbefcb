"""Fit the rule of verification (fastsim/verification/rule.json) to edited pictures and to look-alikes.

    python -m bench.calibrate PICTURES [--edited 200] [--others 3000] [--layouts 4] [--examples FILE] [--out FILE]

Copies: EDITED pictures with their edits (bench/edits.py), and edits of one picture with each other. Different pictures: of
PICTURES, the nearest neighbours by the packaged model whose features align; of drawn layouts (bench/lookalikes.py), pictures of
one layout; of both, edits too. Near-duplicates inside PICTURES count as false pairs: SAME lists those that were looked at.

Trees are fitted to all but a fifth of the pictures and layouts in turn; the limit is the least value at which, of the false
pairs left out, at most one in ALLOWED is taken for a copy. The printed figures are those of pairs left out.
EXAMPLES keeps the evidence, so that a new fit takes seconds.
"""

from __future__ import annotations

import argparse
import json
import pickle
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

import fastsim
from bench.boosting import Settings, Trees, fit
from bench.edits import EDITS, EXTREME
from bench.evidence import Example, aligned, copies, look_alikes, strangers
from bench.lookalikes import KINDS
from fastsim.verification.decision import FEWEST_BLOCKS, NAMES, SIGNS

FOLDS = 5
ALLOWED = 400
MORE = 1.5
"""Added to the limit for large pictures: drawn ones of one layout, which are large, must not be confirmed."""
SPARE = 40
NEIGHBOURS, FLOOR, INLIERS = 24, 0.3, 6
RULE = Path(__file__).resolve().parents[1] / "fastsim" / "verification" / "rule.json"


def gather(options: argparse.Namespace) -> list[Example]:
    """Make the examples, in as many processes as there are processors."""
    files = sorted(path for path in options.pictures.rglob("*") if path.suffix.lower() in {".jpg", ".png", ".webp"})
    sources = np.array([path.name.split("_")[0] for path in files])
    _, group, count = np.unique(sources, return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(count[group])  # pictures of small sources are taken more often
    rng = np.random.default_rng(options.seed)
    total = min(len(files), SPARE + options.edited + options.others)
    chosen = [files[k] for k in rng.choice(len(files), total, replace=False, p=weight / weight.sum())]
    spare, rest = chosen[:SPARE], chosen[SPARE:]
    with ProcessPoolExecutor() as pool:
        found = [pool.submit(copies, path, spare[k % SPARE], k) for k, path in enumerate(rest[: options.edited])]
        found += [pool.submit(look_alikes, kind, layout, 8) for kind in KINDS for layout in range(options.layouts)]
        embedded = fastsim.embed(rest, cache=None)
        paths = [Path(path) for path in embedded.paths]
        near, _ = fastsim.nearest(embedded.vectors, NEIGHBOURS, FLOOR)
        pairs = sorted({(min(a, b), max(a, b)) for a, row in enumerate(near.tolist()) for b in row if b >= 0})
        found += [pool.submit(strangers, paths, pair, options.seed) for pair in aligned(paths, pairs, INLIERS)]
        return [example for task in found for example in task.result()]


def usable(examples: Sequence[Example], same: Path | None) -> list[Example]:
    """Return those that align and have content, without pairs that are alike in truth."""
    lines = [line.split()[:2] for line in same.read_text(encoding="utf-8").splitlines()] if same else []
    alike = {frozenset(line) for line in lines if len(line) == 2}
    enough = np.log1p(FEWEST_BLOCKS)
    return [
        one for one in examples
        if one.evidence is not None and one.evidence[NAMES.index("blocks")] >= enough
        and (one.copy or frozenset(one.names) not in alike)
    ]  # fmt: skip


def fitted(examples: Sequence[Example], trees: int) -> tuple[Trees, np.ndarray]:
    """Fit trees to all examples, and value each by trees that were fitted without its picture or layout."""
    x = np.stack([one.evidence for one in examples])
    y = np.array([one.copy for one in examples])
    fold = np.array([zlib.crc32(one.family.encode()) % FOLDS for one in examples])
    weight = np.where(y, 1.0, (y.sum() / max(1, (~y).sum())))
    settings = Settings(tuple(SIGNS.values()), trees=trees)
    left_out = np.empty(len(y))
    for number in range(FOLDS):
        rest = fold != number
        left_out[~rest] = fit(x[rest], y[rest], weight[rest], settings)(x[~rest])
    return fit(x, y, weight, settings), left_out


def report(
    examples: Sequence[Example], everything: Sequence[Example], value: np.ndarray, least: float, show: int
) -> None:
    """Print what is found of each edit, and which false pairs come nearest."""
    y = np.array([one.copy for one in examples])
    print(f"{(value[~y] >= least).sum()} of {(~y).sum()} false pairs are taken for copies, with the limit {least:.2f}")
    total = {kind: sum(one.copy and one.kind == kind for one in everything) for kind in EDITS}
    found = dict.fromkeys(EDITS, 0)
    for one, own in zip(examples, value, strict=True):
        if one.copy and one.kind in found:
            found[one.kind] += bool(own >= least)
    for kind in EDITS:
        print(f"{kind}{' (extreme)' if kind in EXTREME else ''}: {found[kind] / max(1, total[kind]):.3f}")
    for title, kinds in (("all edits", list(EDITS)), ("without extreme ones", [k for k in EDITS if k not in EXTREME])):
        print(f"{title}: {sum(found[k] for k in kinds) / max(1, sum(total[k] for k in kinds)):.4f}")
    between = [k for k, one in enumerate(examples) if one.copy and one.kind not in EDITS]
    of_all = sum(one.copy and one.kind not in EDITS for one in everything)
    print(f"edits of one picture with each other: {(value[between] >= least).sum() / max(1, of_all):.4f}")
    for k in np.argsort(-np.where(y, -np.inf, value))[:show]:
        print(f"nearest false pair: {value[k]:.2f} {' '.join(examples[k].names)} ({examples[k].kind})")


def write(trees: Trees, least: float, out: Path) -> None:
    limit = [[None if np.isinf(one) else round(float(one), 5) for one in tree] for tree in trees.limit]
    lines = {
        "names": list(NAMES), "bias": round(trees.bias, 4), "least": round(least, 4), "more": MORE,
        "feature": trees.feature.tolist(),
        "limit": limit, "value": np.round(trees.value, 4).tolist(),
    }  # fmt: skip
    body = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in lines.items())
    out.write_text("{\n" + body + "\n}\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of distinct pictures")
    parser.add_argument("--edited", type=int, default=200, help="pictures that are edited")
    parser.add_argument("--others", type=int, default=3000, help="pictures among which look-alikes are searched")
    parser.add_argument("--layouts", type=int, default=4, help="drawn layouts of each kind")
    parser.add_argument("--examples", type=Path, help="file for the examples; used again if it is there")
    parser.add_argument("--same", type=Path, help="pairs of pictures that are alike in truth, two names a line")
    parser.add_argument("--trees", type=int, default=150)
    parser.add_argument("--show", type=int, default=20, help="false pairs that are listed")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RULE)
    options = parser.parse_args()
    if options.examples and options.examples.exists():
        everything = pickle.loads(options.examples.read_bytes())
    else:
        everything = gather(options)
        if options.examples:
            options.examples.write_bytes(pickle.dumps(everything))
    examples = usable(everything, options.same)
    trees, value = fitted(examples, options.trees)
    false = np.sort(value[[not one.copy for one in examples]])[::-1]
    least = float(false[min(len(false) - 1, len(false) // ALLOWED)]) + 1e-4
    print(f"{len(examples)} pairs of {len(everything)} align, {sum(one.copy for one in examples)} of them copies")
    report(examples, everything, value, least, options.show)
    write(trees, least, options.out)


if __name__ == "__main__":
    main()
