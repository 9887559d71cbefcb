"""CuPy's place taken by NumPy, so that what surrounds the kernels runs where there is no GPU.

It is unkind where a GPU may be: what is put on a stream happens only when somebody waits for it, fresh memory is full of
garbage, and every byte that crosses between host and device is counted. The kernels are NumPy's own arithmetic. It shows
that addresses, slices, orders and waits fit together; it says nothing about CuPy, CUDA or speed.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import numpy as np


class Moved:
    """Bytes that crossed."""

    up = down = 0


class Array(np.ndarray):
    """An array on the device."""

    @property
    def data(self) -> _Pointer:  # type: ignore[override]
        return _Pointer(self)

    def get(self) -> np.ndarray:
        _wait_for_all()
        Moved.down += self.nbytes
        return np.array(self)


class _Pointer:
    def __init__(self, array: Array) -> None:
        self.ptr, self._array = array.ctypes.data, array

    def copy_to_host_async(self, address: int, size: int, stream: Stream) -> None:
        assert self._array.flags.c_contiguous and size <= self._array.nbytes
        source, Moved.down = self._array, Moved.down + size
        stream.put(lambda: ctypes.memmove(address, source.ctypes.data, size))


class Stream:
    """Work that waits to be waited for."""

    all: list[Stream] = []  # noqa: RUF012
    ptr = 0

    def __init__(self, non_blocking: bool = False) -> None:
        assert non_blocking, "the default stream waits for all others"
        self._todo: list[Callable[[], object]] = []
        Stream.all.append(self)

    def put(self, work: Callable[[], object]) -> None:
        self._todo.append(work)

    def wait_event(self, event: Event) -> None:
        self.put(event.synchronize)

    def synchronize(self) -> None:
        while self._todo:
            self._todo.pop(0)()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None: ...


class Event:
    def __init__(self, disable_timing: bool = False) -> None:
        self._passed = True

    def record(self, stream: Stream) -> None:
        self._stream, self._passed = stream, False
        stream.put(lambda: setattr(self, "_passed", True))

    def synchronize(self) -> None:
        while not self._passed:
            self._stream._todo.pop(0)()


Stream.null = Stream(True)  # type: ignore[attr-defined]


class Device:
    memory = 1 << 34
    """Free bytes."""

    compute_capability = "80"
    attributes = {"MaxSharedMemoryPerBlockOptin": 163 * 1024}  # noqa: RUF012

    def __init__(self, number: int = 0) -> None:
        self.id = number

    @property
    def mem_info(self) -> tuple[int, int]:
        return Device.memory, Device.memory

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *exception: object) -> None: ...


class RawModule:
    def __init__(self, code: str, options: tuple[str, ...]) -> None:
        assert 'extern "C"' in code

    def get_function(self, name: str) -> _Kernel:
        return _Kernel({"prefilter_reference": _prefilter}.get(name) or globals()[f"_{name}"])


class _Kernel:
    max_dynamic_shared_size_bytes = 0

    def __init__(self, work: Callable[..., None]) -> None:
        self._work = work

    def __call__(self, _grid: object, _block: object, arguments: tuple[object, ...], shared_mem: int = 0) -> None:
        assert all(not isinstance(one, np.ndarray) or isinstance(one, Array) for one in arguments), "a host array"
        self._work(*arguments)


def _norms(rows: Array, n: int, d: int, norm: Array) -> None:
    assert rows.flags.c_contiguous and rows.dtype == np.uint16
    with np.errstate(all="ignore"):
        square = (_wide(rows[:n], d) ** 2).sum(axis=1)
        norm[:n] = np.where(np.isfinite(square) & (square > 0), np.sqrt(square), np.nan)


def _prefilter(a, b, norm_a, norm_b, label_a, label_b, low_a, na, nb, d, upper, low, count, left, right, room) -> None:  # type: ignore[no-untyped-def] # noqa: PLR0917
    least = low_a[:na, None] if isinstance(low_a, Array) else low
    with np.errstate(all="ignore"):
        good = _wide(a[:na], d) @ _wide(b[:nb], d).T >= least * np.outer(norm_a[:na], norm_b[:nb])
    if upper == 1:
        good &= np.triu(np.ones_like(good), 1)
    if upper == 2:
        good &= ~np.eye(*good.shape, dtype=bool)
    if isinstance(label_a, Array):
        good &= label_a[:na, None] != label_b[None, :nb]
    rows, columns = np.nonzero(good)
    count[0] = len(rows)
    left[: min(len(rows), room)], right[: min(len(rows), room)] = rows[:room], columns[:room]


def _rescore(a, b, norm_a, norm_b, d, count, left, right, room, score) -> None:  # type: ignore[no-untyped-def] # noqa: PLR0917
    n = min(int(count[0]), int(room))
    i, j = left[:n], right[:n]
    score[:n] = np.minimum((_wide(a[i], d) * _wide(b[j], d)).sum(axis=1) / (norm_a[i] * norm_b[j]), 1)


def _wide(rows: Array, d: int) -> np.ndarray:
    assert rows.shape[1] == d
    return np.asarray(rows).view(np.float16).astype(np.float32)


def _wait_for_all() -> None:
    for stream in Stream.all:
        stream.synchronize()


def _device(array: np.ndarray) -> Array:
    return array.view(Array)


def asarray(array: np.ndarray) -> Array:
    if isinstance(array, Array):
        return array
    Moved.up += array.nbytes
    return _device(np.array(array))


def empty(shape: object, dtype: object) -> Array:
    garbage = np.empty(shape, dtype)  # type: ignore[call-overload]
    garbage.reshape(-1).view(np.uint8)[:] = 0x7B
    return _device(garbage)


class Binding:
    """A binding of the CPU provider that takes the addresses of the `device`, which are the host's."""

    def __init__(self, inner: object) -> None:
        self.inner = inner
        self.get_outputs = inner.get_outputs  # type: ignore[attr-defined]

    def bind_input(self, name: str, device: str, *rest: object) -> None:
        assert device == "cuda"
        self.batch: int = rest[2][0]  # type: ignore[index]
        self.inner.bind_input(name, "cpu", *rest)  # type: ignore[attr-defined]

    def bind_output(self, name: str, device: str, *rest: object) -> None:
        assert device == "cuda"
        self.inner.bind_output(name, "cpu", *(rest if len(rest) > 1 else ()))  # type: ignore[attr-defined]


