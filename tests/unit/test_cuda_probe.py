"""Why a GPU can't be used: one line that names what is missing and what to do."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import fake_cupy
import numpy as np
import pytest

from fastsim import gpu_probe
from fastsim.config import resolve_device, resolve_runtime
from fastsim.device import Device
from fastsim.errors import FastsimError, UsageError
from fastsim.similarity import similar_pairs

H200 = gpu_probe.Gpu(0, "NVIDIA H200", "580.159.04", "143771 MiB", 9.0)
CUDA13 = {"onnxruntime-gpu": "1.31.1", "nvidia-dali-cuda130": "2.4.0", "cupy-cuda13x": "14.2.0"}


def gpu(driver: str = "580.1", capability: float = 9.0) -> tuple[gpu_probe.Gpu, ...]:
    return (gpu_probe.Gpu(0, "GPU", driver, "1 MiB", capability),)


@pytest.mark.parametrize(
    ("gpus", "packages", "index", "said"),
    [
        (gpu(), CUDA13, 0, None),
        (gpu(), {}, 0, r"fastsim-dedup\[cuda13\]"),
        (gpu("550.2"), {}, 0, r"fastsim-dedup\[cuda12\]"),
        (gpu("550.2"), CUDA13, 0, "too old for CUDA 13, which needs 580"),
        (gpu("470.1"), CUDA13, 0, "driver 470.1 is too old"),
        (gpu(capability=7.5), CUDA13, 0, "capability 7.5"),
        (gpu(), CUDA13, 3, "no GPU 3"),
        (gpu(), {"onnxruntime-gpu": "1", "cupy-cuda13x": "14"}, 0, "nvidia-dali-cuda130 not installed"),
    ],
)
def test_what_is_missing_is_said(
    gpus: tuple[gpu_probe.Gpu, ...],
    packages: dict[str, str],
    index: int,
    said: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu_probe, "version", packages.get)
    monkeypatch.setattr(gpu_probe.sys, "platform", "linux")
    problem = gpu_probe._problem(gpus, packages, index)
    if said is None:
        assert problem is None
    else:
        with pytest.raises(UsageError, match=said):
            raise UsageError(problem)


def test_both_onnxruntimes_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = CUDA13 | {"onnxruntime": "1.30.0"}
    monkeypatch.setattr(gpu_probe, "version", installed.get)
    monkeypatch.setattr(gpu_probe.sys, "platform", "linux")
    assert gpu_probe._problem(gpu(), installed, 0) == gpu_probe.BOTH_RUNTIMES


def test_a_line_of_nvidia_smi_is_read() -> None:
    assert gpu_probe._parse("0, NVIDIA H200, 580.159.04, 143771 MiB, 9.0") == H200
    assert gpu_probe._parse("No devices were found") is None


def test_without_a_driver_auto_is_cpu_and_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert resolve_device("auto") == Device.parse("cpu")
    with pytest.raises(UsageError, match="no NVIDIA driver"):
        resolve_device("cuda")
    with pytest.raises(UsageError, match="needs a GPU"):
        resolve_runtime("tensorrt", Device.parse("cpu"))
    with pytest.raises(UsageError, match="CPU only"):
        resolve_runtime("openvino", Device.parse("cuda"))


SMI = "#!/bin/sh\necho '0, NVIDIA H200, 580.159.04, 143771 MiB, 9.0'\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the cuda backend needs Linux")
@pytest.mark.parametrize(
    ("driver", "said"),
    [(None, "the driver can't be loaded"), (100, r"can't be started \(cuInit: error 100\)"), (0, None)],
)
def test_an_nvidia_smi_without_a_working_driver_is_said_in_one_line(
    driver: int | None, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(gpu_probe, "version", CUDA13.get)

    def load(name: str) -> SimpleNamespace:
        if driver is None:
            raise OSError(f"{name}: cannot open shared object file")
        return SimpleNamespace(cuInit=lambda _flags: driver)

    monkeypatch.setattr(gpu_probe.ctypes, "CDLL", load)
    if said is None:
        assert str(resolve_device("cuda")) == "cuda:0"
        return
    with pytest.raises(UsageError, match=said) as raised:
        resolve_device("cuda")
    assert "\n" not in str(raised.value)


def test_what_cupy_raises_is_one_line_for_library_users(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch)
    error = type("CUDARuntimeError", (RuntimeError,), {"__module__": "cupy_backends.cuda.api.runtime"})

    def no_driver(_self: object, number: int = 0) -> None:
        raise error("cudaErrorInsufficientDriver: CUDA driver version is insufficient\nfor CUDA runtime version")

    monkeypatch.setattr(fake_cupy.Device, "__init__", no_driver)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    with pytest.raises(FastsimError, match=r"--device cuda:0: CUDA failed \(cudaErrorInsufficientDriver") as raised:
        similar_pairs(np.eye(4, dtype=np.float16), 0.5, device="cuda")
    assert "\n" not in str(raised.value)
