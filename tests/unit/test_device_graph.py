"""The graph that a GPU runs, on ONNX Runtime's CPU provider: the same vectors, as unit rows where they are bound to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fastsim.embedding import unit_rows
from fastsim.model import load_model

onnx = pytest.importorskip("onnx", reason="needs onnx")
ort = pytest.importorskip("onnxruntime", reason="needs onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

from fastsim.embedding.graph import device as graphs  # noqa: E402
from fastsim.embedding.graph.normalise import OUTPUT, end_in_unit_rows  # noqa: E402
from fastsim.embedding.graph.pooling import pool_means  # noqa: E402
from fastsim.embedding.graph.softplus import spell_with_softplus  # noqa: E402


def session(source: str | bytes) -> object:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    return ort.InferenceSession(source, settings, providers=["CPUExecutionProvider"])


def identity(path: Path, opset: int, shape: list[object]) -> str:
    """Return a network that returns its float input."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return str(path)


def test_batches_land_in_row_slices_of_one_matrix_as_the_hosts_unit_rows() -> None:
    path = load_model().path
    pixels = np.random.default_rng(1).integers(0, 256, (6, 96, 96, 3), np.uint8)
    pixels[4] = 0
    network = session(graphs.device_graph(str(path)).data)
    matrix, batch = np.full((8, 256), 9, np.float16), 4
    for start in (0, 4):  # the second batch is padded: its last two rows go behind the matrix's end
        part = np.concatenate([pixels[start : start + 4], np.zeros((max(0, start + 4 - 6), 96, 96, 3), np.uint8)])
        binding = network.io_binding()  # type: ignore[attr-defined]
        binding.bind_input("images", "cpu", 0, np.uint8, part.shape, part.ctypes.data)
        binding.bind_output(OUTPUT, "cpu", 0, np.float16, (batch, 256), matrix[start:].ctypes.data)
        network.run_with_iobinding(binding)  # type: ignore[attr-defined]
    (exact,) = session(str(path)).run(None, {"images": pixels})  # type: ignore[attr-defined]
    assert ((matrix[:6].astype(np.float64) * unit_rows(exact)).sum(axis=1) > 0.999).all()
    assert np.abs(np.linalg.norm(matrix[:6].astype(np.float64), axis=1) - 1).max() < 1e-3


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
def test_the_end_is_what_the_host_would_do_to_any_row(tmp_path: Path, opset: int) -> None:
    draw = np.random.default_rng(3)
    raw = draw.normal(size=(40, 24)).astype(np.float32)
    raw[1], raw[2], raw[3] = 0, raw[3] * np.float32(1e30), raw[4] * np.float32(1e-30)
    raw[5, 3], raw[6, 0], raw[7, 2] = np.nan, np.inf, -np.inf
    model = onnx.load(identity(tmp_path / "m.onnx", opset, ["n", 24]))
    end_in_unit_rows(model)
    onnx.checker.check_model(model)
    (rows,) = session(model.SerializeToString()).run(None, {"x": raw})  # type: ignore[attr-defined]
    assert rows.dtype == np.float16
    assert np.abs(unit_rows(rows).astype(np.float32) - unit_rows(raw)).max() <= 2**-11
    assert not unit_rows(rows)[[1, 5, 6, 7]].any()


def test_an_output_with_empty_axes_keeps_its_shape(tmp_path: Path) -> None:
    model = onnx.load(identity(tmp_path / "m.onnx", 17, ["n", 5, 1, 1]))
    end_in_unit_rows(model)
    raw = np.random.default_rng(0).normal(size=(3, 5, 1, 1)).astype(np.float32)
    (rows,) = session(model.SerializeToString()).run(None, {"x": raw})  # type: ignore[attr-defined]
    assert rows.shape == raw.shape
    assert np.abs(rows.reshape(3, 5) - unit_rows(raw.reshape(3, 5))).max() < 1e-3


