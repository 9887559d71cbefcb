"""Each version of the CUDA kernels compiles without spills where it is promised to run, and has the sizes of its table."""

from __future__ import annotations

import ctypes
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import fastsim
from bench.gpu.kernels import ARCHITECTURES, compiled
from fastsim.device import Device
from fastsim.errors import UsageError
from fastsim.similarity import kernels, schedule, tensor_map

FOLDER = Path(fastsim.__file__).parent / "similarity" / "kernels"
ENTRIES = {"prefilter", "prefilter_reference", "norms", "rescore"}


@pytest.mark.parametrize(("name", "arch"), [(k.name, arch) for k in kernels.KERNELS.values() for arch in ARCHITECTURES])
def test_the_kernels_compile_without_spills_or_serialised_multiplications(name: str, arch: str) -> None:
    kernel = kernels.KERNELS[name]
    if kernel.arch not in ("", arch):
        pytest.skip(f"is for {kernel.arch} alone")
    if shutil.which("nvcc") is None:
        pytest.skip("needs nvcc")
    report = compiled(kernel, arch)
    assert report.functions.keys() == ENTRIES
    assert all(use.spills == 0 for use in report.functions.values()), report
    assert report.warnings == ()


@pytest.mark.parametrize("name", kernels.KERNELS)
def test_nvrtc_takes_the_source_as_it_is_handed_over(name: str) -> None:
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="needs cupy")
    cuda = pytest.importorskip("fastsim.similarity.cuda", reason="needs cupy")
    try:
        nvrtc.getVersion()
    except Exception as error:  # cupy finds no libnvrtc: its exception type is another package's
        pytest.skip(f"needs libnvrtc: {str(error).splitlines()[0]}")
    kernel = kernels.KERNELS[name]
    assert cuda.cubin(kernel.code, kernel.arch or "sm_80").startswith(b"\x7fELF")


def test_the_sources_and_the_table_have_the_same_sizes() -> None:
    sizes = {
        name: {
            key: int(value)
            for key, value in re.findall(r"\b([A-Z_]+) = (\d+)", (FOLDER / f"prefilter_{name}.cu").read_text())
        }
        for name in ("simple", "strips", "hopper")
    }
    simple, strips, hopper = sizes["simple"], sizes["strips"], sizes["hopper"]
    assert simple["SIDE"] == schedule.BLOCK and {simple["SLAB"], strips["SLAB"]} == {kernels.SLAB}
    shapes = {name: kernel[2:6] for name, kernel in kernels.KERNELS.items()}
    stride = kernels.SLAB + 8
    assert shapes["simple"] == (
        simple["SIDE"], simple["SIDE"], simple["THREADS"], 4 * simple["STAGES"] * simple["SIDE"] * stride
    )  # fmt: skip
    assert shapes["strips"] == (
        strips["ROWS"], strips["COLS"] * strips["STRIP"], strips["THREADS"],
        2 * 4 * (strips["ROWS"] + strips["COLS"]) * stride,
    )  # fmt: skip
    assert shapes["strips3"] == (*shapes["strips"][:3], shapes["strips"][3] * 3 // 4)
    assert shapes["strips3"][3] <= 99 * 1024  # sm_89
    halves = (hopper["MOST_SLABS"] * hopper["COLS"] + hopper["STAGES"] * hopper["ROWS"]) * hopper["SLAB"]
    assert shapes["hopper"] == (
        hopper["ROWS"] * hopper["STRIP"], hopper["COLS"], 3 * hopper["GROUP"], 1024 + 2 * halves + 8 * (1 + 2 * hopper["STAGES"])
    )  # fmt: skip
    assert (hopper["ROWS"], hopper["COLS"]) == kernels.HOPPER_BOX_ROWS
    assert kernels.KERNELS["hopper"].most_d == hopper["MOST_SLABS"] * hopper["SLAB"]
    assert hopper["SLAB"] * 2 == tensor_map.BOX_BYTES
    assert all(kernel.shared_bytes <= 227 * 1024 for kernel in kernels.KERNELS.values())


def test_the_version_is_chosen_by_the_variable_and_refused_where_it_can_not_run() -> None:
    hopper, ada = kernels.Limits("90", 227 * 1024), kernels.Limits("89", 99 * 1024)
    assert kernels.chosen(hopper, 256, {}).name == kernels.chosen(ada, 256, {}).name == kernels.DEFAULT
    assert kernels.chosen(hopper, 256, {kernels.VARIABLE: "hopper"}).name == "hopper"
    assert kernels.chosen(ada, 256, {kernels.VARIABLE: "strips3"}).name == "strips3"
    for device, d, name, reason in (
        (hopper, 256, "fast", "must be one of simple, strips, strips3, hopper (got 'fast')"),
        (ada, 256, "hopper", "needs a GPU of sm_90a (this one has sm_89)"),
        (ada, 256, "strips", "needs 120 KB of shared memory a block (this GPU has 99)"),
        (hopper, 512, "hopper", "takes vectors of up to 256 values (these have 512)"),
    ):
        with pytest.raises(UsageError, match=re.escape(reason)):
            kernels.chosen(device, d, {kernels.VARIABLE: name})


def test_a_tensor_map_is_asked_for_with_the_drivers_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def encode(to: ctypes.c_void_p, kind: int, rank: int, at: ctypes.c_void_p, *rest: object) -> int:
        asked.append((to.value % 64, kind, rank, at.value, *(list(x) if hasattr(x, "_length_") else x for x in rest)))  # type: ignore[operator]
        ctypes.memmove(to, bytes(range(128)), 128)
        return 0

    monkeypatch.setattr(tensor_map, "_encode", lambda: encode)
    made = tensor_map.tensor_map(tensor_map.Matrix(4096, 1000, 256), 64)
    assert asked == [(0, 6, 2, 4096, [256, 1000], [512], [64, 64], [1, 1], 0, 3, 3, 0)]
    assert made.dtype == np.uint64 and made.tobytes() == bytes(range(128))


def test_panels_and_devices() -> None:
    cuda = pytest.importorskip("fastsim.similarity.cuda", reason="needs cupy")
    assert Device.parse("cuda").indices == (0,) and str(Device.parse("cuda:1,3")) == "cuda:1,3"
    assert cuda.panel_rows(1_000_000, 256, 80 << 30) >= 1_000_000
    assert cuda.panel_rows(100_000_000, 256, 8 << 30) % cuda.SIDE == 0
