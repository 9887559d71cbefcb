"""Replace the exported formula of Mish by x * tanh(softplus(x)), for CUDA.

ONNX Runtime has no Mish kernel on CUDA and does not fuse elementwise steps there, so a Mish costs as many passes over
memory as it has steps: seven as exported (16 reads and writes of a feature map), three in this form (7). It is also
more exact in float16, in which 1 - q*q loses its digits as q approaches 1. Otherwise equal (Misra 2019).
"""

from __future__ import annotations

from typing import Any

from onnx import helper

from fastsim.embedding.graph.constants import constants


def spell_with_softplus(model: Any) -> int:
    """Replace every Mish spelled as x * (1 - q*q) / (1 + q*q), q = sigmoid(-x), in place; return how many there were.

    model: an `onnx.ModelProto`. Steps that are no longer read are removed.
    """
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    ones = _ones(graph)
    found = [(node, x) for node in graph.node if (x := _argument(node, makers, ones)) is not None]
    for divide, x in found:
        at = list(graph.node).index(divide)
        output, stem = divide.output[0], f"{divide.output[0]}_mish"
        steps = [
            helper.make_node("Softplus", [x], [f"{stem}_softplus"], name=f"{stem}_softplus"),
            helper.make_node("Tanh", [f"{stem}_softplus"], [f"{stem}_tanh"], name=f"{stem}_tanh"),
            helper.make_node("Mul", [x, f"{stem}_tanh"], [output], name=stem),
        ]
        graph.node.remove(divide)
        for step in reversed(steps):
            graph.node.insert(at, step)
    if found:
        _sweep(graph)
    return len(found)


def _argument(divide: Any, makers: dict[str, Any], ones: set[str]) -> str | None:
    """Return the name of x if `divide` is the last step of Mish(x), else None."""
    if divide.op_type != "Div":
        return None
    product, plus = (makers.get(name) for name in divide.input)
    square = _other_than_one(plus, "Add", ones)
    q = _squared(makers.get(square or ""))
    sigmoid = makers.get(q or "")
    negative = makers.get(sigmoid.input[0]) if sigmoid is not None and sigmoid.op_type == "Sigmoid" else None
    if negative is None or negative.op_type != "Neg" or product is None or product.op_type != "Mul":
        return None
    x: str = negative.input[0]
    for factor, minus in (tuple(product.input), tuple(product.input)[::-1]):
        node = makers.get(minus)
        if factor == x and node is not None and node.op_type == "Sub" and node.input[0] in ones:
            other = node.input[1]
            if other == square or _squared(makers.get(other)) == q:
                return x
    return None


def _other_than_one(node: Any, kind: str, ones: set[str]) -> str | None:
    """Return the name of y if `node` is y + 1 or 1 + y, else None."""
    if node is None or node.op_type != kind:
        return None
    first, second = node.input
    return second if first in ones else first if second in ones else None


def _squared(node: Any) -> str | None:
    """Return the name of y if `node` is y * y, else None."""
    if node is None or node.op_type != "Mul" or node.input[0] != node.input[1]:
        return None
    name: str = node.input[0]
    return name


def _ones(graph: Any) -> set[str]:
    """Return the names of the constants that are 1."""
    return {name for name, value in constants(graph).items() if (value == 1).all()}


def _sweep(graph: Any) -> None:
    """Remove nodes whose outputs are not read, until all are read."""
    while True:
        read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
        unread = [node for node in graph.node if not read & set(node.output)]
        if not unread:
            return
        for node in unread:
            graph.node.remove(node)