def test_every_mish_of_the_packaged_network_is_three_steps_and_its_vectors_stay() -> None:
    path = str(load_model().path)
    model = onnx.load(path)
    before = Counter(node.op_type for node in model.graph.node)
    found = spell_with_softplus(model)
    after = Counter(node.op_type for node in model.graph.node)
    assert found == before["Neg"] == after["Softplus"] == after["Tanh"] > 40
    assert after["Neg"] == 0 and sum(after.values()) < sum(before.values()) - 4 * found
    onnx.checker.check_model(model, full_check=True)
    pixels = np.random.default_rng(2).integers(0, 256, (2, 64, 64, 3), np.uint8)
    exact, ours = (
        session(source).run(None, {"images": pixels})[0]  # type: ignore[attr-defined]
        for source in (path, model.SerializeToString())
    )
    assert np.abs(exact - ours).max() < 1e-4


def test_the_means_of_the_packaged_network_are_pooled_and_its_vectors_stay() -> None:
    path = str(load_model().path)
    model = onnx.load(path)
    before = Counter(node.op_type for node in model.graph.node)
    found = pool_means(model)
    after = Counter(node.op_type for node in model.graph.node)
    assert found == before["ReduceMean"] - after["ReduceMean"] == after["GlobalAveragePool"] >= 16
    onnx.checker.check_model(model, full_check=True)
    pixels = np.random.default_rng(2).integers(0, 256, (2, 96, 64, 3), np.uint8)
    exact, ours = (
        session(source).run(None, {"images": pixels})[0]  # type: ignore[attr-defined]
        for source in (path, model.SerializeToString())
    )
    assert np.abs(exact - ours).max() < 1e-4


@pytest.mark.parametrize(
    ("rank", "axes", "keep", "pooled"),
    [(4, [2, 3], 1, 1), (4, [-1, -2], 1, 1), (4, [1, 2], 1, 0), (4, [2, 3], 0, 0), (5, [2, 3], 1, 0), (4, [3], 1, 0)],
)
@pytest.mark.parametrize("opset", [17, 18])
def test_only_means_over_height_and_width_of_images_are_pooled(
    rank: int, axes: list[int], keep: int, pooled: int, opset: int
) -> None:
    shape = ["n", 3, 5, 6, 2][:rank]
    if opset < 18:
        node, constants = helper.make_node("ReduceMean", ["x"], ["y"], axes=axes, keepdims=keep), []
    else:
        node = helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=keep)
        constants = [helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes)]
    value = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    output = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([node], "g", value, output, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    raw = np.random.default_rng(0).normal(size=(2, *shape[1:])).astype(np.float32)  # type: ignore[arg-type]
    before = session(model.SerializeToString()).run(None, {"x": raw})[0]  # type: ignore[attr-defined]
    assert pool_means(model) == pooled
    after = session(model.SerializeToString()).run(None, {"x": raw})[0]  # type: ignore[attr-defined]
    assert before.shape == after.shape and np.abs(before - after).max() < 1e-6


def test_what_only_looks_like_mish_is_left_alone(tmp_path: Path) -> None:
    def network(one: float, final: str) -> object:
        constant = helper.make_tensor("one", TensorProto.FLOAT, [], [one])
        steps = [("Neg", "x", "n"), ("Sigmoid", "n", "q"), ("Mul", "q q", "s"), ("Sub", "one s", "m")]
        steps += [("Mul", "x m", "p"), ("Add", "s one", "d"), (final, "p d", "y")]
        nodes = [helper.make_node(kind, inputs.split(), [output]) for kind, inputs, output in steps]
        value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
        return helper.make_model(helper.make_graph(nodes, "g", value[:1], value[1:], [constant]))

    assert spell_with_softplus(network(1.0, "Div")) == 1
    assert spell_with_softplus(network(2.0, "Div")) == 0
    assert spell_with_softplus(network(1.0, "Mul")) == 0


def test_softplus_is_the_more_exact_form_in_float16() -> None:
    x = np.linspace(-8, 8, 4001).astype(np.float16)
    q = (1 / (1 + np.exp(x.astype(np.float32)))).astype(np.float16)
    square = q * q
    exported = x * (np.float16(1) - square) / (np.float16(1) + square)
    softplus = np.log1p(np.exp(x.astype(np.float32))).astype(np.float16)
    ours = x * np.tanh(softplus.astype(np.float32)).astype(np.float16)
    exact = x.astype(np.float64) * np.tanh(np.log1p(np.exp(x.astype(np.float64))))
    assert np.abs(ours - exact).max() < 1.1 * np.abs(exported - exact).max()
    low = x < -3
    assert np.abs(ours - exact)[low].max() < 0.2 * np.abs(exported - exact)[low].max()
