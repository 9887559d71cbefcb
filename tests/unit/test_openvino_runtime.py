"""OpenVINO is imported without the part that reports its own use."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino")


def test_neither_the_converter_nor_its_telemetry_is_loaded() -> None:
    check = (
        "import sys, fastsim.embedding.openvino\n"
        "loaded = [n for n in sys.modules if n.startswith(('openvino_telemetry', 'openvino.tools.ovc'))]\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-P", "-c", check], check=True)
