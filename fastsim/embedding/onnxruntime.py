"""Run the network on ONNX Runtime through IOBinding: inputs and outputs are bound buffers that are not copied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fastsim.embedding import RanOn
from fastsim.embedding.onnxruntime_import import ort
from fastsim.errors import UsageError
from fastsim.model import InputFormat, Model
from fastsim.records.arrays import Float32Array
from fastsim.records.rows import FrameBatch

_FLOATS: dict[str, np.dtype[Any]] = {"tensor(float16)": np.dtype(np.float16), "tensor(double)": np.dtype(np.float64)}


class OnnxRuntimeNetwork:
    """One session; batches of any size run one after the other, each with all threads."""

    def __init__(self, model: Model, *, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors; its warnings concern details of the graph that a user cannot change
        try:
            self._session = ort.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exception types have no common base
            reason = str(error).strip().splitlines()[0]
            raise UsageError(
                f"--model {model.path}: ONNX Runtime can't load it ({reason}); an ONNX file is needed"
            ) from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise UsageError(f"--model {model.path}: it has {len(inputs)} inputs; one image input is needed")
        self._input = inputs[0].name
        self._output = self._session.get_outputs()[0].name
        shape = [axis if isinstance(axis, int) else None for axis in inputs[0].shape]
        self._form = model.input_format(inputs[0].type, shape)
        self._floats = _FLOATS.get(inputs[0].type, np.dtype(np.float32))
        self._path = model.path
        self.ran_on = RanOn("cpu", f"ONNX Runtime {ort.__version__} ({self._session.get_providers()[0]})", "float32")

    def run(self, batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Float32Array]]:
        """Yield batches with their rows, see `Network.run`.

        Raises UsageError if the network does not take the images' size.
        """
        for batch in batches:
            binding = self._session.io_binding()
            pixels = _as_input(batch.pixels, self._form, self._floats)
            binding.bind_cpu_input(self._input, pixels)
            binding.bind_output(self._output, "cpu")
            try:
                self._session.run_with_iobinding(binding)
            except Exception as error:  # see above
                reason = str(error).strip().splitlines()[0]
                size = batch.pixels.shape[1]
                raise UsageError(
                    f"--model {self._path}: can't be run at {size}x{size} pixels ({reason}); try its own --size"
                ) from None
            output = binding.copy_outputs_to_cpu()[0]
            if output.shape[0] != len(batch.ids) or output.size != np.prod(output.shape[:2]):
                raise UsageError(
                    f"--model {self._path}: its output has shape {list(output.shape)}; one vector an image is needed"
                )
            yield batch, np.asarray(output, np.float32).reshape(len(batch.ids), -1)


def _as_input(pixels: np.ndarray[Any, Any], form: InputFormat, floats: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Convert RGB uint8[k, h, w, 3] to the input of the graph, see InputFormat.

    `floats` is its type unless it takes bytes.
    """
    if not form.uint8:
        pixels = pixels if form.colour == "RGB" else pixels[..., ::-1]
        scaled = pixels.astype(np.float32) * np.float32(form.range / 255.0)
        pixels = ((scaled - np.array(form.mean, np.float32)) / np.array(form.std, np.float32)).astype(
            floats, copy=False
        )
    return np.ascontiguousarray(pixels if form.layout == "NHWC" else pixels.transpose(0, 3, 1, 2))
