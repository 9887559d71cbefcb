"""Run the network on ONNX Runtime's CUDA or TensorRT provider, on one stream with CuPy. Not yet run on a GPU.

Pixels on the device stay there: input and output are bound by their addresses, and the output is a row slice of the
matrix that the similarity stage compares (row_store.py). The graph itself ends in float16 unit rows. The host gets a
copy of each row once, half a kilobyte, while later batches run: for the cache, the keepers and the report.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cupy as cp
import numpy as np

from fastsim.device import Device
from fastsim.embedding import RanOn
from fastsim.embedding.onnxruntime_import import ort
from fastsim.embedding.row_store import RowStore, Sent
from fastsim.errors import FastsimError, UsageError
from fastsim.model import Model
from fastsim.records.arrays import Float16Array, Float32Array, Int64Array
from fastsim.records.rows import DeviceRows, FrameBatch
from fastsim.run.traffic import Traffic

IN_FLIGHT = 3
"""Batches whose outputs have not been read yet."""
PROVIDERS = {"onnxruntime": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class _Running(NamedTuple):
    batch: FrameBatch
    pixels: Any  # cupy uint8; a raw binding holds no reference, so it is kept here until the stream has passed it
    binding: Any
    sent: Sent


class CudaNetwork:
    """One session on device `cuda:N`.

    Every call has `batch` images: the last one is padded, so that shapes are tuned only once. If device memory runs
    out, the batch is halved, and `ran_on.precision` says so.
    """

    def __init__(
        self, model: Model, *, device: Device, runtime: str, batch: int, cache: str | None = None,
        traffic: Traffic | None = None, softplus: bool = True, pooling: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Open the session. softplus, pooling: see `device_graph`; options: of the provider, in place of our own."""
        self._path, self._batch, self._traffic = model.path, batch, traffic or Traffic()
        self._number = device.first
        self._device = cp.cuda.Device(self._number)
        with self._device:
            self._stream = cp.cuda.Stream(non_blocking=True)
        provider = PROVIDERS[runtime]
        graph = graph_of(model, softplus, pooling)
        self._session, note = open_session(
            graph.source, provider, options_of(provider, self._number, self._stream.ptr, cache) | dict(options or {})
        )
        self._input, self._output = self._session.get_inputs()[0], self._session.get_outputs()[0].name
        shape = [axis if isinstance(axis, int) else None for axis in self._input.shape]
        form = model.input_format(self._input.type, shape)
        if not form.uint8 or form.layout != "NHWC":
            raise UsageError(
                f"--model {model.path}: the cuda backend takes models with uint8 NHWC input; use --device cpu"
            )
        self._run_options = ort.RunOptions()
        self._run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._dtype = np.float16 if graph.ends_in_unit_rows else np.float32
        self._precision, self._most = ", ".join(filter(None, (graph.precision, note))), 0
        self._store: RowStore | None = None
        self._tail: tuple[int, ...] = ()
        self.ran_on = RanOn(f"cuda:{self._number}", f"ONNX Runtime {ort.__version__} ({provider})", self._precision)

    def reserve(self, most: int) -> None:
        """Keep the rows, see `KeepsRows`. Only rows that the graph has scaled to unit length are kept."""
        self._most, self._store = (most if self._dtype is np.float16 else 0), None

    def kept(self, order: Int64Array) -> DeviceRows | None:
        """Return the kept rows, see `KeepsRows`."""
        if self._store is None:
            return None
        with self._device, self._stream:
            rows = self._store.take(order, self._stream)
        return None if rows is None else DeviceRows(self._number, rows)

    def run(self, batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Float32Array | Float16Array]]:
        """Yield batches with their rows, see `Network.run`. Raises FastsimError if the network fails.

        `pixels` may be NumPy or CuPy arrays.
        """
        busy: deque[_Running] = deque()
        try:
            for batch in batches:
                if self._store is None:  # before the first slice: this is where the batch size may shrink
                    self._store = self._opened_store(batch.pixels.shape[1:])
                for part in self._parts(batch):
                    busy.append(self._start(part, self._store))
                    if len(busy) == IN_FLIGHT:
                        yield self._finish(busy.popleft())
            while busy:
                yield self._finish(busy.popleft())
        finally:  # if the run ends early, nothing stays in flight
            while busy:
                self._finish(busy.popleft())

    def _opened_store(self, shape: tuple[int, ...]) -> RowStore:
        with self._device, self._stream:
            width = self._first(cp.zeros((self._batch, *shape), cp.uint8))
            return RowStore(
                batch=self._batch, width=width, dtype=self._dtype, in_flight=IN_FLIGHT, most=self._most,
                traffic=self._traffic,
            )  # fmt: skip

    def _parts(self, batch: FrameBatch) -> Iterator[FrameBatch]:
        """Split `batch` into parts of at most the batch size; there is one, unless memory ran out before."""
        for at in range(0, len(batch.ids), self._batch):
            stop = at + self._batch
            yield FrameBatch(batch.ids[at:stop], batch.pixels[at:stop], batch.sizes[at:stop])

    def _start(self, batch: FrameBatch, store: RowStore) -> _Running:
        with self._device, self._stream:
            if not isinstance(batch.pixels, cp.ndarray):
                self._traffic.up("pixels", batch.pixels.nbytes)
            made = cp.cuda.Event(disable_timing=True)  # frames of a video are stacked on the default stream
            made.record(cp.cuda.Stream.null)
            self._stream.wait_event(made)
            pixels = cp.asarray(batch.pixels)
            missing = self._batch - len(pixels)
            if missing > 0:
                pixels = cp.concatenate([pixels, cp.zeros((missing, *pixels.shape[1:]), cp.uint8)])
            pixels = cp.ascontiguousarray(pixels)
            output = store.slot(len(batch.ids))
            binding = self._session.io_binding()
            binding.bind_input(
                self._input.name, "cuda", self._number, np.uint8, tuple(pixels.shape), int(pixels.data.ptr)
            )
            shape = (*output.shape, *self._tail)
            binding.bind_output(self._output, "cuda", self._number, self._dtype, shape, int(output.data.ptr))
            self._call(binding)
            return _Running(batch, pixels, binding, store.send(output, len(batch.ids), self._stream))

    def _first(self, pixels: Any) -> int:
        """Return the width of the output, from a first run that also finds the batch size that fits."""
        while True:
            try:
                binding = self._session.io_binding()
                shape = (self._batch, *pixels.shape[1:])
                binding.bind_input(self._input.name, "cuda", self._number, np.uint8, shape, int(pixels.data.ptr))
                binding.bind_output(self._output, "cuda", self._number)
                self._call(binding)
                self._stream.synchronize()
                shape = tuple(binding.get_outputs()[0].shape())
                self._tail = shape[2:]
                return output_width(shape, self._batch, str(self._path))
            except FastsimError as error:
                if "memory" not in str(error).lower() or self._batch == 1:
                    raise
                self._batch //= 2
                note = f"{self._precision}, batch {self._batch}: more did not fit the device"
                self.ran_on = RanOn(self.ran_on.device, self.ran_on.runtime, note)

    def _call(self, binding: Any) -> None:
        try:
            self._session.run_with_iobinding(binding, self._run_options)
        except Exception as error:  # onnxruntime's own exception types have no common base
            reason = str(error).strip().splitlines()[0]
            raise FastsimError(f"--model {self._path}: can't be run on cuda:{self._number} ({reason})") from None

    def _finish(self, running: _Running) -> tuple[FrameBatch, Float32Array | Float16Array]:
        assert self._store is not None
        with self._device:
            return running.batch, self._store.receive(running.sent)


