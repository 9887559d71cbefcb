"""Replace the exported formula of Mish by OpenVINO's own fused operation.

The ONNX file spells Mish as x * (1 - q*q) / (1 + q*q), q = sigmoid(-x), which ONNX Runtime runs fastest. OpenVINO has
a Mish operation that it computes inside the convolution before it, without another pass over memory (bench/stages.py
measures the gain). Both are x * tanh(ln(1 + e^x)) (Misra 2019), equal up to rounding.
"""

from __future__ import annotations

from typing import Any

from fastsim.embedding.openvino_runtime import ov


def fuse_mish(graph: Any) -> int:
    """Replace every spelled-out Mish in an `openvino.Model`, in place; return how many there were."""
    found = [(node, x) for node in graph.get_ordered_ops() if (x := _argument(node)) is not None]
    for divide, x in found:
        divide.output(0).replace(ov.opset13.mish(x).output(0))
    if found:
        graph.validate_nodes_and_infer_types()
    return len(found)


def _argument(divide: Any) -> Any:
    """Return the output x if `divide` is the last step of Mish(x), else None."""
    if divide.get_type_name() != "Divide":
        return None
    product, plus = (source.get_node() for source in divide.input_values())
    square = _other_than_one(plus, "Add")
    if square is None or product.get_type_name() != "Multiply":
        return None
    q = _squared(square)
    if q is None or q.get_type_name() != "Sigmoid":
        return None
    negative = q.input_value(0).get_node()
    if negative.get_type_name() != "Negative":
        return None
    x = negative.input_value(0)
    for factor, minus in (product.input_values(), product.input_values()[::-1]):
        if factor == x and _is_one_minus(minus.get_node(), square):
            return x
    return None


def _other_than_one(node: Any, kind: str) -> Any:
    """Return the node y if `node` is y + 1 or 1 + y, else None."""
    if node.get_type_name() != kind:
        return None
    first, second = (source.get_node() for source in node.input_values())
    return second if _is_one(first) else first if _is_one(second) else None


def _squared(node: Any) -> Any:
    """Return the node y if `node` is y * y, else None."""
    if node.get_type_name() != "Multiply" or node.input_value(0) != node.input_value(1):
        return None
    return node.input_value(0).get_node()


def _is_one_minus(node: Any, square: Any) -> bool:
    """Return whether `node` is 1 - y*y for the same y as in `square`; exporters may write the square twice."""
    if node.get_type_name() != "Subtract" or not _is_one(node.input_value(0).get_node()):
        return False
    other = node.input_value(1).get_node()
    return other == square or (_squared(other) is not None and _squared(other) == _squared(square))


def _is_one(node: Any) -> bool:
    return bool(node.get_type_name() == "Constant" and (node.data == 1).all())
