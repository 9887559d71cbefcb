#!/usr/bin/env python3
"""Make one call on a GPU machine without a network.

    python3 bench/gpu/host/there.py CALL [--seconds N]      (in the checkout)

Runs the steps of CALL one after the other. A step that fails, hangs or would begin too late is recorded, and the next one
begins. The log goes to $OUT/log-CALL.txt (by default .gpu/out), the outcome of each step to $OUT/steps-CALL.json as soon as it
is known, and a table with all results ends the output. Needs the standard library only. Not yet run on a GPU.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO

ROOT = Path(__file__).resolve().parents[3]
OUT = Path(os.environ.get("OUT") or ROOT / ".gpu" / "out")
PARTS = Path(os.environ.get("FASTSIM_HOST_PARTS") or "/tmp/fastsim-gpu-host-parts")
"""Where the pieces of archives wait for the others, between calls."""
SITE = Path(os.environ.get("FASTSIM_HOST_SITE") or sysconfig.get_paths()["purelib"])
"""Where packages are unpacked: NVIDIA's libraries are looked for beside ONNX Runtime."""
RESULT = "RESULT"
"""Begins a line that goes into the table."""


class Step(NamedTuple):
    """A command. It is ended after `seconds`, and not begun with fewer than `least` left."""

    name: str
    seconds: int
    least: int
    command: tuple[str, ...]


@dataclass
class Outcome:
    """What a step came to. tail: the end of its output, unless it went well."""

    step: str
    state: str
    seconds: float = 0.0
    results: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)


def python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def tests(*names: str) -> tuple[str, ...]:
    paths = (f"tests/gpu/test_{name}.py" for name in names)
    return python("-m", "pytest", *paths, "-q", "-rA", "-W", "default", "-p", "no:cacheprovider", "--tb=short")


def bench(part: str) -> tuple[str, ...]:
    return python("-m", "bench.gpu", "--only", part, "--out", str(OUT / f"{part}.json"))


ENVIRONMENT = """
nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap,clocks.max.sm --format=csv,noheader | sed 's/^/RESULT gpu: /'
ldconfig -p | grep -E 'libnvcuvid|libnvjpeg|libnvinfer|libcuda.so' | sed 's/^/lib: /'
nproc; free -g | head -2; df -h /tmp | tail -1; uname -r; python3 -V
python3 -m pip list 2>/dev/null | grep -iE '^(torch|cupy|onnx|numpy|opencv|pillow|click|av|pytest|hypothesis|nvidia)'
ldconfig -p | grep -q libnvcuvid && echo RESULT libnvcuvid: found || echo RESULT libnvcuvid: not found by ldconfig
"""
CHECKER = f"""
for tool in memcheck racecheck; do
  compute-sanitizer --tool $tool --error-exitcode 3 {sys.executable} -m bench.gpu --small --only tiles && echo RESULT $tool: clean
done
"""
UNPACK = python(str(Path(__file__)), "--unpack")

CALLS: dict[str, tuple[Step, ...]] = {
    "1": (
        Step("environment", 20, 1, ("bash", "-c", ENVIRONMENT)),
        Step("unpack", 90, 10, (*UNPACK, "1")),
        Step("imports", 60, 15, python("-m", "bench.gpu.host.imports")),
        Step("bench: tiles", 70, 20, bench("tiles")),
        Step("tests: pairs", 90, 20, tests("pairs")),
        Step("bench: pairs", 110, 40, bench("pairs")),
        Step("tests: network", 60, 20, tests("network")),
        Step("bench: network", 150, 30, bench("network")),
    ),
    "2": (
        Step("unpack", 60, 10, (*UNPACK, "2")),
        Step("training, a minute", 110, 60, python("-m", "bench.gpu.host.training")),
        Step("memory checker", 60, 30, ("bash", "-c", CHECKER)),
    ),
    "3": (
        Step("unpack", 60, 10, (*UNPACK, "3")),
        Step("imports", 60, 15, python("-m", "bench.gpu.host.imports", "dali")),
        Step("tests: pictures", 90, 20, tests("pictures")),
        Step("bench: pictures", 170, 60, bench("pictures")),
        Step("tests: videos", 120, 30, tests("videos")),
        Step("bench: video", 90, 30, bench("video")),
        Step("whole program", 60, 25, python("-m", "bench.gpu.host.program")),
    ),
}


def unpack(call: str) -> None:
    """Put what travelled with this call into its place.

    The compiled core goes into the checkout, which then needs no installing, and every archive whose last piece is here
    into SITE.
    """
    for core in (ROOT / ".gpu").glob("_core*.so"):
        shutil.copy(core, ROOT / "fastsim")
        print(RESULT, "core:", core.name)
    PARTS.mkdir(parents=True, exist_ok=True)
    for piece in (ROOT / f".gpu{call}").glob("*.tar.xz.*of*"):
        shutil.copy(piece, PARTS / piece.name)
    names = sorted({piece.name.split(".")[0] for piece in PARTS.glob("*.tar.xz.*of*")})
    with ThreadPoolExecutor(8) as pool:
        for line in pool.map(_unpack_archive, names):
            print(RESULT, "unpacked:", line)


