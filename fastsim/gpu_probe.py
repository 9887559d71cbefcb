"""Check what a GPU needs and what of it is present: one probe for --device, for `fastsim doctor` and for tests.

No CUDA context is created: the driver is queried through the program of its management library, packages by their
metadata, so that `auto` costs nothing without a GPU. Loading the libraries themselves has not been seen on a GPU yet.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import shutil
import subprocess
import sys
from dataclasses import dataclass

from fastsim.errors import pip_install

DRIVERS = {12: 525, 13: 580}
"""The oldest driver branch of each CUDA major version (NVIDIA, CUDA toolkit release notes)."""
PACKAGES = ("onnxruntime-gpu", "nvidia-dali-cuda{}0", "cupy-cuda{}x")
"""Packages of the extras cuda12 and cuda13; {} is 12 or 13."""
BOTH_RUNTIMES = (
    "both onnxruntime and onnxruntime-gpu are installed: they share files and the GPU is lost in silence; "
    "pip uninstall onnxruntime onnxruntime-gpu, then install the one you want"
)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device as `nvidia-smi` lists it."""

    index: int
    name: str
    driver: str
    memory: str
    capability: float
    """Compute capability; the kernels need 8.0."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of a probe. `problem`: why CUDA cannot be used, one line with what to do, or None."""

    gpus: tuple[Gpu, ...]
    packages: dict[str, str]
    """Name -> version, of the CUDA packages that are installed."""
    problem: str | None


def probe(index: int = 0) -> Probe:
    """Look for device `index`, the driver and the packages."""
    gpus, failure = _gpus()
    packages = {name: found for major in DRIVERS for name in _names(major) if (found := version(name))}
    return Probe(gpus, packages, failure or _problem(gpus, packages, index) or _driver_problem())


def version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _names(major: int) -> list[str]:
    return [name.format(major) for name in PACKAGES]


def _gpus() -> tuple[tuple[Gpu, ...], str | None]:
    """Return the devices, and why there are none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return (), "no NVIDIA driver was found (no nvidia-smi on the path); install one, or use --device cpu"
    query = [program, "--query-gpu=index,name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), f"nvidia-smi can't be run ({error}); use --device cpu"
    if answer.returncode:
        reason = (answer.stderr or answer.stdout).strip().splitlines() or [f"exit {answer.returncode}"]
        return (), f"nvidia-smi failed ({reason[0]}); repair the driver, or use --device cpu"
    gpus = tuple(gpu for line in answer.stdout.splitlines() if (gpu := _parse(line)))
    return gpus, None if gpus else "nvidia-smi lists no GPU; use --device cpu"


def _parse(line: str) -> Gpu | None:
    parts = [part.strip() for part in line.split(",")]
    try:
        return Gpu(int(parts[0]), parts[1], parts[2], parts[3], float(parts[4]))
    except (IndexError, ValueError):
        return None


def _driver_problem() -> str | None:
    """Return why the driver cannot be started although nvidia-smi lists a GPU, or None. Creates no CUDA context."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return f"nvidia-smi lists a GPU, but the driver can't be loaded ({error}); repair it, or use --device cpu"
    if code := driver.cuInit(0):
        return f"the driver can't be started (cuInit: error {code}); see nvidia-smi, or use --device cpu"
    return None


def _problem(gpus: tuple[Gpu, ...], packages: dict[str, str], index: int) -> str | None:
    """Return why device `index` cannot be used with these packages, or None."""
    if sys.platform != "linux":
        return "the cuda backend needs Linux (NVIDIA DALI is not there for other systems); use --device cpu"
    gpu = next((gpu for gpu in gpus if gpu.index == index), None)
    if gpu is None:
        return f"there is no GPU {index}; the GPUs here are {', '.join(str(gpu.index) for gpu in gpus)}"
    if gpu.capability < 8.0:
        return f"{gpu.name} has compute capability {gpu.capability:g}; 8.0 (Ampere) is needed; use --device cpu"
    driver = int(gpu.driver.split(".")[0]) if gpu.driver.split(".")[0].isdecimal() else 0
    usable = [major for major, oldest in DRIVERS.items() if driver >= oldest]
    if not usable:
        return f"driver {gpu.driver} is too old; {DRIVERS[12]} is needed for CUDA 12; update it, or use --device cpu"
    if version("onnxruntime"):
        if version("onnxruntime-gpu"):
            return BOTH_RUNTIMES
        return (
            "onnxruntime for the CPU is installed, which keeps onnxruntime-gpu out; pip uninstall onnxruntime, then "
            f"{pip_install(f'cuda{usable[-1]}')}"
        )
    complete = [major for major in DRIVERS if all(name in packages for name in _names(major))]
    if not complete:
        missing = [name for name in _names(usable[-1]) if name not in packages]
        return f"{', '.join(missing)} not installed; {pip_install(f'cuda{usable[-1]}')}, or use --device cpu"
    if not set(complete) & set(usable):
        return (
            f"driver {gpu.driver} is too old for CUDA {complete[0]}, which needs {DRIVERS[complete[0]]}; "
            f"{pip_install(f'cuda{usable[-1]}')} instead, or update the driver"
        )
    return None
