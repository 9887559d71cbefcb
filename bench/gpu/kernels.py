"""python -m bench.gpu.kernels: registers, spills and shared memory of every CUDA kernel, by nvcc. Needs no GPU."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.common import table
from fastsim.similarity.kernels import KERNELS, Kernel

ARCHITECTURES = ("sm_80", "sm_89", "sm_90a", "sm_100")


class Use(NamedTuple):
    """What a thread takes: registers, and bytes that did not fit into them."""

    registers: int
    spills: int


class Report(NamedTuple):
    """What ptxas said. warnings: multiplications that it serialised, code that it had to add."""

    functions: dict[str, Use]
    warnings: tuple[str, ...]


def compiled(kernel: Kernel, arch: str) -> Report:
    """`kernel` compiled by nvcc. Raises RuntimeError with the compiler's words."""
    with TemporaryDirectory() as folder:
        source = Path(folder) / "kernels.cu"
        source.write_text(kernel.code, encoding="utf-8")
        command = ["nvcc", "-cubin", "-gencode", f"arch={arch.replace('sm', 'compute')},code={arch}", "-std=c++17"]
        command += ["-Xptxas", "-v", "-Werror", "all-warnings", "-o", str(source.with_suffix(".cubin")), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{kernel.name} for {arch}: {done.stderr.strip()}")
    return parsed(done.stderr)


def parsed(text: str) -> Report:
    """Return the report of `ptxas -v`. Functions that are called by a kernel count as part of none."""
    functions = {}
    for entry in re.split(r"Compiling entry function ", text)[1:]:
        name = entry.split("'")[1]
        spills = max(int(count) for count in re.findall(r"(\d+) bytes spill", entry))
        functions[name] = Use(int(re.findall(r"Used (\d+) registers", entry)[0]), spills)
    return Report(functions, tuple(line for line in text.splitlines() if re.search(r"\(C\d+\)|warning", line)))


def main() -> int:
    """Print the table. Exit 1 where something is spilled or warned of."""
    if shutil.which("nvcc") is None:
        print("nvcc is not on the path; it comes with the CUDA toolkit")
        return 2
    rows, warnings = [], []
    for kernel in KERNELS.values():
        for arch in ARCHITECTURES:
            if kernel.arch in ("", arch):
                report = compiled(kernel, arch)
                warnings += [f"{kernel.name} {arch}: {line}" for line in report.warnings]
                shown = kernel.name, arch, kernel.threads, kernel.shared_bytes
                rows += [
                    (*shown, name, *use) for name, use in report.functions.items() if name == "prefilter" or use.spills
                ]
    print(table(("version", "for", "threads a block", "shared bytes", "function", "registers", "bytes spilled"), rows))
    print("\n".join(warnings))
    return int(bool(warnings) or any(row[-1] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
