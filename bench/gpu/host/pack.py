"""python -m bench.gpu.host.pack [--call-mb 64]: what an offline GPU machine lacks, in parts that travel with the checkout.

Wheels for that machine (Python 3.12, CUDA 13, sm_90) are downloaded, stripped of what it does not need, compressed, and cut
into `.gpu1`, `.gpu2`, ... beside the checkout's files, so that each fits into one call of --call-mb (MiB) with them; `.gpu`
has the compiled core. Needs nvcc, cuobjdump (package nvidia-cuda-cuobjdump), readelf, strip and xz. Minutes; do it before
the visit. The machine is expected to have CuPy, PyTorch, NumPy, OpenCV, Pillow, click and pytest.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from bench.gpu.host import device_code

ROOT = Path(__file__).resolve().parents[3]
ARCH, PYTHON = 90, "3.12"
ARCHIVES = {
    "ort": ("onnxruntime-gpu==1.31.1", "platformdirs", "send2trash", "click>=8.5", "flatbuffers"),
    "av": ("av==18.1.0",),
    "dali": (
        "nvidia-dali-cuda130==2.4.0", "nvidia-nvimgcodec-cu13==0.9.0.20", "nvidia-nvjpeg==13.3.2.43", "optree==0.20.0",
        "gast==0.7.0", "astunparse==1.6.3", "six==1.17.0",
    ),
}  # fmt: skip
"""What travels, in the order in which it is needed; each becomes an archive."""
LEFT_OUT = (
    "onnxruntime/capi/libonnxruntime_providers_tensorrt.so", "onnxruntime/capi/libonnxruntime.so.*", "onnxruntime/tools",
    "onnxruntime/transformers", "onnxruntime/quantization", "onnxruntime/backend", "onnxruntime/datasets",
    "onnxruntime/ThirdPartyNotices.txt", "nvidia/libnvcomp/lib64/*.a", "libcst/tests", "*.data", "rec2idx.py", "wds2idx.py",
    "nvidia/nvimgcodec/extensions/libnvjpeg2k_ext*", "nvidia/nvimgcodec/extensions/libnvtiff_ext*", "**/*.pyi", "**/include",
)  # fmt: skip
TOOLS = ("nvcc", "cuobjdump", "readelf", "strip", "xz", "tar")
MIB = 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, default=Path("/tmp/fastsim-gpu-host"), help="folder for wheels and archives"
    )
    parser.add_argument("--call-mb", type=int, default=64, help="MiB that one call carries, the checkout included")
    parser.add_argument("--level", type=int, default=6, choices=range(10), help="of xz")
    options = parser.parse_args()
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        print(f"not on the path: {', '.join(missing)}")
        return 2
    options.work.mkdir(parents=True, exist_ok=True)
    core = _core(options.work)
    archives = {name: _archive(name, wheels, options.work, options.level) for name, wheels in ARCHIVES.items()}
    room = options.call_mb * MIB - _checkout_bytes() - core.stat().st_size - MIB
    if room < MIB:
        print(f"the checkout leaves no room in a call of {options.call_mb} MiB")
        return 1
    _fresh(ROOT / ".gpu")
    shutil.copy(core, ROOT / ".gpu" / core.name)
    for call, pieces in enumerate(cut({name: path.read_bytes() for name, path in archives.items()}, room), 1):
        folder = _fresh(ROOT / f".gpu{call}")
        for name, data in pieces.items():
            (folder / name).write_bytes(data)
        sizes = ", ".join(f"{name} {len(data) / 1e6:.1f} MB" for name, data in pieces.items())
        print(f"call {call}: carry .gpu and .gpu{call} ({sizes}); python3 bench/gpu/host/there.py {call}")
    return 0


def cut(archives: dict[str, bytes], room: int) -> list[dict[str, bytes]]:
    """Return the files of each call, `room` bytes at most: `NAME.tar.xz.PIECEofPIECES`.

    Only the last archive is cut, into as few pieces as fit; the others travel whole if they can.
    """
    calls: list[dict[str, bytes]] = [{}]
    last = list(archives)[-1]
    for name, data in archives.items():
        if name != last and len(data) > _left(calls[-1], room) and len(data) <= room:
            calls.append({})
        pieces: list[tuple[dict[str, bytes], bytes]] = []
        at = 0
        while at < len(data):
            if _left(calls[-1], room) < min(MIB, room):
                calls.append({})
            piece = data[at : at + _left(calls[-1], room)]
            pieces.append((calls[-1], piece))
            calls[-1][f"{name}.{at}"] = piece  # its name follows when the number of pieces is known
            at += len(piece)
        start = 0
        for k, (call, piece) in enumerate(pieces):
            call[f"{name}.tar.xz.{k}of{len(pieces)}"] = call.pop(f"{name}.{start}")
            start += len(piece)
    return calls


def _left(call: dict[str, bytes], room: int) -> int:
    return room - sum(map(len, call.values()))


def _core(work: Path) -> Path:
    """Return the compiled core: abi3, so that any later Python takes it."""
    shutil.rmtree(work / "core", ignore_errors=True)
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(work / "core"), str(ROOT)]
    subprocess.run(wheel, check=True)
    with zipfile.ZipFile(next((work / "core").glob("fastsim*.whl"))) as archive:
        name = next(name for name in archive.namelist() if name.startswith("fastsim/_core") and name.endswith(".so"))
        return Path(archive.extract(name, work / "core"))


def _archive(name: str, packages: tuple[str, ...], work: Path, level: int) -> Path:
    """Return an archive of `packages`, made small."""
    wheels, tree = work / "wheels" / name, work / name
    wheels.mkdir(parents=True, exist_ok=True)
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 17)] + ["manylinux2014_x86_64"]
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(wheels)]
    download += ["--python-version", PYTHON, "--implementation", "cp"]
    subprocess.run([*download, *(f"--platform={platform}" for platform in platforms), *packages], check=True)
    shutil.rmtree(tree, ignore_errors=True)
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tree)
    slim(tree)
    made, compression = work / f"{name}.tar.xz", ["-T2", "--x86", f"--lzma2=preset={level},dict=64MiB"]
    with (
        made.open("wb") as file,
        subprocess.Popen(["tar", "-C", str(tree), "-cf", "-", "."], stdout=subprocess.PIPE) as tar,
    ):
        subprocess.run(["xz", *compression], stdin=tar.stdout, stdout=file, check=True)
    print(f"{name}: {made.stat().st_size / 1e6:.1f} MB", flush=True)
    return made


def slim(tree: Path) -> None:
    """Remove what the machine does not need from unpacked packages: files, code for other GPUs, symbols."""
    for pattern in LEFT_OUT:
        for path in list(tree.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in tree.rglob("*.cpython-*"):
        if f"cpython-{PYTHON.replace('.', '')}-" not in path.name:
            path.unlink()
    for library in [path for path in tree.rglob("*.so*") if path.is_file() and not path.is_symlink()]:
        if library.stat().st_size < 100_000 or library.read_bytes()[:4] != b"\x7fELF":
            continue
        device_code.keep_architecture(library, ARCH)
        if library.name == "libonnxruntime_providers_cuda.so":
            device_code.keep_kernels(library, "_ZN11onnxruntime4cuda")  # no attention, no mixture of experts
            device_code.clear_programs(library)
        elif "dali" in library.parts or "dali" in library.name:
            subprocess.run(["strip", "--strip-unneeded", str(library)], check=True)


def _checkout_bytes() -> int:
    """Of what travels anyway: tracked files, and untracked ones that are not ignored."""
    listed = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    paths = [ROOT / name.decode("utf-8", "surrogateescape") for name in names if name]
    return sum(path.lstat().st_size for path in paths if path.exists())


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