def _unpack_archive(name: str) -> str:
    pieces = sorted(PARTS.glob(f"{name}.tar.xz.*of*"), key=lambda piece: int(piece.suffix[1:].split("of")[0]))
    count, done = int(pieces[0].name.rsplit("of", 1)[1]), PARTS / f"{name}.done"
    if len(pieces) < count:
        return f"{name}: {len(pieces)} of {count} pieces are here"
    if done.exists():
        return f"{name}: was unpacked before"
    if name == "ort":  # the build for the CPU has files of the same names
        subprocess.run([sys.executable, "-m", "pip", "uninstall", "-q", "-y", "onnxruntime"], check=False)
    start, data = time.monotonic(), b"".join(piece.read_bytes() for piece in pieces)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:xz") as tar:
        tar.extractall(SITE, filter="fully_trusted")
    done.touch()
    return f"{name}: {len(data) / 1e6:.1f} MB in {time.monotonic() - start:.1f} s"


def run(step: Step, log: TextIO, left: float) -> Outcome:
    """Run a step to its end or to its limit; nothing that it started stays behind."""
    start, lines = time.monotonic(), list[str]()
    settings = {"OUT": str(OUT), "PYTHONUNBUFFERED": "1", "FASTSIM_REQUIRE_GPU": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        process = subprocess.Popen(
            step.command, cwd=ROOT, env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Outcome(step.name, f"can't start: {error}")

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                log.write(line)
                log.flush()
                lines.append(line.rstrip("\n"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        code = process.wait(timeout=min(step.seconds, max(5.0, left)))
        state = "ok" if code == 0 else f"exit {code}"
    except subprocess.TimeoutExpired:
        state = "out of time"
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    reader.join(timeout=5)
    tail = [] if state == "ok" else lines[-12:]
    return Outcome(step.name, state, round(time.monotonic() - start, 1), list(results(step, lines)), tail)


def results(step: Step, lines: list[str]) -> list[str]:
    """Return the part of a step's output that goes into the table: its RESULT lines, its benchmark's rows, its failed tests."""
    found = [line.removeprefix(RESULT).strip() for line in lines if line.startswith(RESULT)]
    if "--out" in step.command:
        try:
            rows = json.loads(Path(step.command[step.command.index("--out") + 1]).read_text(encoding="utf-8"))["rows"]
            found += ["; ".join(str(cell) for cell in row if cell) for row in rows]
        except (OSError, ValueError, KeyError):  # it was ended before it wrote its file
            found += [line for line in lines if line and not line.startswith((" ", "|", "Traceback"))][-20:]
    found += [line.strip("=- ") for line in lines[-3:] if " passed" in line or " failed" in line]
    return found + [line for line in lines if line.startswith(("FAILED ", "ERROR "))][:12]


def main() -> int:
    """Exit 1 if a step did not go well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("call", choices=CALLS)
    parser.add_argument("--seconds", type=float, default=560, help="for all steps together")
    parser.add_argument("--only", nargs="*", help="names of steps")
    parser.add_argument("--unpack", action="store_true", help="only unpack, and here")
    options = parser.parse_args()
    if options.unpack:
        unpack(options.call)
        return 0
    OUT.mkdir(parents=True, exist_ok=True)
    end, outcomes = time.monotonic() + options.seconds, list[Outcome]()
    with open(OUT / f"log-{options.call}.txt", "a", encoding="utf-8") as log:
        for step in CALLS[options.call]:
            if options.only and step.name not in options.only:
                continue
            left = end - time.monotonic()
            log.write(f"\n===== {step.name} ({left:.0f} s left): {' '.join(step.command)[:300]}\n")
            late = left < step.least
            outcomes.append(Outcome(step.name, f"not begun: {left:.0f} s left") if late else run(step, log, left))
            print(f"{outcomes[-1].step}: {outcomes[-1].state}, {outcomes[-1].seconds} s", flush=True)
            told = json.dumps([asdict(outcome) for outcome in outcomes], indent=1)
            (OUT / f"steps-{options.call}.json").write_text(told, encoding="utf-8")
    print(table(outcomes))
    return int(any(outcome.state != "ok" for outcome in outcomes))


def table(outcomes: list[Outcome]) -> str:
    """Return a Markdown table of all results, then the ends of what failed."""
    lines = ["", "| step | state | s | results |", "|---|---|---|---|"]
    for outcome in outcomes:
        first, *rest = [result[:220] for result in outcome.results] or [""]
        lines.append(f"| {outcome.step} | {outcome.state} | {outcome.seconds} | {first} |")
        lines += [f"| | | | {line} |" for line in rest[:60]]
    for outcome in outcomes:
        if outcome.tail:
            lines += ["", f"--- the end of {outcome.step} ({outcome.state})", *(line[:240] for line in outcome.tail)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
