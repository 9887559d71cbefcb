"""Import ONNX Runtime without its telemetry.

Its import reports itself to a server of its maker, and keeps a device id and a database of events in the user's home
folder. The library reads this setting when it is loaded; a program that imported onnxruntime before fastsim keeps its
own setting.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

__all__ = ["ort"]
