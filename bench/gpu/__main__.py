"""python -m bench.gpu [--out FILE]: validates the cuda backend on a GPU, then measures it. Under eight minutes.

Each part runs by itself: one that fails, or a rival that is not installed, is a row of the table and stops nothing. Parts
that would begin too late are left out, as a row says. Exit 1 if a row failed. --tensorrt adds the TensorRT provider, which
builds its engine for minutes; --small only tries the commands out. Not yet run on a GPU.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Callable, Iterator

from bench.common import table, write_json
from bench.gpu.measuring import SMALL, Clock, Row, Sizes, versions
from fastsim import gpu_probe as gpus

FAILED = "FAILED"
Part = Callable[[Sizes, Clock], Iterator[Row]]


def _late(module: str, function: str = "part") -> Part:
    """Return a function of bench.gpu.MODULE, imported when it is called: pairs need no PyAV, video no PyTorch."""

    def part(sizes: Sizes, clock: Clock) -> Iterator[Row]:
        rows: Iterator[Row] = getattr(importlib.import_module(f"bench.gpu.{module}"), function)(sizes, clock)
        return rows

    return part


PARTS = {name: _late(name) for name in ("tiles", "pairs", "network", "pictures", "video")}


def measured(names: list[str], sizes: Sizes, clock: Clock) -> list[Row]:
    """Return the rows of the named parts, in order; a failure is a row."""
    told: list[Row] = []
    for name in names:
        part = PARTS.get(name) or _late("network", "tensorrt")
        if clock.left() < 30:
            told.append((name, "", "not measured", "out of time"))
            continue
        try:
            for row in part(sizes, clock):
                print("  ".join(map(str, row)), flush=True)
                told.append(row)
        except Exception as error:  # one part's failure is a finding; the others still run
            traceback.print_exc()
            told.append((name, FAILED, f"{type(error).__name__}: {str(error)[:200]}", ""))
    return told


def main() -> int:
    """Run all parts, print the table, write the JSON. Returns the exit code: 1 if a part failed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="JSON file to write")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--tensorrt", action="store_true")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    found, clock = gpus.probe(), Clock()
    names = [*options.only, *(["tensorrt"] if options.tensorrt else [])]
    told = measured(names, SMALL if options.small else Sizes(), clock)
    print(found.gpus, found.problem, versions())
    print(table(("what", "how", "result", "note"), told))
    seconds = round(clock.seconds - clock.left())
    print(f"{seconds} s in all")
    write_json(
        options.out,
        {
            "gpus": found.gpus, "problem": found.problem, "versions": versions(), "small": options.small,
            "seconds": seconds, "rows": told,
        },
    )  # fmt: skip
    return int(any(row[1] == FAILED for row in told))


if __name__ == "__main__":
    sys.exit(main())
