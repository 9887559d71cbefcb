"""Train for a minute on drawn images, in two pieces, to see whether it runs and continues, and how fast.

Usage: python -m bench.gpu.host.training
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import bench  # noqa: F401  # the installed package, or the checkout with its core
from bench.gpu.pictures import jpegs

ROOT = Path(__file__).resolve().parents[3]
PICTURES = 200
PIECES = (0.6, 0.2)
"""Minutes of each call; the second goes on from the checkpoint of the first."""


def main() -> int:
    with tempfile.TemporaryDirectory() as work:
        pictures, data, out = (Path(work) / name for name in ("pictures", "data", "run"))
        pictures.mkdir()
        jpegs(pictures, PICTURES)
        commands = [["model.train.prepare", str(pictures), "--out", str(data)]]
        commands += [["model.train.train", str(data), "--out", str(out), "--piece", str(minutes)] for minutes in PIECES]
        for module, *arguments in commands:
            code = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False).returncode
            log = out / "log.jsonl"
            said = log.read_text(encoding="utf-8").splitlines()[-1] if log.exists() else ""
            print(f"RESULT {module} {' '.join(arguments[-2:])}: exit {code} {said}", flush=True)
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
