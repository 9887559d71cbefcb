"""`python -m bench.gpu` in small, on a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

pytestmark = pytest.mark.gpu


def test_the_benchmark_runs_in_small(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, "-m", "bench.gpu", "--small", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=400)
    failed = [row for row in json.loads(out.read_text())["rows"] if row[1] == "FAILED"]
    assert not failed, failed
