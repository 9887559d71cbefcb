"""Import OpenVINO without its model converter, which is not needed.

`import openvino` also imports `openvino.tools.ovc`, which reports itself to a web analytics service from a forked
process, leaves files in the user's home folder, and takes longer than the runtime itself.

A program that imports openvino before fastsim keeps all of it. A program that imports it afterwards finds
`openvino.convert_model` at `openvino.tools.ovc.convert_model` only.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_CONVERTER = "openvino.tools.ovc"


def _without_converter() -> Any:
    if "openvino" in sys.modules:
        return sys.modules["openvino"]
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # its import fails, which openvino expects and passes over
    try:
        return import_module("openvino")
    finally:
        del sys.modules[_CONVERTER]


ov = _without_converter()
