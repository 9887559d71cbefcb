"""tile.cu compiles for every architecture that is promised, without spills, and says the sizes that cuda.py uses."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import fastsim
from fastsim.similarity import schedule

SOURCE = Path(fastsim.__file__).parent / "similarity" / "tile.cu"
GENCODE = {"sm_80": "compute_80", "sm_89": "compute_89", "sm_90a": "compute_90a", "sm_100": "compute_100"}


@pytest.mark.parametrize("arch", GENCODE)
def test_the_kernels_compile_without_spills(arch: str, tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("needs nvcc")
    command = [
        nvcc,
        "-cubin",
        "-gencode",
        f"arch={GENCODE[arch]},code={arch}",
        "-Xptxas",
        "-v",
        "-Werror",
        "all-warnings",
    ]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "tile.cubin"), str(SOURCE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"(\d+) bytes spill", done.stderr)) == {"0"}, done.stderr
    for name in ("sift", "sift_reference", "norms", "rescore"):
        assert f"Compiling entry function '{name}'" in done.stderr


@pytest.mark.parametrize("arch", ["80", "90a"])
def test_nvrtc_takes_the_source_as_cupy_hands_it_over(arch: str) -> None:
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="needs cupy")
    try:
        nvrtc.getVersion()
    except Exception as error:  # cupy finds no libnvrtc: its exception type is another package's
        pytest.skip(f"needs libnvrtc: {str(error).splitlines()[0]}")
    program = nvrtc.createProgram(SOURCE.read_text(encoding="utf-8"), "tile.cu", [], [])
    try:
        nvrtc.compileProgram(program, ("--std=c++17", f"--gpu-architecture=compute_{arch}"))
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program))


def test_sizes_in_the_source_and_in_python_are_the_same() -> None:
    text = SOURCE.read_text(encoding="utf-8")
    sizes = {name: int(value) for name, value in re.findall(r"\b(SIDE|SLAB|STAGES|THREADS) = (\d+)", text)}
    assert sizes["SIDE"] == schedule.BLOCK
    cuda = pytest.importorskip("fastsim.similarity.cuda", reason="needs cupy")
    assert (sizes["SLAB"], sizes["THREADS"]) == (cuda.SLAB, cuda.THREADS)
    assert 2 * sizes["STAGES"] * sizes["SIDE"] * (sizes["SLAB"] + 8) * 2 == cuda.SHARED_BYTES
    assert cuda.devices("cuda") == [0] and cuda.devices("cuda:1,3") == [1, 3]
    assert cuda.panel_rows(1_000_000, 256, 80 << 30) >= 1_000_000
    assert cuda.panel_rows(100_000_000, 256, 8 << 30) % cuda.SIDE == 0
