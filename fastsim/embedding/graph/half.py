"""Convert a float32 ONNX graph to float16, except its end: from the first norm on, everything stays float32.

The squares of a vector's values can leave float16's range, and the 1e-12 that guards the division is zero in float16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_INTEGERS = ("Shape", "Size")
"""Operators whose outputs are integers, whatever they read."""
_NORMS = ("ReduceL2", "ReduceSumSquare", "LpNormalization")


def halve(model: Any) -> None:
    """Convert an `onnx.ModelProto` to float16, in place.

    Its inputs keep their types (float ones are cast inside), and its outputs become float32. Raises ValueError for a
    graph that cannot be converted; the graph is then partly converted.
    """
    graph = model.graph
    del graph.value_info[:]
    end = _end(graph)
    shared = _constants(graph, end)
    made = _inputs(graph)
    nodes: list[Any] = list(made.values())
    produced = {node.output[0] for node in nodes}
    for node in graph.node:
        if node.name in end or not _convert(node, shared):
            nodes.append(node)
            continue
        node.input[:] = [made[name].output[0] if name in made else name for name in node.input]
        nodes.append(node)
        if node.op_type not in _INTEGERS:
            produced.update(node.output)
    _widen(graph, nodes, end, produced)
    del graph.node[:]
    graph.node.extend(nodes)
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in shared:
            tensor.CopyFrom(numpy_helper.from_array(_half(numpy_helper.to_array(tensor)), tensor.name))


def _half(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    half: np.ndarray[Any, Any] = np.clip(values, -65504, 65504).astype(np.float16)
    return half


def _end(graph: Any) -> set[str]:
    """Return the names of the nodes from the first norm on; every node gets a name."""
    end: set[str] = set()
    tainted: set[str] = set()
    for number, node in enumerate(graph.node):
        node.name = f"n{number}"
        if node.op_type in _NORMS or tainted & set(node.input):
            end.add(node.name)
            tainted.update(node.output)
    return end


def _constants(graph: Any, end: set[str]) -> set[str]:
    """Return the names of the constants that the end reads, which stay float32.

    Constants that are read on both sides are not supported.
    """
    late = {name for node in graph.node if node.name in end for name in node.input}
    early = {name for node in graph.node if node.name not in end for name in node.input}
    fixed = {node.output[0] for node in graph.node if node.op_type == "Constant"} | {t.name for t in graph.initializer}
    if fixed & late & early:
        raise ValueError(f"constants used before and after the norm: {sorted(fixed & late & early)[:3]}")
    return fixed & late


def _inputs(graph: Any) -> dict[str, Any]:
    """Return a cast to float16 for each float32 input of the graph, by the input's name."""
    stored = {tensor.name for tensor in graph.initializer}
    return {
        value.name: helper.make_node("Cast", [value.name], [f"{value.name}_as_half"], to=TensorProto.FLOAT16)
        for value in graph.input
        if value.name not in stored and value.type.tensor_type.elem_type == TensorProto.FLOAT
    }


def _convert(node: Any, keep: set[str]) -> bool:
    """Convert the float32 attributes of a node to float16; return False for a constant that stays as it is."""
    if node.op_type == "Constant" and node.output[0] in keep:
        return False
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(numpy_helper.from_array(_half(numpy_helper.to_array(attribute.t))))
    return True


def _widen(graph: Any, nodes: list[Any], end: set[str], half: set[str]) -> None:
    """Add casts to float32 after what the end reads, and after outputs of the graph that the end does not compute."""
    outputs = {value.name for value in graph.output}
    fixed = {name for node in nodes if node.op_type == "Constant" for name in node.output}
    rename: dict[str, str] = {}  # name of a float16 value whose own name goes to its float32 copy
    for node in nodes:
        read = set(node.input) if node.name in end else set()
        rename.update({name: f"{name}_half" for name in (read | outputs) & half - fixed})
    casts = {name: helper.make_node("Cast", [new], [name], to=TensorProto.FLOAT) for name, new in rename.items()}
    for node in list(nodes):
        if node.name not in end:
            node.input[:] = [rename.get(name, name) for name in node.input]
            made = [name for name in node.output if name in rename]
            node.output[:] = [rename.get(name, name) for name in node.output]
            at = nodes.index(node) + 1
            nodes[at:at] = [casts[name] for name in made]
