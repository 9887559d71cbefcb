"""`fastsim doctor`: what is installed, what the machine can do, what `auto` picks and why.

Imports are tried, never trusted.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator

from fastsim import __version__, _core
from fastsim.config import usable_cpus
from fastsim.errors import FastsimError
from fastsim.model import load_model

_LIBRARIES = (
    ("opencv-python-headless", "cv2", "decodes images"),
    ("pillow", "PIL", "reads headers, decodes what OpenCV does not know"),
    ("pillow-heif", "pillow_heif", "HEIC; pip install 'fastsim[heic]'"),
    ("openvino", "openvino", "runs the network on the CPU"),
    ("av", "av", "decodes video"),
    ("onnxruntime", "onnxruntime", "another runtime; pip install 'fastsim[onnxruntime]'"),
    ("send2trash", "send2trash", "--trash"),
)
_CUDA_LIBRARIES = ("onnxruntime-gpu", "nvidia-dali-cuda120", "nvidia-dali-cuda130", "cupy-cuda12x", "cupy-cuda13x")


def lines() -> Iterator[str]:
    """The findings, one line each."""
    yield f"fastsim {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield from _processor()
    yield from _model()
    yield "libraries"
    for package, module, purpose in _LIBRARIES:
        yield f"  {package:<24} {_library(package, module):<28} {purpose}"
    yield from _gpus()
    yield "what auto picks"
    yield "  --device auto    -> cpu: this version has no CUDA backend yet"
    yield "  --runtime auto   -> openvino: the fastest for this network on a CPU"


def _processor() -> Iterator[str]:
    yield f"processor: {_cpu_name()}; {usable_cpus()} of {os.cpu_count()} CPUs usable"
    yield f"  n-to-n kernels this CPU can run, best first: {', '.join(_core.isas())}"


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            return next(line.split(":", 1)[1].strip() for line in stream if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _model() -> Iterator[str]:
    try:
        model = load_model()
    except FastsimError as error:
        yield f"model: {error}"
        return
    yield f"model: {model.card.get('name', model.path.name)}, sha256 {model.sha256[:16]}..."


def _library(package: str, module: str) -> str:
    """The version, checked by an import: an installed package that can't be loaded is a finding."""
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
    try:
        importlib.import_module(module)
    except Exception as error:  # any failure at import is the finding itself
        return f"{version}, BROKEN: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    return version


def _gpus() -> Iterator[str]:
    installed = [package for package in _CUDA_LIBRARIES if _version(package)]
    yield "GPUs"
    program = shutil.which("nvidia-smi")
    if program is None:
        yield "  none found (no nvidia-smi on the path)"
    else:
        query = [program, "--query-gpu=index,name,driver_version,memory.total", "--format=csv,noheader"]
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
        for line in (answer.stdout if answer.returncode == 0 else answer.stderr).strip().splitlines() or ["none"]:
            yield f"  {line}"
    for package in installed:
        yield f"  {package} {_version(package)}"
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        yield (
            "  both onnxruntime and onnxruntime-gpu are installed: they share files and the GPU is lost in silence; "
            "pip uninstall onnxruntime onnxruntime-gpu, then install the one you want"
        )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
