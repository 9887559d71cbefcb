"""Run the network on OpenVINO: the CPU's own precision, static shapes, several requests in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np

from fastsim import __version__, _core
from fastsim.cache.compiled_networks import CompiledStore
from fastsim.embedding import RanOn
from fastsim.embedding.graph.mish import fuse_mish
from fastsim.embedding.openvino_runtime import ov
from fastsim.errors import FastsimError, UsageError
from fastsim.model import Model
from fastsim.records.arrays import Float32Array, Uint8Array
from fastsim.records.rows import FrameBatch


class OpenVinoNetwork:
    """One compiled network per input size: for `size` at once, for others when their first batch comes.

    Static shapes are much faster here than dynamic ones, so a short last batch is padded. With a `store`, the network
    compiled for `size` is loaded from it, or saved to it when the first run has ended.
    """

    def __init__(
        self, model: Model, *, batch: int, threads: int, size: int | None = None, store: CompiledStore | None = None
    ) -> None:
        self._model = model
        self._batch = batch
        self._threads = threads
        self._store = store
        self._core = ov.Core()
        self._idle: dict[int, list[Any]] = {}
        self._unsaved: Any = None
        # "2026.4.1-22982-...": the release is enough
        self.ran_on = RanOn("cpu", f"OpenVINO {ov.get_version().split('-')[0]}", "not run")
        if size is None:
            _ = self._graph  # report a file that is not a network now, not after the scan
            return
        compiled = self._load(size)
        if compiled is None:
            compiled = self._unsaved = self._compiled(size)
        self._idle[size] = self._requests(compiled, size)

    def run(self, batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Float32Array]]:
        """Yield batches with their rows, see `Network.run`. Raises FastsimError if the network itself fails."""
        busy: deque[tuple[Any, FrameBatch, Uint8Array]] = deque()
        try:
            for batch in batches:
                size = batch.pixels.shape[1]
                if size not in self._idle:
                    self._idle[size] = self._requests(self._compiled(size), size)
                while not self._idle[size]:
                    yield self._finish(busy)
                request = self._idle[size].pop()
                pixels = self._padded(batch.pixels)
                request.set_input_tensor(ov.Tensor(pixels, shared_memory=True))
                request.start_async()
                busy.append((request, batch, pixels))  # the request reads `pixels` in place: keep them alive
            while busy:
                yield self._finish(busy)
            self._save()
        finally:
            for request, batch, _ in busy:
                request.cancel()
                with suppress(RuntimeError):  # "was canceled": it must not take the place of a Ctrl-C
                    request.wait()
                self._idle[batch.pixels.shape[1]].append(request)

    def _finish(self, busy: deque[tuple[Any, FrameBatch, Uint8Array]]) -> tuple[FrameBatch, Float32Array]:
        request, batch, _ = busy[0]
        request.wait()
        output = np.array(request.get_output_tensor(0).data[: len(batch.ids)], np.float32)
        busy.popleft()
        self._idle[batch.pixels.shape[1]].append(request)
        return batch, output.reshape(len(batch.ids), -1)

    def _padded(self, pixels: Uint8Array) -> Uint8Array:
        missing = self._batch - len(pixels)
        return np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), np.uint8)]) if missing else pixels

    @cached_property
    def _graph(self) -> Any:
        """Return the graph of the file. Raises UsageError."""
        try:
            graph = self._core.read_model(str(self._model.path))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise UsageError(
                f"--model {self._model.path}: OpenVINO can't read it ({reason}); an ONNX file is needed"
            ) from None
        if len(graph.inputs) != 1:
            raise UsageError(
                f"--model {self._model.path}: it has {len(graph.inputs)} inputs; one image input is needed"
            )
        return graph

    def _compiled(self, size: int) -> Any:
        """Return the graph compiled for [batch, size, size, 3] uint8. Raises FastsimError."""
        graph = self._graph.clone()  # takes a tenth of the time of reading the file again; weights are shared
        shape = [axis.get_length() if axis.is_static else None for axis in graph.input().partial_shape]
        form = self._model.input_format(graph.input().element_type.get_type_name(), shape)
        sides = (self._batch, size, size, 3) if form.layout == "NHWC" else (self._batch, 3, size, size)
        try:
            fuse_mish(graph)
            graph.reshape(ov.PartialShape(list(sides)))
            if not (form.uint8 and form.layout == "NHWC"):
                graph = _with_preprocessing(graph, form)
            return self._core.compile_model(graph, "CPU", self._hints)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise FastsimError(
                f"--model {self._model.path}: can't be run at {size}x{size} pixels ({reason}); try its own --size"
            ) from None

    @property
    def _hints(self) -> dict[str, Any]:
        return {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": self._threads}

    def _requests(self, compiled: Any, size: int) -> list[Any]:
        """Return the requests, one more than run at once: that one is being filled. Raises UsageError."""
        output = [axis.get_length() if axis.is_static else None for axis in compiled.output(0).partial_shape]
        if len(output) < 2 or output[0] not in (self._batch, None) or any(axis != 1 for axis in output[2:]):
            raise UsageError(
                f"--model {self._model.path}: at {size}x{size} pixels {self._batch} images give an output of shape "
                f"{output}; one vector an image is needed (try its own --size)"
            )
        precision = str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        names = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}
        self.ran_on = RanOn(self.ran_on.device, self.ran_on.runtime, names.get(precision, precision))
        count = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        return [compiled.create_infer_request() for _ in range(count + 1)]

    def _load(self, size: int) -> Any:
        """Return the network that an earlier run compiled for `size`, or None."""
        if self._store is None:
            return None
        exported = self._store.load(self._key(size))
        try:
            return exported and self._core.import_model(exported, "CPU", self._hints)
        except RuntimeError:
            self._store.remove(self._key(size))
            return None

    def _save(self) -> None:
        compiled, self._unsaved = self._unsaved, None
        if self._store is not None and compiled is not None:
            size = int(compiled.input(0).shape[1])  # [batch, size, size, 3], whatever the file's own layout
            with suppress(RuntimeError):
                self._store.save(self._key(size), compiled.export_model().getvalue())

    def _key(self, size: int) -> tuple[object, ...]:
        """Return everything that a compiled network depends on."""
        processor = [self._core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
        return (
            __version__, ov.get_version(), *processor, _core.isas(), self._model.sha256, self._model.card_digest,
            size, self._batch, self._threads,
        )  # fmt: skip


def _with_preprocessing(graph: Any, form: Any) -> Any:
    """Prepend a conversion from RGB bytes in NHWC to the type, layout, channel order or range of the graph."""
    steps = ov.preprocess.PrePostProcessor(graph)
    colours = ov.preprocess.ColorFormat
    image = steps.input()
    image.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_color_format(colours.RGB)
    image.model().set_layout(ov.Layout(form.layout))
    if not form.uint8:
        image.preprocess().convert_element_type(ov.Type.f32)
        if form.colour == "BGR":
            image.preprocess().convert_color(colours.BGR)
        # (v / 255 * range - mean) / std == (v - mean * 255 / range) / (std * 255 / range)
        unit = 255.0 / form.range
        image.preprocess().mean([m * unit for m in form.mean]).scale([s * unit for s in form.std])
    return steps.build()
