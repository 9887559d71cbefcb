"""Two installed versions of fastsim on the same photos, in turn: CPU seconds of whole runs of `fastsim images`, and their ratio.

    python -m venv OLD && OLD/bin/python -m pip install .        # in a checkout of the older version
    python -m bench.versions OLD/bin/python NEW/bin/python
    python -m bench.versions OLD/bin/python NEW/bin/python --photos FOLDER --count 1000 --pairs 9

CPU time, since it depends less than wall time on what else the machine does. The order changes from pair to pair, and each
ratio is that of two neighbouring runs. Every run must find the planted copies before its time counts. A short run of each
comes first and is not counted. Both versions are given `--size`; each uses the network that it packages, or `--model`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import common, photos

WARM_UP = 40
"""Photos of the run of each version that is not counted."""
ALLOWED = 1.03
"""The ratio that a new version may have."""


def main() -> None:
    options = parsed()
    with tempfile.TemporaryDirectory() as name:
        work, folder, few = Path(name), Path(name, "photos"), Path(name, "few")
        for made in (folder, few):
            made.mkdir()
        size = (options.width, options.height)
        pairs = photos.make_photos(folder, options.photos, options.count, size)
        first = photos.make_photos(few, options.photos, min(WARM_UP, options.count), size)
        print(f"{len(list(folder.iterdir()))} JPEGs of {size[0]}x{size[1]}, {common.machine()}", flush=True)
        more = [] if options.model is None else ["--model", options.model]
        for python in (options.old, options.new):
            run(python, few, first, work, options.size, *more)
        seconds: dict[str, list[float]] = {"old": [], "new": []}
        for turn in range(options.pairs):
            for which in ("old", "new") if turn % 2 == 0 else ("new", "old"):
                seconds[which].append(run(getattr(options, which), folder, pairs, work, options.size, *more))
            print(f"pair {turn + 1}: {seconds['old'][-1]:.2f} s, {seconds['new'][-1]:.2f} s", flush=True)
    report(options, seconds)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=os.path.abspath, help="python of an environment that has the older version")
    parser.add_argument("new", type=os.path.abspath, help="python of an environment that has the newer version")
    parser.add_argument("--photos", help="folder of photos to make the set from (default: drawn)")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--height", type=int, default=375)
    parser.add_argument("--pairs", type=int, default=7, help="runs of each version")
    parser.add_argument("--size", default="128", help="fastsim's --size")
    parser.add_argument("--model", help="fastsim's --model, for both versions")
    parser.add_argument("--json")
    return parser.parse_args()


def run(python: str, folder: Path, pairs: Sequence[tuple[str, str]], work: Path, size: str, *more: str) -> float:
    """CPU seconds of one whole run. Ends the benchmark if a planted copy is not with its original."""
    result = work / "result.json"
    result.unlink(missing_ok=True)  # a version refuses what another wrote
    command = [python, "-P", "-m", "fastsim", "images", str(folder), "--dry-run", "--quiet", "--no-cache"]
    cost = common.measure([*command, "--thres", "0.9", "--size", size, "--json", str(result), *more])
    groups = enumerate(json.loads(result.read_text(encoding="utf-8"))["groups"])
    group_of = {Path(member["path"]).name: number for number, group in groups for member in group["members"]}
    missed = [pair for pair in pairs if group_of.get(pair[0], -1) != group_of.get(pair[1], -2)]
    if missed:
        raise SystemExit(f"not valid: {python} missed {len(missed)} of {len(pairs)} planted copies, first {missed[0]}")
    return cost.cpu


def report(options: argparse.Namespace, seconds: dict[str, list[float]]) -> None:
    """Print CPU seconds and ratios; write the JSON."""
    ratios = [new / old for old, new in zip(seconds["old"], seconds["new"], strict=True)]
    rows = [(name, common.spread(values)) for name, values in seconds.items()]
    print(common.table(["", "CPU seconds"], [*rows, ("new / old", common.spread(ratios))]))
    middle = sorted(ratios)[len(ratios) // 2]
    print(f"\nNot slower by more than {ALLOWED - 1:.0%}: {'yes' if middle <= ALLOWED else 'NO'}")
    common.write_json(
        options.json, {"seconds": seconds, "ratios": ratios, "count": options.count, "size": options.size}
    )


if __name__ == "__main__":
    main()
