"""The network on ONNX Runtime's CUDA or TensorRT provider, on one stream with CuPy. Not yet run on a GPU.

Pixels that are on the device stay there: input and output are bound by their addresses, the output being a row slice of
a matrix on the device. What goes to the host is the vector of each picture, which the cache and the keepers need: 1 kB.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import cupy as cp
import numpy as np
import onnxruntime as ort

from fastsim.embedding import RanOn
from fastsim.errors import FastsimError, UsageError
from fastsim.model import Model
from fastsim.records import Float32Array, FrameBatch

IN_FLIGHT = 3
"""Batches whose outputs have not been read yet."""
PROVIDERS = {"onnxruntime": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class _Running(NamedTuple):
    batch: FrameBatch
    pixels: Any  # cupy uint8; a raw binding holds no reference, so it is kept here until the stream has passed it
    binding: Any
    output: Any  # cupy float32[batch, d]
    pictures: int


class CudaNetwork:
    """One session on device `cuda:N`. Every call has `batch` pictures: the tail is padded, so that no shape is tuned for
    twice. Out of device memory: the batch is halved, and `ran_on.precision` says so."""

    def __init__(self, model: Model, *, device: str, runtime: str, batch: int, cache: str | None = None) -> None:
        self._path, self._batch = model.path, batch
        self._number = int(device.removeprefix("cuda").removeprefix(":").split(",")[0] or 0)
        self._device = cp.cuda.Device(self._number)
        with self._device:
            self._stream = cp.cuda.Stream(non_blocking=True)
        provider = PROVIDERS[runtime]
        source, self._precision = graph_of(model)
        self._session = open_session(source, provider, options_of(provider, self._number, self._stream.ptr, cache))
        self._input, self._output = self._session.get_inputs()[0], self._session.get_outputs()[0].name
        shape = [axis if isinstance(axis, int) else None for axis in self._input.shape]
        form = model.input_format(self._input.type, shape)
        if not form.uint8 or form.layout != "NHWC":
            raise UsageError(
                f"--model {model.path}: the cuda backend takes models with uint8 NHWC input; use --device cpu"
            )
        self._run_options = ort.RunOptions()
        self._run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._width: int | None = None
        self.ran_on = RanOn(f"cuda:{self._number}", f"ONNX Runtime {ort.__version__} ({provider})", self._precision)

    def run(self, batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Float32Array]]:
        """See `Network.run`. `pixels` may be NumPy or CuPy arrays. Raises FastsimError if the network fails."""
        busy: deque[_Running] = deque()
        for batch in batches:
            for part in self._parts(batch):
                busy.append(self._start(part))
                if len(busy) == IN_FLIGHT:
                    yield self._finish(busy.popleft())
        while busy:
            yield self._finish(busy.popleft())

    def _parts(self, batch: FrameBatch) -> Iterator[FrameBatch]:
        """`batch` in pieces of at most the batch size; one piece, unless memory ran out before."""
        if self._width is None:  # before the first slice: this is where the batch size may shrink
            with self._device, self._stream:
                self._width = self._first(cp.zeros((self._batch, *batch.pixels.shape[1:]), cp.uint8))
        at = 0
        while at < len(batch.ids):
            stop = at + self._batch
            yield FrameBatch(batch.ids[at:stop], batch.pixels[at:stop], batch.sizes[at:stop])
            at = stop

    def _start(self, batch: FrameBatch) -> _Running:
        with self._device, self._stream:
            pixels = cp.asarray(batch.pixels)
            missing = self._batch - len(pixels)
            if missing > 0:
                pixels = cp.concatenate([pixels, cp.zeros((missing, *pixels.shape[1:]), cp.uint8)])
            pixels = cp.ascontiguousarray(pixels)
            assert self._width is not None
            output = cp.empty((len(pixels), self._width), cp.float32)
            binding = self._session.io_binding()
            binding.bind_input(
                self._input.name, "cuda", self._number, np.uint8, tuple(pixels.shape), int(pixels.data.ptr)
            )
            binding.bind_output(
                self._output, "cuda", self._number, np.float32, tuple(output.shape), int(output.data.ptr)
            )
            self._call(binding)
        return _Running(batch, pixels, binding, output, len(batch.ids))

    def _first(self, pixels: Any) -> int:
        """The width of the output, from a first run that also finds the batch size that fits."""
        while True:
            try:
                binding = self._session.io_binding()
                shape = (self._batch, *pixels.shape[1:])
                binding.bind_input(self._input.name, "cuda", self._number, np.uint8, shape, int(pixels.data.ptr))
                binding.bind_output(self._output, "cuda", self._number)
                self._call(binding)
                self._stream.synchronize()
                return output_width(binding.get_outputs()[0].shape(), self._batch, str(self._path))
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

    def _finish(self, running: _Running) -> tuple[FrameBatch, Float32Array]:
        with self._device, self._stream:
            output: Float32Array = running.output[: running.pictures].get()  # waits for the stream
        return running.batch, output


def output_width(shape: list[int], batch: int, path: str) -> int:
    """d of an output [batch, d] or [batch, d, 1, 1]. Raises UsageError for any other."""
    if len(shape) < 2 or shape[0] != batch or any(axis != 1 for axis in shape[2:]):
        raise UsageError(f"--model {path}: its output has shape {shape}; one vector an image is needed")
    return int(shape[1])


def graph_of(model: Model) -> tuple[str | bytes, str]:
    """(the graph for a session, its precision): float16 where the onnx package is there and the graph allows it."""
    try:
        from fastsim.embedding.half import to_half

        return to_half(str(model.path)), "float16"
    except ImportError:
        return str(model.path), "float32 (float16 needs the package onnx)"
    except ValueError as error:
        return str(model.path), f"float32 ({error})"


def options_of(provider: str, device: int, stream: int, cache: str | None) -> dict[str, str]:
    """Options of a provider. HEURISTIC: EXHAUSTIVE tunes anew at every shape."""
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


def open_session(source: str | bytes, provider: str, options: dict[str, str]) -> Any:
    """A session whose first provider is `provider`. Raises FastsimError: ONNX Runtime itself falls back in silence."""
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    try:
        session = ort.InferenceSession(source, settings, providers=[(provider, options)])
    except Exception as error:  # see above
        reason = str(error).strip().splitlines()[0]
        raise FastsimError(f"--device cuda: ONNX Runtime can't open a session on {provider} ({reason})") from None
    first = session.get_providers()[0]
    if first != provider:
        raise FastsimError(
            f"--device cuda: ONNX Runtime fell back to {first}, as it could not load {provider} or its libraries; "
            "run fastsim doctor, or use --device cpu"
        )
    return session
