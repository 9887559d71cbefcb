"""Compare all pairs with CUDA: kernels/ through CuPy, with the schedule of schedule.py. Not yet run on a GPU.

Rows that a network left on the device are compared in place. Others are copied there as float16, padded with zero
columns; if they do not fit, panels of them are copied as the schedule needs them. Only candidates come back, 12 bytes
each. Scores have the bits of the C kernels.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cupy as cp
import numpy as np

from fastsim.device import Device
from fastsim.errors import FastsimError
from fastsim.records.arrays import Float16Array, Float32Array, Int32Array
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import DeviceRows
from fastsim.run.progress import Bar
from fastsim.run.traffic import Traffic
from fastsim.similarity import Labels, kernels, schedule
from fastsim.similarity.cpu import Tile
from fastsim.similarity.kernels import SLAB
from fastsim.similarity.tensor_map import Matrix, tensor_map

SIDE = 32768
"""Rows and columns of a tile: 2.7e11 operations at d = 256, about a millisecond, so that launching costs little."""
ROOM = 1 << 22
"""Candidates that one tile can return; 48 MB, three times per device."""
SHARE = 0.6
"""Fraction of the free device memory that rows may take."""
THREADS = 256
"""Threads per block of `norms` and `rescore`."""
OPTIONS = ("--std=c++17",)
_OUT_OF_MEMORY = (cp.cuda.memory.OutOfMemoryError,)


REFERENCE = kernels.KERNELS["simple"]._replace(
    name="prefilter_reference", rows=16, columns=16, threads=256, shared_bytes=0
)
"""The plain kernel, described like a version."""


def margin(d: int) -> float:
    """Return how far below the threshold `prefilter` keeps pairs.

    That is 2^-23 (an accumulation that truncates) for each of d products, ten times the error of d / 16 tensor core
    steps seen elsewhere, and 1e-5 for the norms and the score.
    """
    return 1e-5 + d * 2.0**-23


def _version(name: str, device: Any, d: int) -> kernels.Kernel:
    if name == "prefilter_reference":
        return REFERENCE
    limits = kernels.Limits(device.compute_capability, device.attributes["MaxSharedMemoryPerBlockOptin"])
    return kernels.KERNELS[name] if name else kernels.chosen(limits, d)


class Module:
    """The functions of one version of the kernels, compiled for the current device."""

    def __init__(self, kernel: kernels.Kernel) -> None:
        if not kernel.arch:
            self._module = cp.RawModule(code=kernel.code, options=OPTIONS)
            return
        self._folder = TemporaryDirectory(prefix="fastsim-")  # CuPy reads the file when a function is first called
        path = os.path.join(self._folder.name, f"{kernel.name}.cubin")
        with open(path, "wb") as file:
            file.write(cubin(kernel.code, kernel.arch))
        self._module = cp.RawModule(path=path)

    def function(self, name: str) -> Any:
        """Return the kernel of this name."""
        return self._module.get_function(name)


def cubin(code: str, arch: str) -> bytes:
    """Compile `code` for one architecture such as sm_90a, which CuPy itself does not request. Needs no GPU."""
    from cupy_backends.cuda.libs import nvrtc

    program = nvrtc.createProgram(code, "kernels.cu", [], [])
    try:
        nvrtc.compileProgram(program, (*OPTIONS, f"--gpu-architecture={arch}"))
        return bytes(nvrtc.getCUBIN(program))
    except nvrtc.NVRTCError as error:
        raise RuntimeError(f"{error}: {nvrtc.getProgramLog(program)}") from None
    finally:
        nvrtc.destroyProgram(program)


class _Panel(NamedTuple):
    rows: Any  # cupy uint16[m, d]
    norms: Any  # cupy float32[m]


class _Slot(NamedTuple):
    count: Any  # cupy uint32[1]
    left: Any  # cupy int32[room], inside the tile
    right: Any
    score: Any  # cupy float32[room]
    seen: Any  # numpy uint32[1] in pinned memory: the count, copied there behind the kernels


class CudaLauncher:
    """One device with a stream for kernels and one for copies.

    With two streams, copies do not queue behind tiles that were launched later. `kernel`: a version in
    kernels.KERNELS, or `prefilter_reference` for tests; by default the one that kernels.chosen returns. `resident`: the
    rows, if they are on a device already; used if it is this one.
    """

    def __init__(
        self, device: int, vectors: Float16Array, thres: float, *, panel: int, room: int = ROOM, kernel: str = "",
        resident: DeviceRows | None = None, traffic: Traffic | None = None,
    ) -> None:  # fmt: skip
        self.room, self._traffic = room, traffic or Traffic()
        self._vectors, self._thres, self._size = vectors, np.float32(thres), panel
        self._d = -(-vectors.shape[1] // SLAB) * SLAB
        self._low = np.float32(thres - margin(self._d))
        self._device = cp.cuda.Device(device)
        self._panels: OrderedDict[int, _Panel] = OrderedDict()
        with self._device:
            self.stream, self._copies = cp.cuda.Stream(non_blocking=True), cp.cuda.Stream(non_blocking=True)
            self._kernel = _version(kernel, self._device, self._d)
            self._module = Module(self._kernel)
            name = "prefilter_reference" if kernel == "prefilter_reference" else "prefilter"
            self._prefilter, self._norms, self._rescore = map(self._module.function, (name, "norms", "rescore"))
            if self._kernel.shared_bytes:
                self._prefilter.max_dynamic_shared_size_bytes = self._kernel.shared_bytes
            with self.stream:
                self._slots = [self._slot() for _ in range(schedule.DEPTH)]
                here = resident is not None and resident.device == device
                self._whole = self._padded(resident.rows) if resident is not None and here else None

    def _slot(self) -> _Slot:
        seen = np.frombuffer(cp.cuda.alloc_pinned_memory(4), np.uint32, 1)  # keeps the pinned memory alive
        left, right = cp.empty(self.room, cp.int32), cp.empty(self.room, cp.int32)
        return _Slot(cp.zeros(1, cp.uint32), left, right, cp.empty(self.room, cp.float32), seen)

    def _panel(self, number: int) -> _Panel:
        """Return rows number * panel..., copied to the device unless they are among the last three used.

        Memory of the panel that is evicted is reused on the same stream only, so that no kernel in flight loses it.
        """
        part = slice(number * self._size, (number + 1) * self._size)
        if self._whole is not None:
            return _Panel(self._whole.rows[part], self._whole.norms[part])
        if number in self._panels:
            self._panels.move_to_end(number)
            return self._panels[number]
        if len(self._panels) == 3:
            self._panels.popitem(last=False)
        here = np.ascontiguousarray(self._vectors[part])
        self._traffic.up("vectors", here.nbytes)
        self._panels[number] = self._padded(cp.asarray(here))
        return self._panels[number]

    def _padded(self, rows: Any) -> _Panel:
        """Return a panel of cupy float16[m, d]: the same memory if d needs no padding."""
        rows = rows.view(cp.uint16)
        if rows.shape[1] != self._d:
            wide = cp.zeros((len(rows), self._d), cp.uint16)
            wide[:, : rows.shape[1]] = rows
            rows = wide
        norms = cp.empty(len(rows), cp.float32)
        self._norms((1024,), (THREADS,), (rows, np.int32(len(rows)), np.int32(self._d), norms))
        return _Panel(rows, norms)

    def launch(
        self, tile: Tile, row_labels: Int32Array, col_labels: Int32Array, lows: Float32Array | None = None
    ) -> CudaTicket:
        """Start a tile, see `schedule.Launcher`. Raises FastsimError if the device has no memory for the rows.

        With `lows` (float32[rows of the tile]), all pairs except those of a row with itself count if they reach the
        low of their left row; a tile on the diagonal then has the same rows on both sides.
        """
        with self._device, self.stream:
            try:
                return self._launch(tile, row_labels, col_labels, lows)
            except _OUT_OF_MEMORY as error:
                raise FastsimError(
                    f"--device cuda:{self._device.id}: out of device memory while comparing ({error}); "
                    "end other programs on the GPU, or use --device cpu"
                ) from None

    def _launch(
        self, tile: Tile, row_labels: Int32Array, col_labels: Int32Array, lows: Float32Array | None
    ) -> CudaTicket:
        a, b = self._panel(tile.r0 // self._size), self._panel(tile.c0 // self._size)
        r0, c0 = tile.r0 % self._size, tile.c0 % self._size
        na, nb = tile.r1 - tile.r0, tile.c1 - tile.c0
        if r0 + na > len(a.rows) or c0 + nb > len(b.rows):
            raise ValueError(f"launch: {tile} crosses a panel of {self._size} rows")
        operands = (a.rows[r0:], b.rows[c0:], a.norms[r0:], b.norms[c0:])
        rows = self._boxes(operands[0], na, operands[1], nb) if self._kernel.tensor_maps else operands[:2]
        sent: list[Any] = [row_labels, col_labels] if len(row_labels) else []
        low, mode = self._low, kernels.UPPER if tile.r0 == tile.c0 else 0
        if lows is not None:
            sent = [lows - np.float32(margin(self._d))]
            low, mode = sent[0].min(), kernels.OFF_DIAGONAL if mode else 0
        there = self._sent(sent)
        none = np.intp(0)
        marks = (none, none, *there) if lows is not None else (*(there or (none, none)), none)
        slot, d = self._slots.pop(), np.int32(self._d)
        slot.count.fill(0)
        outputs = (slot.count, slot.left, slot.right, np.uint32(self.room))
        numbers = (np.int32(na), np.int32(nb), d, np.int32(mode), np.float32(low))
        shape = (16, 16) if self._kernel is REFERENCE else (self._kernel.threads,)
        arguments = (*rows, *operands[2:], *marks, *numbers, *outputs)
        self._prefilter(self._kernel.grid(nb, na), shape, arguments, shared_mem=self._kernel.shared_bytes)
        self._rescore((1024,), (THREADS,), (*operands, d, *outputs, slot.score))
        slot.count.data.copy_to_host_async(slot.seen.ctypes.data, 4, self.stream)
        done = cp.cuda.Event(disable_timing=True)
        done.record(self.stream)
        return CudaTicket(self, tile, slot, there, done)

    def _boxes(self, a: Any, na: int, b: Any, nb: int) -> tuple[Any, Any]:
        """Return tensor maps of the tile's rows; CuPy passes NumPy arrays by value."""
        maps = (Matrix(int(a.data.ptr), na, self._d), Matrix(int(b.data.ptr), nb, self._d))
        return tensor_map(maps[0], kernels.HOPPER_BOX_ROWS[0]), tensor_map(maps[1], kernels.HOPPER_BOX_ROWS[1])

    def _sent(self, parts: list[Any]) -> tuple[Any, ...]:
        """Copy labels or lows to the device.

        Hold them until the tile is done: their memory belongs to the stream of copies.
        """
        if not parts:
            return ()
        with self._copies:
            marks = tuple(cp.asarray(part) for part in parts)
            there = cp.cuda.Event(disable_timing=True)
            there.record(self._copies)
        self._traffic.up("labels" if len(parts) == 2 else "lows", sum(mark.nbytes for mark in marks))
        self.stream.wait_event(there)
        return marks

    def finish(self, tile: Tile, slot: _Slot, done: Any) -> schedule.Hits:
        """Wait for a tile, and read the pairs that reach the threshold."""
        with self._device, self._copies:
            done.synchronize()
            total = int(slot.seen[0])
            left, right, score = (part[: min(total, self.room)].get() for part in slot[1:4])
        self._traffic.down("pairs", 4 + 12 * len(left))
        self._slots.append(slot)
        good = score >= self._thres
        rows, columns = left[good].astype(np.int64) + tile.r0, right[good].astype(np.int64) + tile.c0
        return schedule.Hits(total, PairBlock(rows, columns, score[good]))


