"""Prepare the graph for a GPU: Mish in fewer steps, means by pooling, float16, and unit rows as output."""

from __future__ import annotations

from typing import NamedTuple

import onnx

from fastsim.embedding.graph.half import halve
from fastsim.embedding.graph.normalise import end_in_unit_rows
from fastsim.embedding.graph.pooling import pool_means
from fastsim.embedding.graph.softplus import spell_with_softplus


class DeviceGraph(NamedTuple):
    """A graph for a GPU. data: the serialised model; precision: the arithmetic of the network, in words."""

    data: bytes
    precision: str


def device_graph(path: str, *, softplus: bool = True, pooling: bool = True) -> DeviceGraph:
    """Convert the ONNX file at `path` for a GPU; its output becomes float16[n, d] of unit rows.

    softplus: False keeps Mish as the file spells it; pooling: False keeps the means over height and width.
    """
    model = onnx.load(path)
    if softplus:
        spell_with_softplus(model)
    if pooling:
        pool_means(model)
    try:
        halve(model)
        precision = "float16"
    except ValueError as error:
        model, precision = onnx.load(path), f"float32 ({error})"
    end_in_unit_rows(model)
    return DeviceGraph(bytes(model.SerializeToString()), precision)
