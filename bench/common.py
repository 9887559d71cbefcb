"""Share what all benchmarks need: the machine in words, measured processes, medians, tables, JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a whole process took: wall and CPU seconds (all threads), peak resident memory in MB."""

    wall: float
    cpu: float
    peak_mb: float


def machine() -> dict[str, Any]:
    """Processor, usable CPUs, system and Python, for the head of a report."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": name, "cpus": cpus, "system": platform.platform(), "python": platform.python_version()}


def fastsim(*arguments: str) -> list[str]:
    """Return a command of the installed fastsim.

    `-P`: in a checkout, `python -m` would take the folder `fastsim` of the sources, which has no compiled core.
    """
    return [sys.executable, "-P", "-m", "fastsim", *arguments]


LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
wall, process.returncode = time.perf_counter() - start, os.waitstatus_to_exitcode(status)
print(json.dumps([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, process.returncode]))
"""


def measure(command: Sequence[str], **options: Any) -> Cost:
    """Run `command` to its end; its output goes to /dev/null.

    Seconds of child processes are counted; the peak is that of the largest process, not of all together. A small process
    starts the command: on Linux a process's peak begins with that of the one that starts it, and a benchmark that has
    drawn photos is larger than what it measures.
    Raises RuntimeError if the command fails; exit 3 (some files were skipped) is no failure.
    """
    launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, *command]
    done = subprocess.run(launch, capture_output=True, text=True, errors="replace", check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} could not be run: {done.stderr[-500:]}")
    wall, cpu, peak, code = json.loads(done.stdout)
    if code not in (0, 3):
        raise RuntimeError(f"{command[0]} ended with {code}: {done.stderr[-500:]}")
    return Cost(wall, cpu, peak / (1e6 if sys.platform == "darwin" else 1e3))


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure; the largest peak."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.peak_mb for cost in costs),
    )


def spread(values: Sequence[float]) -> str:
    """`8.1 (7.9-8.6)`: median and range."""
    return f"{statistics.median(values):.3g} ({min(values):.3g}-{max(values):.3g})"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *lines])


def write_json(path: str | None, result: dict[str, Any]) -> None:
    """Write `result` (dataclasses allowed), with the machine, if a path is given."""
    if path:
        whole = {"machine": machine(), "script": Path(sys.argv[0]).name, **result}
        Path(path).write_text(json.dumps(whole, indent=1, default=asdict) + "\n", encoding="utf-8")
