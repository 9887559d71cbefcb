"""Append L2 normalisation and a float16 cast to the graph, so that no further pass over the rows is needed.

It does what `embedding.unit_rows` does on the host, in float32: each row is divided by its largest value first, so
that no square leaves float32's range. A zero row stays zero; a row that is not finite stays so, and is similar to
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OUTPUT = "fastsim_unit_rows"
_SMALLEST = float(np.finfo(np.float32).tiny)
_AXES_ARE_INPUTS = 18
"""First opset in which the Reduce operators take their axes as an input."""


def end_in_unit_rows(model: Any) -> None:
    """Scale the first output of an `onnx.ModelProto` to unit length along d, as float16, in place.

    The output is [n, d] or [n, d, 1, 1]. It becomes the only output, named OUTPUT.
    """
    graph = model.graph
    opset = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    name = graph.output[0].name
    smallest, axes = f"{OUTPUT}_smallest", f"{OUTPUT}_axes"
    graph.initializer.append(numpy_helper.from_array(np.array(_SMALLEST, np.float32), smallest))
    if opset >= _AXES_ARE_INPUTS:
        graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), axes))

    def add(kind: str, *inputs: str, **attributes: Any) -> str:
        made = f"{OUTPUT}_{len(graph.node)}"
        graph.node.append(helper.make_node(kind, list(inputs), [made], name=made, **attributes))
        return made

    def over_row(kind: str, value: str) -> str:
        if opset >= _AXES_ARE_INPUTS:
            return add(kind, value, axes, keepdims=1)
        return add(kind, value, axes=[1], keepdims=1)

    wide = add("Cast", name, to=TensorProto.FLOAT)
    scaled = add("Div", wide, add("Max", over_row("ReduceMax", add("Abs", wide)), smallest))
    unit = add("Div", scaled, add("Max", over_row("ReduceL2", scaled), smallest))
    graph.node.append(helper.make_node("Cast", [unit], [OUTPUT], name=OUTPUT, to=TensorProto.FLOAT16))
    graph.output[0].name = OUTPUT
    graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    del graph.output[1:]