class Session:
    """A session of the CPU provider under the name of the CUDA one."""

    def __init__(self, source: str | bytes) -> None:
        import onnxruntime as ort

        settings = ort.SessionOptions()
        settings.log_severity_level = 3
        self._inner = ort.InferenceSession(source, settings, providers=["CPUExecutionProvider"])
        self.get_inputs, self.get_outputs = self._inner.get_inputs, self._inner.get_outputs

    def io_binding(self) -> Binding:
        return Binding(self._inner.io_binding())

    def run_with_iobinding(self, binding: Binding, options: object) -> None:
        self._inner.run_with_iobinding(binding.inner, options)


def module() -> ModuleType:
    """Return what `import cupy` gives."""
    made = ModuleType("cupy")
    for kind in ("uint8", "uint16", "uint32", "int32", "float16", "float32"):
        setattr(made, kind, getattr(np, kind))
    made.ndarray, made.asarray, made.empty, made.RawModule = Array, asarray, empty, RawModule  # type: ignore[attr-defined]
    made.zeros = lambda shape, dtype: _device(np.zeros(shape, dtype))  # type: ignore[attr-defined]
    made.concatenate = lambda parts: _device(np.concatenate(parts))  # type: ignore[attr-defined]
    made.ascontiguousarray = lambda array: _device(np.ascontiguousarray(array))  # type: ignore[attr-defined]
    made.argwhere = lambda array: _device(np.argwhere(array))  # type: ignore[attr-defined]
    made.cuda = SimpleNamespace(  # type: ignore[attr-defined]
        get_elapsed_time=lambda _begin, _end: 1.0,
        Device=Device, Stream=Stream, Event=Event, alloc_pinned_memory=bytearray,
        memory=SimpleNamespace(OutOfMemoryError=MemoryError),
    )  # fmt: skip
    return made


USERS = (
    "fastsim.embedding.onnxruntime_cuda", "fastsim.embedding.row_store", "fastsim.similarity.cuda",
)  # fmt: skip


def install(monkeypatch: object) -> None:
    """`import cupy` gives this module, and fastsim's backends are imported anew with it; counts begin at 0."""
    monkeypatch.setitem(sys.modules, "cupy", module())  # type: ignore[attr-defined]
    for name in USERS:
        package, _, attribute = name.rpartition(".")
        home = importlib.import_module(package)
        monkeypatch.setitem(sys.modules, name, home)  # type: ignore[attr-defined]
        monkeypatch.setattr(home, attribute, None, raising=False)  # type: ignore[attr-defined]
        del sys.modules[name]  # what was there before, if anything, comes back at the test's end
        delattr(home, attribute)
        importlib.import_module(name)
    Moved.up = Moved.down = 0
    Device.memory = 1 << 34
    Stream.all[:] = [Stream.null]  # type: ignore[attr-defined]


def install_session(monkeypatch: object) -> None:
    """ONNX Runtime's CPU provider in the CUDA one's place. After `install`."""
    backend = importlib.import_module("fastsim.embedding.onnxruntime_cuda")
    monkeypatch.setattr(backend, "open_session", lambda source, *_rest: backend.CudaSession(Session(source), ""))  # type: ignore[attr-defined]


def install_decoder(monkeypatch: object, dali: object) -> None:
    """DALI decodes on the CPU, and its pictures count as the device's."""
    taken, build = dali.taken, dali.build  # type: ignore[attr-defined]
    monkeypatch.setattr(dali, "taken", lambda pictures, _device: taken(pictures, None).view(Array))  # type: ignore[attr-defined]
    monkeypatch.setattr(dali, "build", lambda batch, workers, _device: build(batch, workers, None))  # type: ignore[attr-defined]
