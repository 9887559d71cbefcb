"""The spelled-out Mish in a graph becomes OpenVINO's own, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("openvino")
import openvino as ov
from openvino import opset13 as op

from fastsim.embedding.graph.mish import fuse_mish
from fastsim.model import load_model


def spelled(one: float = 1.0, negative: bool = True) -> ov.Model:
    x = op.parameter([4], np.float32)
    q = op.sigmoid(op.negative(x) if negative else op.abs(x))
    square = op.multiply(q, q)
    top = op.multiply(x, op.subtract(np.float32(one), square))
    return ov.Model([op.divide(top, op.add(square, np.float32(1)))], [x])


def outputs(graph: ov.Model, values: np.ndarray) -> np.ndarray:
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    return np.array(ov.Core().compile_model(graph, "CPU", hints)(values)[0])


def test_the_formula_is_replaced_and_means_the_same() -> None:
    graph = spelled()
    values = np.array([-30, -1, 0.5, 30], np.float32)
    before = outputs(graph, values)
    assert fuse_mish(graph) == 1
    assert "Mish" in {node.get_type_name() for node in graph.get_ops()}
    assert np.abs(outputs(graph, values) - before).max() < 1e-5


def test_what_only_looks_like_it_is_left_alone() -> None:
    assert fuse_mish(spelled(one=2.0)) == 0
    assert fuse_mish(spelled(negative=False)) == 0


def test_the_packaged_model_has_49_of_them() -> None:
    assert fuse_mish(ov.Core().read_model(str(load_model().path))) == 49
