"""Device code in shared libraries made small: what a given GPU does not run is overwritten with zeros, which compress to nothing.

A library keeps its length and all addresses. Containers ("fatbins", section .nv_fatbin) hold entries for several
architectures; NVIDIA documents `fatbinary`, not the layout, which is read here from the files themselves.
"""

from __future__ import annotations

import mmap
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MAGIC = 0xBA55ED50
_EM_CUDA = 190
_NOBITS = 8
_PTX = 1
_SMALL = 20_000
"""Bytes: a container up to this size stays, as it is not worth the trouble."""


class Section(NamedTuple):
    """A section of an ELF file that has bytes in the file."""

    name: str
    start: int
    stop: int


class Entry(NamedTuple):
    """Code for one architecture in a container. arch: 90 for sm_90 and sm_90a alike; PTX has none to run on directly."""

    start: int
    stop: int
    is_ptx: bool
    arch: int


class Container(NamedTuple):
    """A container: its header, and its entries up to `stop`."""

    start: int
    body: int
    stop: int
    entries: list[Entry]


def sections(data: mmap.mmap) -> list[Section]:
    """Return the sections of a 64-bit ELF file."""
    table, size, count, names = (struct.unpack_from(form, data, at)[0] for form, at in _HEADER)
    heads = [struct.unpack_from("<IIQQQQ", data, table + k * size) for k in range(count)]
    strings = heads[names][4]
    found = []
    for name, kind, _flags, _address, start, length in heads:
        if kind != _NOBITS:
            end = data.find(b"\0", strings + name)
            found.append(Section(data[strings + name : end].decode(), start, start + length))
    return found


_HEADER = (("<Q", 0x28), ("<H", 0x3A), ("<H", 0x3C), ("<H", 0x3E))


def containers(data: mmap.mmap) -> Iterator[Container]:
    """All containers, in order. Raises ValueError where the layout is not the known one."""
    for section in sections(data):
        at = section.start
        while section.name == ".nv_fatbin" and at < section.stop - 16:
            magic, _version, head, length = struct.unpack_from("<IHHQ", data, at)
            if magic != _MAGIC:
                at += 8
                continue
            body, stop = at + head, at + head + length
            yield Container(at, body, stop, list(_entries(data, body, stop)))
            at = (stop + 7) & ~7


def _entries(data: mmap.mmap, at: int, stop: int) -> Iterator[Entry]:
    while at < stop:
        kind, _, head, length = struct.unpack_from("<HHIQ", data, at)
        end = at + head + length
        if not 0x20 <= head <= 4096 or end > stop + 16:
            raise ValueError(f"an unknown layout of device code at {at:#x}")
        yield Entry(at, end, kind == _PTX, struct.unpack_from("<I", data, at + 0x1C)[0] & 0xFFFF)
        at = end


def keep_architecture(library: Path, arch: int) -> int:
    """Keep the entries for `arch` alone, without PTX. Returns the bytes freed.

    A container without any stays as it is: its kernels may be found by PTX of another one.
    """
    freed = 0
    with library.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        for section in sections(data):
            if section.name == "__nv_relfatbin":  # for linking only
                data[section.start : section.stop] = bytes(section.stop - section.start)
                freed += section.stop - section.start
        for container in list(containers(data)):
            kept = [data[e.start : e.stop] for e in container.entries if not e.is_ptx and e.arch == arch]
            if kept:
                freed += _replace(data, container, b"".join(kept))
        data.flush()
    return freed


def keep_kernels(library: Path, pattern: str) -> int:
    """Empty the containers of which no kernel's name matches `pattern`. After `keep_architecture`. Returns the bytes freed.

    What takes their place is a kernel that does nothing, for an older GPU: to the driver, code that was not built for this
    one, so that a call fails with "no kernel image". Needs nvcc, cuobjdump and readelf.
    """
    freed = 0
    with tempfile.TemporaryDirectory() as folder, library.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        nothing, names = _empty(Path(folder)), iter(_kernel_names(library, Path(folder)))
        for container in list(containers(data)):
            own = [name for entry in container.entries if not entry.is_ptx for name in next(names)]
            small = container.stop - container.body <= max(_SMALL, len(nothing))
            if not small and not any(re.search(pattern, name) for name in own):
                freed += _replace(data, container, nothing)
        data.flush()
    return freed


def clear_programs(library: Path) -> int:
    """Overwrite CUDA programs that lie in .rodata as plain data (ONNX Runtime's fused attention). Returns the bytes freed."""
    freed = 0
    with library.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        for section in sections(data):
            at = data.find(b"\x7fELF\x02", section.start, section.stop) if section.name == ".rodata" else -1
            while at >= 0:
                length = _program_length(data, at)
                if length and at + length <= section.stop:
                    data[at : at + length] = bytes(length)
                    freed += length
                at = data.find(b"\x7fELF\x02", at + 4, section.stop)
        data.flush()
    return freed


def _program_length(data: mmap.mmap, at: int) -> int:
    """Bytes of the ELF file for a GPU that begins at `at`; 0 where it is another one."""
    if struct.unpack_from("<H", data, at + 18)[0] != _EM_CUDA:
        return 0
    segments, table = struct.unpack_from("<QQ", data, at + 0x20)
    segment_size, segment_count, size, count = struct.unpack_from("<HHHH", data, at + 0x36)
    return int(max(table + count * size, segments + segment_count * segment_size))


def _replace(data: mmap.mmap, container: Container, body: bytes) -> int:
    """Put `body` into a container and zeros behind it; returns the zeros."""
    room = container.stop - container.body
    data[container.body : container.stop] = body + bytes(room - len(body))
    struct.pack_into("<Q", data, container.start + 8, len(body))
    return room - len(body)


def _empty(folder: Path) -> bytes:
    """Return the entries of a container with an empty kernel for sm_75."""
    source, made = folder / "empty.cu", folder / "empty.fatbin"
    source.write_text('extern "C" __global__ void nothing_for_this_gpu() {}\n')
    command = ["nvcc", "-fatbin", "-gencode", "arch=compute_75,code=sm_75", "-o", str(made), str(source)]
    subprocess.run(command, check=True)
    data = made.read_bytes()
    _, _, head, length = struct.unpack_from("<IHHQ", data, 0)
    return data[head : head + length]


def _kernel_names(library: Path, folder: Path) -> list[list[str]]:
    """Names of the functions in each entry that is no PTX, in order."""
    command = ["cuobjdump", "-xelf", "all", str(library.resolve())]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    found = {}
    for path in folder.glob("*.cubin"):
        listed = subprocess.run(["readelf", "-sW", str(path)], capture_output=True, text=True, check=True).stdout
        names = [line.split()[-1] for line in listed.splitlines() if " FUNC " in line]
        found[int(path.name.split(".")[-3])] = names
    return [found[number] for number in sorted(found)]
