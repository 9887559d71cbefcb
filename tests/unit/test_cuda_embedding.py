"""What of the cuda backend's network runs without a GPU: the float16 graph, the options, the refusal to fall back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastsim.errors import FastsimError, UsageError
from fastsim.model import load_model

ort = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
pytest.importorskip("onnx", reason="needs onnx")


def run(source: str | bytes, pixels: np.ndarray) -> np.ndarray:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    session = ort.InferenceSession(source, settings, providers=["CPUExecutionProvider"])
    output = np.zeros((len(pixels), 256), np.float32)
    binding = session.io_binding()  # by address, into a row slice, as on the device
    binding.bind_input("images", "cpu", 0, np.uint8, pixels.shape, pixels.ctypes.data)
    binding.bind_output("vectors", "cpu", 0, np.float32, output.shape, output.ctypes.data)
    session.run_with_iobinding(binding)
    return output


def halved(path: str) -> bytes:
    import onnx

    from fastsim.embedding.graph.half import halve

    model = onnx.load(path)
    halve(model)
    return bytes(model.SerializeToString())


def test_the_float16_graph_gives_the_vectors_of_the_float32_one() -> None:
    path = str(load_model().path)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 96, 96, 3), np.uint8)
    pixels[1] = pixels[1].mean(axis=(0, 1)).astype(np.uint8)
    single, half = run(path, pixels), run(halved(path), pixels)
    assert ((single * half).sum(axis=1) > 0.999).all()
    assert np.allclose(np.linalg.norm(half, axis=1), 1, atol=1e-3)


def test_the_float16_graph_is_a_valid_one_of_half_the_size() -> None:
    import onnx

    path = load_model().path
    data = halved(str(path))
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    assert len(data) < 0.6 * Path(path).stat().st_size


def test_a_session_that_falls_back_to_the_cpu_is_an_error() -> None:
    cuda = pytest.importorskip("fastsim.embedding.onnxruntime_cuda", reason="needs cupy")
    if "CUDAExecutionProvider" not in ort.get_available_providers() or __import__("shutil").which("nvidia-smi"):
        pytest.skip("needs onnxruntime-gpu on a machine without a GPU")
    with pytest.raises(FastsimError, match="CUDAExecutionProvider"):
        cuda.open_session(str(load_model().path), "CUDAExecutionProvider", {"device_id": "0"})


@pytest.mark.parametrize(("whole", "first"), [(True, "CUDA"), (False, "CUDA"), (False, "CPU")])
def test_a_graph_that_runs_on_the_cpu_in_part_is_noted(
    whole: bool, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = pytest.importorskip("fastsim.embedding.onnxruntime_cuda", reason="needs cupy")

    class Session:
        def __init__(self, _source: object, settings: ort.SessionOptions, providers: object) -> None:
            if not whole and settings.log_severity_level == 4:
                raise RuntimeError("nodes are assigned to the CPU")

        def get_providers(self) -> list[str]:
            return [f"{first}ExecutionProvider", "CPUExecutionProvider"]

    monkeypatch.setattr(cuda.ort, "InferenceSession", Session)
    if first == "CPU":
        with pytest.raises(FastsimError, match="fell back to CPUExecutionProvider"):
            cuda.open_session("m", "CUDAExecutionProvider", {})
    else:
        opened = cuda.open_session("m", "CUDAExecutionProvider", {})
        assert opened.note == ("" if whole else "part of it on the CPU")


def test_options_and_shapes() -> None:
    cuda = pytest.importorskip("fastsim.embedding.onnxruntime_cuda", reason="needs cupy")
    options = cuda.options_of("CUDAExecutionProvider", 1, 1234, None)
    assert options["device_id"] == "1" and options["user_compute_stream"] == "1234"
    assert cuda.output_width([8, 256, 1, 1], 8, "m") == 256
    with pytest.raises(UsageError, match="one vector"):
        cuda.output_width([8, 256, 7, 7], 8, "m")
