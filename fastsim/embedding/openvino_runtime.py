"""OpenVINO without its model converter, which nothing here needs.

`import openvino` goes on to `openvino.tools.ovc`, and that import reports itself to a web analytics service, from a forked
process, and leaves files in the user's home. Whoever cleans their photos did not ask for that; it also takes longer than
the runtime itself.

A program that imports openvino before fastsim, as a library, keeps all of it. One that imports it afterwards finds
`openvino.convert_model` at `openvino.tools.ovc.convert_model` alone.
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