def output_width(shape: Sequence[int], batch: int, path: str) -> int:
    """Return d of an output [batch, d] or [batch, d, 1, 1]. Raises UsageError for any other."""
    if len(shape) < 2 or shape[0] != batch or any(axis != 1 for axis in shape[2:]):
        raise UsageError(f"--model {path}: its output has shape {list(shape)}; one vector an image is needed")
    return int(shape[1])


class Graph(NamedTuple):
    """The source of a session: an ONNX model or its path, its arithmetic in words, and whether it outputs unit rows."""

    source: str | bytes
    precision: str
    ends_in_unit_rows: bool


def graph_of(model: Model, softplus: bool = True, pooling: bool = True) -> Graph:
    """Return the graph in float16 if the onnx package is installed and the graph allows it."""
    try:
        from fastsim.embedding.graph.device import device_graph
    except ImportError:
        return Graph(str(model.path), "float32 (float16 needs the package onnx)", False)
    return Graph(*device_graph(str(model.path), softplus=softplus, pooling=pooling), True)


def options_of(provider: str, device: int, stream: int, cache: str | None) -> dict[str, str]:
    """Return the options of a provider. HEURISTIC, because EXHAUSTIVE tunes again at every shape."""
    common = {"device_id": str(device), "user_compute_stream": str(stream)}
    if provider == "TensorrtExecutionProvider":
        folder = os.path.join(cache or os.path.expanduser("~/.cache/fastsim"), "tensorrt")
        os.makedirs(folder, exist_ok=True)
        return common | {
            "trt_fp16_enable": "1", "trt_engine_cache_enable": "1", "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "1", "trt_timing_cache_path": folder,
        }  # fmt: skip
    return common | {
        "cudnn_conv_algo_search": "HEURISTIC", "prefer_nhwc": "1", "use_tf32": "0",
        "arena_extend_strategy": "kSameAsRequested",
    }  # fmt: skip


class CudaSession(NamedTuple):
    """A session, and a note for the user (or an empty one)."""

    session: Any
    note: str


def open_session(source: str | bytes, provider: str, options: dict[str, str]) -> CudaSession:
    """Open a session whose first provider is `provider`. Raises FastsimError if it cannot run there.

    ONNX Runtime itself falls back without a message, with the whole graph or with a part of it, which would be copied
    there and back; the latter is noted.
    """
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    try:
        return CudaSession(_session(source, provider, options, whole=True), "")
    except Exception:  # onnxruntime's own exception types have no common base; the reason comes with the second try
        pass
    try:
        session = _session(source, provider, options, whole=False)
    except Exception as error:  # see above
        reason = str(error).strip().splitlines()[0]
        raise FastsimError(f"--device cuda: ONNX Runtime can't open a session on {provider} ({reason})") from None
    first = session.get_providers()[0]
    if first != provider:
        raise FastsimError(
            f"--device cuda: ONNX Runtime fell back to {first}, as it could not load {provider} or its libraries; "
            "run fastsim doctor, or use --device cpu"
        )
    return CudaSession(session, "part of it on the CPU")


def _session(source: str | bytes, provider: str, options: dict[str, str], *, whole: bool) -> Any:
    """Open a session. whole: fail unless every node of the graph is the provider's."""
    settings = ort.SessionOptions()
    settings.log_severity_level = 4 if whole else 3  # the first failure is tried again
    if whole:
        settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return ort.InferenceSession(source, settings, providers=[(provider, options)])
