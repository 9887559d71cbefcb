"""Run every benchmark that this machine can run, in under 20 minutes on 2 cores.

    python -m bench [--out DIR] [--photos FOLDER] [--vectors FILE] [--fastdup-python PYTHON] [--imagededup-python PYTHON]

Each part is a module of its own, which validates results before their time counts. Text and JSON of the parts go to DIR
(bench/results by default), with DIR/summary.json, and DIR/ratios.svg: how many times as long each rival took. A rival that is
not installed is reported, and the rest continues. A part starts only if its budget is left of the whole time, and is ended when
that is used up; the end of the output lists what was left out, and why. The budgets are seconds on two cores with AVX2,
drawing included, and some to spare:

    part          s    what
    startup       25   --help, --version, one picture
    photos       300   1,000 of 500x375, all rivals, up to 5 turns
    pairs         90   20,000 rows at .75 and .9, all rivals, 5 turns
    photos_10k   110   10,000 of 500x375, fastsim alone, once: stages and peak memory
    megapixels   120   300 of 4000x3000, fastdup, up to 2 turns
    rerun         30   1,000 of 500x375, from the cache
    scale        130   1,000 to 16,000 of 160x120, the fit
    stages        50   CPU ms an image a step
    thumbnails    95   20,000 of 100x75, at --size auto
    pairs_100k   150   100,000 rows at .9, faiss and NumPy, once
    pairs_500k    95   500,000 rows at .9, fastsim alone, once
    video        110   half a minute of 1080p at --skip 5, twice

The figures of bench/RESULTS.md come from longer runs; bench/README.md has their commands.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Part:
    """A script with its arguments, and the seconds that it may be expected to take."""

    budget: float
    module: str
    arguments: tuple[str, ...]


def parts(options: argparse.Namespace) -> dict[str, Part]:
    """{name: part}, the most telling ones first."""
    photos = option("--photos", options.photos)
    fastdup = option("--fastdup-python", options.fastdup_python)
    rivals = (*fastdup, *option("--imagededup-python", options.imagededup_python))
    vectors = option("--vectors", options.vectors)

    def whole(budget: float, *arguments: str) -> Part:
        return Part(budget, "end_to_end", (*photos, *arguments))

    def rows(budget: float, *arguments: str) -> Part:
        return Part(budget, "pairs", (*vectors, "--rows", *arguments))

    large = ("--width", "4000", "--height", "3000", "--rivals", "fastdup", *fastdup)
    small = ("--width", "100", "--height", "75", "--size", "auto", "--rivals")
    sizes = ("1000", "2000", "4000", "8000", "16000")
    return {
        "startup": Part(25, "startup", ()),
        "photos": whole(300, "--count", "1000", "--limit", "220", *rivals),
        "pairs": rows(90, "20000"),
        "photos_10k": whole(110, "--count", "10000", "--repeats", "1", "--rivals"),
        "megapixels": whole(120, "--count", "300", "--repeats", "2", "--limit", "45", *large),
        "rerun": whole(30, "--count", "1000", "--repeats", "5", "--rerun"),
        "scale": Part(130, "scale", (*photos, "--counts", *sizes)),
        "stages": Part(50, "stages", (*photos, "--count", "200", "--repeats", "3")),
        "thumbnails": whole(95, "--count", "20000", "--repeats", "1", *small),
        "pairs_100k": rows(150, "100000", "--thres", "0.9", "--repeats", "1"),
        "pairs_500k": rows(95, "500000", "--thres", "0.9", "--repeats", "1", "--rivals"),
        "video": Part(110, "video", ("--minutes", "0.5", "--skips", "5", "--repeats", "2")),
    }


def option(name: str, value: str | None) -> tuple[str, ...]:
    return (name, value) if value else ()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--photos", help="folder of photos to make the sets from (default: drawn)")
    parser.add_argument("--vectors", help=".npy or .npz of real vectors for the comparison (default: synthetic)")
    parser.add_argument("--fastdup-python", type=os.path.abspath, help="python of an environment that has fastdup")
    parser.add_argument(
        "--imagededup-python", type=os.path.abspath, help="python of an environment that has imagededup"
    )
    parser.add_argument("--minutes", type=float, default=20, help="the whole time")
    parser.add_argument("--only", nargs="*", help="names of parts; what the others left in --out is kept")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    options.out.mkdir(parents=True, exist_ok=True)
    every = parts(options)
    unknown = set(options.only or ()) - set(every)
    if unknown:
        raise SystemExit(f"--only {' '.join(sorted(unknown))}: the parts are {', '.join(every)}")
    deadline = time.monotonic() + 60 * options.minutes
    states = {}
    for name, part in every.items():
        if options.only and name not in options.only:
            continue
        left = deadline - time.monotonic()
        late = f"left out: its {part.budget:.0f} s are more than the {left:.0f} s left"
        states[name] = late if left < part.budget else run(name, part, options.out, left)
    (options.out / "ratios.svg").write_text(plot(ratios(options.out)), encoding="utf-8")
    summary = options.out / "summary.json"
    before = json.loads(summary.read_text(encoding="utf-8")) if options.only and summary.exists() else {}
    summary.write_text(json.dumps(before | states, indent=1) + "\n", encoding="utf-8")
    print("\n" + "\n".join(f"{name:12} {state}" for name, state in states.items()))
    if any(state.startswith("failed") for state in states.values()):
        raise SystemExit(1)


def run(name: str, part: Part, out: Path, limit: float) -> str:
    """Run one part for at most `limit` seconds, print what it prints, and say how it ended."""
    print(f"\n== {name}: python -m bench.{part.module} {' '.join(part.arguments)}", flush=True)
    start = time.monotonic()
    text, figures = out / f"{name}.txt", out / f"{name}.json"
    command = [sys.executable, "-m", f"bench.{part.module}", *part.arguments, "--json", str(figures)]
    with tempfile.TemporaryDirectory() as work, text.open("w", encoding="utf-8") as stream:
        inside = {**os.environ, "TMPDIR": work, "TEMP": work}  # a part that is ended can't remove its photos
        process = subprocess.Popen(command, stdout=stream, env=inside, start_new_session=True)
        try:
            code = process.wait(limit)
            state = "done" if code == 0 else f"failed with {code}"
        except subprocess.TimeoutExpired:
            state = "ended: the whole time is used up"
        finally:
            end(process)
    print(text.read_text(encoding="utf-8"), flush=True)
    return f"{state} ({time.monotonic() - start:.0f} s of {part.budget:.0f})"


def end(process: subprocess.Popen[bytes]) -> None:
    """End a part that still runs, and what it has started."""
    if process.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()


def ratios(folder: Path) -> list[tuple[str, float]]:
    """Return (what, time of the rival / time of fastsim) of every rival in the JSON files."""
    found = []
    for path in sorted(folder.glob("*.json")):
        for label, ratio in json.loads(path.read_text(encoding="utf-8")).get("ratios", {}).items():
            found.append((f"{path.stem}: {label}", float(ratio)))
    return found


def plot(bars: list[tuple[str, float]]) -> str:
    """Return a bar chart as SVG."""
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
