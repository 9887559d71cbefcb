"""Find the constants of an ONNX graph."""

from __future__ import annotations

from typing import Any

from onnx import numpy_helper


def constants(graph: Any) -> dict[str, Any]:
    """Return the values of initializers and Constant nodes by name, as NumPy arrays."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    tensors |= {
        node.output[0]: attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    return {name: numpy_helper.to_array(tensor) for name, tensor in tensors.items()}
