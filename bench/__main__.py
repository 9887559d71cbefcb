"""Every benchmark that this machine can run, in one go.

    python -m bench [--out DIR] [--photos FOLDER] [--fastdup-python PYTHON]

Each is a script of its own that validates before it times. This runs them one after the other, with sizes that end in
under 20 minutes on 2 cores, keeps their text and JSON in DIR (bench/results by default), and draws DIR/ratios.svg: how
many times as long each rival took. What can't run here (no fastdup, no faiss) is said, and the rest goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent


def commands(options: argparse.Namespace) -> dict[str, list[str]]:
    """{name: script and arguments}."""
    photos = ["--photos", options.photos] if options.photos else []
    fastdup = ["--fastdup-python", options.fastdup_python] if options.fastdup_python else []
    whole = ["end_to_end.py", *photos, *fastdup]
    return {
        "stages": ["stages.py", *photos, "--count", "200"],
        "photos": [*whole, "--count", "1000"],
        "megapixels": [*whole, "--count", "100", "--width", "4000", "--height", "3000", "--repeats", "5"],
        "rerun": [*whole[: 1 + len(photos)], "--count", "1000", "--repeats", "5", "--rerun"],
        "pairs": ["pairs.py", "--rows", "20000", "100000"],
        "pairs_500k": ["pairs.py", "--rows", "500000", "--rivals", "--repeats", "1"],
        "video": ["video.py", "--minutes", "1"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--photos", help="folder of photos to make the sets from (default: drawn)")
    parser.add_argument("--fastdup-python", help="python of an environment that has fastdup")
    parser.add_argument(
        "--only",
        nargs="*",
        help="names of benchmarks: " + ", ".join(commands(argparse.Namespace(photos=None, fastdup_python=None))),
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, (script, *arguments) in commands(options).items():
        if (options.only and name not in options.only) or not (HERE / script).exists():
            continue
        print(f"\n== {name}: python bench/{script} {' '.join(arguments)}", flush=True)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(HERE / script), *arguments, "--json", str(options.out / f"{name}.json")],
            stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        print(done.stdout + f"({time.perf_counter() - start:.0f} s)", flush=True)
        (options.out / f"{name}.txt").write_text(done.stdout, encoding="utf-8")
        if done.returncode:
            failed.append(name)
    (options.out / "ratios.svg").write_text(plot(ratios(options.out)), encoding="utf-8")
    if failed:
        raise SystemExit(f"these did not end well: {', '.join(failed)}")


def ratios(folder: Path) -> list[tuple[str, float]]:
    """(what, time of the rival / time of fastsim) of every rival in the JSON files."""
    found = []
    for path in sorted(folder.glob("*.json")):
        for label, ratio in json.loads(path.read_text(encoding="utf-8")).get("ratios", {}).items():
            found.append((f"{path.stem}: {label}", float(ratio)))
    return found


def plot(bars: list[tuple[str, float]]) -> str:
    """A bar chart as SVG."""
    height, width, label = 26, 860, 420
    longest = max([ratio for _, ratio in bars], default=1.0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height * (len(bars) + 2)}" '
        'font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
        "<text x='10' y='20' font-size='14'>Time of each rival in times of fastsim's</text>",
    ]
    for row, (name, ratio) in enumerate(bars, start=1):
        y, length = row * height + 8, max(2.0, (width - label - 70) * ratio / longest)
        lines += [
            f'<text x="{label - 8}" y="{y + 15}" font-size="12" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{label}" y="{y + 3}" width="{length:.0f}" height="{height - 8}" fill="#3b7dd8"/>',
            f'<text x="{label + length + 6:.0f}" y="{y + 15}" font-size="12">{ratio:.1f}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    main()
