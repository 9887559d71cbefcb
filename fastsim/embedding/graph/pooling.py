"""Replace means over height and width by GlobalAveragePool, for CUDA.

The squeeze steps of an EfficientNet are exported as ReduceMean over the last two axes. cuDNN has a pooling kernel for that,
in both layouts of memory; as a general reduction it is one over the middle axes where the layout is NHWC.
"""

from __future__ import annotations

from typing import Any

import onnx
from onnx import helper

from fastsim.embedding.graph.constants import constants

_SPATIAL = (2, 3)


def pool_means(model: Any) -> int:
    """Replace every mean of an NCHW tensor over height and width, with axes kept, in place; return how many there were.

    model: an `onnx.ModelProto`. A tensor whose rank cannot be inferred to be 4 is left alone.
    """
    graph = model.graph
    ranks = _ranks(model)
    known = constants(graph)
    found = [node for node in graph.node if ranks.get(node.input[0] if node.input else "") == 4 and _is(node, known)]
    for node in found:
        at = list(graph.node).index(node)
        pooled = helper.make_node("GlobalAveragePool", [node.input[0]], list(node.output), name=node.name)
        graph.node.remove(node)
        graph.node.insert(at, pooled)
    return len(found)


def _is(node: Any, known: dict[str, Any]) -> bool:
    """Return whether `node` is a mean over axes 2 and 3 of four, which are kept."""
    if node.op_type != "ReduceMean":
        return False
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    axes = attributes.get("axes")
    if axes is None and len(node.input) > 1:  # from opset 18 on
        axes = known.get(node.input[1])
    if axes is None or not attributes.get("keepdims", 1):
        return False
    return tuple(sorted(int(axis) % 4 for axis in axes)) == _SPATIAL


def _ranks(model: Any) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    return {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in values
        if value.type.tensor_type.HasField("shape")
    }
