"""Report what is installed, what the machine can do, and what `auto` chooses and why (`fastsim doctor`).

Libraries are imported, not only looked up.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator

from fastsim import __version__, _core, gpu_probe
from fastsim.config import usable_cpus
from fastsim.errors import FastsimError, pip_install
from fastsim.inputs import formats
from fastsim.model import load_model

_LIBRARIES = (
    ("opencv-python-headless", "cv2", "decodes images"),
    ("pillow", "PIL", "reads headers, decodes what OpenCV does not know"),
    ("pillow-heif", "pillow_heif", "decodes HEIC"),
    ("rawpy", "rawpy", f"decodes RAW files; {pip_install('raw')}"),
    ("pillow-jxl-plugin", "pillow_jxl", f"decodes JPEG XL; {pip_install('jxl')}"),
    ("openvino", "fastsim.embedding.openvino_runtime", "runs the network on the CPU"),
    ("av", "av", "decodes video"),
    ("onnxruntime", "fastsim.embedding.onnxruntime_import", f"another runtime; {pip_install('onnxruntime')}"),
    ("send2trash", "send2trash", "--trash"),
)


def lines() -> Iterator[str]:
    """Yield the findings, one line each."""
    yield f"fastsim {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield from _processor()
    yield from _model()
    yield "libraries"
    for package, module, purpose in _LIBRARIES:
        yield f"  {package:<24} {_library(package, module):<28} {purpose}"
    yield from _formats()
    yield from _gpus()
    yield "what auto picks"
    yield from _choices()


def _processor() -> Iterator[str]:
    yield f"processor: {_cpu_name()}; {usable_cpus()} of {os.cpu_count()} CPUs usable"
    yield f"  all-pairs kernels of this CPU, best first: {', '.join(_core.isas())}"


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
    """Return the version, checked by an import: an installed package that cannot be loaded is a finding."""
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
    try:
        importlib.import_module(module)
    except Exception as error:  # any failure at import is the finding itself
        return f"{version}, BROKEN: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    return version


def _formats() -> Iterator[str]:
    """Yield each format with what reads it, or what is missing."""
    for title, found in (("formats of images", formats.IMAGES), ("formats of videos", formats.VIDEOS)):
        yield title
        for one in found:
            yield f"  {one.name:<22} {_reader(one.reader):<28} {' '.join(one.suffixes)}"


def _reader(reader: formats.Reader | None) -> str:
    if reader is None:
        return "NOT READ: no reader yet"
    return reader.name if reader.is_installed() else f"MISSING: {reader.install_command}"


def _gpus() -> Iterator[str]:
    found = gpu_probe.probe()
    yield "GPUs"
    for gpu in found.gpus:
        yield f"  {gpu.index}: {gpu.name}, {gpu.memory}, compute capability {gpu.capability:g}, driver {gpu.driver}"
    if not found.gpus:
        yield f"  none: {found.problem}"
    for package, version in found.packages.items():
        yield f"  {package} {version}"
    if "onnxruntime-gpu" in found.packages and gpu_probe.version("onnxruntime"):
        yield f"  {gpu_probe.BOTH_RUNTIMES}"
    if found.gpus:
        for library, purpose in (("libnvcuvid.so.1", "NVDEC, video"), ("libnvinfer.so.10", "--runtime tensorrt")):
            yield f"  {library:<17} {'found' if _loads(library) else 'not found'} ({purpose})"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _choices() -> Iterator[str]:
    yield "  --device auto    -> cpu: the cuda backend has not been seen on a GPU yet, and is used only where it is asked for"
    missing = gpu_probe.probe().problem
    yield f"  --device cuda    -> {missing or 'can be tried: DALI, ONNX Runtime, CuPy (extra cuda12 or cuda13)'}"
    yield "  --runtime auto   -> openvino on cpu: the fastest for this network; onnxruntime on cuda"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
