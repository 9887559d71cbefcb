"""Check that `fastsim images` finds the same groups among N drawn images on the GPU and on the CPU.

Usage: python -m bench.gpu.host.program [N]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import bench  # noqa: F401  # the installed package, or the checkout with its core
from bench.common import measure
from bench.gpu.pictures import jpegs

ROOT = Path(__file__).resolve().parents[3]


def main(count: int) -> int:
    groups: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as work:
        folder, report = Path(work) / "pictures", Path(work) / "report.json"
        folder.mkdir()
        jpegs(folder, count)
        for device in ("cuda", "cuda", "cpu"):
            command = [
                sys.executable,
                "-m",
                "fastsim",
                "images",
                str(folder),
                "--dry-run",
                "--no-cache",
                "--device",
                device,
            ]
            command += [
                "--runtime",
                "onnxruntime",
                "--json",
                str(report),
                "--outs",
                str(Path(work) / "outs"),
                "--quiet",
            ]
            start = time.perf_counter()
            try:
                measure(command, cwd=ROOT)
            except RuntimeError as error:
                print(f"RESULT images --device {device}: FAILED {error}", flush=True)
                continue
            seconds, found = time.perf_counter() - start, json.loads(report.read_text(encoding="utf-8"))
            groups[device] = sorted(sorted(member["path"] for member in group["members"]) for group in found["groups"])
            moved = json.dumps(found["environment"].get("moved", {}))
            print(f"RESULT images --device {device}: {count} pictures in {seconds:.1f} s, moved {moved}", flush=True)
    same = len(groups) == 2 and groups["cuda"] == groups["cpu"]
    print(f"RESULT the same groups on both: {same}")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 6000))