class CudaTicket(NamedTuple):
    """A tile in flight; see `schedule.Ticket`."""

    launcher: CudaLauncher
    tile: Tile
    slot: _Slot
    marks: tuple[Any, ...]
    done: Any

    def result(self) -> schedule.Hits:
        """Wait for the tile, and return what it found."""
        return self.launcher.finish(self.tile, self.slot, self.done)


def panel_rows(n: int, d: int, free: int, side: int = SIDE) -> int:
    """Return the rows of a panel: all of them if they fit into SHARE of `free` bytes, else a third of what fits."""
    row_bytes = 2 * (-(-d // SLAB) * SLAB) + 4
    whole = max(1, -(-n // side)) * side
    fit = int(free * SHARE) // row_bytes
    # copying a panel takes room for it twice: the unpadded rows as they arrive, and the padded ones
    return whole if 2 * whole <= fit else max(side, fit // 4 // side * side)


def open_launchers(
    vectors: Float16Array, thres: float, *, device: Device, resident: DeviceRows | None = None,
    traffic: Traffic | None = None, side: int = SIDE, panel: int | None = None, room: int = ROOM, kernel: str = "",
) -> tuple[list[CudaLauncher], int]:  # fmt: skip
    """Return a launcher for each device that `device` names, and the rows of a panel: all of them if they fit."""
    n, d = vectors.shape
    numbers = device.indices
    if panel is None:
        bringing = [k for k in numbers if resident is None or resident.device != k]
        fits = [panel_rows(n, d, cp.cuda.Device(k).mem_info[0], side) for k in bringing]
        panel = min(fits, default=-(-n // side) * side)
    return [
        CudaLauncher(k, vectors, thres, panel=panel, room=room, kernel=kernel, resident=resident, traffic=traffic)
        for k in numbers
    ], panel


def pair_blocks(
    vectors: Float16Array, thres: float, *, device: Device, labels: Labels | None = None, bar: Bar | None = None,
    resident: DeviceRows | None = None, traffic: Traffic | None = None,
    side: int = SIDE, panel: int | None = None, room: int = ROOM, kernel: str = "",
) -> Iterator[PairBlock]:  # fmt: skip
    """Yield similar pairs, see `similarity.pair_blocks`; vectors float16[n, d], thres the effective one.

    resident: the same rows on a device. The last four are for tests.
    """
    n = len(vectors)
    if n < 2:
        return
    launchers, panel = open_launchers(
        vectors, thres, device=device, resident=resident, traffic=traffic, side=side, panel=panel, room=room,
        kernel=kernel,
    )  # fmt: skip
    yield from schedule.pair_blocks(launchers, schedule.tiles(n, side, panel), labels=labels, bar=bar)
