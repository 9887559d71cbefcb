"""Step 5: the network as ONNX, float32 and float16, checked against PyTorch, OpenVINO and ONNX Runtime.

    python -m model.train.export RUN/calibrated.pt --out OUT [--name fastsim-v1]

Input `images` uint8[n, h, w, 3] RGB, any h and w from 32; output `vectors` float32[n, 256], unit rows. Scaling and layout
are in the graph. Batch norms are folded; Mish is written as x*(1-q*q)/(1+q*q), q = sigmoid(-x), which OpenVINO and ONNX
Runtime fuse or vectorise, as neither knows the operator Mish on all its devices.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor, nn

from .config import SIZE
from .network import Network, fast_mish, fold_norms

LARGEST = 20_000_000
"""Bytes of a file: it travels in a wheel."""


class Exported(nn.Module):
    """What the graph does, from bytes to unit rows; `raise_by` is calibrate's c, 0 for none."""

    def __init__(self, network: Network, raise_by: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.raise_by = raise_by

    def forward(self, images: Tensor) -> Tensor:
        rows = nnf.normalize(self.network.head(self.network.features(images.permute(0, 3, 1, 2).float() / 255)), dim=1)
        if self.raise_by > 0:
            # One more dimension, the same for every picture: cosine s becomes (s + c) / (1 + c).
            constant = torch.full_like(rows[:, :1], self.raise_by**0.5)
            rows = torch.cat([rows, constant], 1) / (1 + self.raise_by) ** 0.5
        return rows


def prepare_network(state: dict[str, Tensor], raise_by: float = 0.0) -> Exported:
    """Return the network of a state dict as it is exported: norms folded, Mish in its fast form.

    With a constant dimension the head has 255 rows: rows are 256 wide in any case.
    """
    network = Network()
    network.load_state_dict(state)
    if raise_by > 0:
        rows = network.head.out_features - 1
        network.head.weight.data, network.head.bias.data = (
            network.head.weight.data[:rows],
            network.head.bias.data[:rows],
        )
    network.eval()
    fold_norms(network)
    fast_mish(network)
    return Exported(network, raise_by).eval()


def write_onnx(module: Exported, path: Path) -> None:
    """Opset 17, dynamic batch, height and width."""
    torch.onnx.export(
        module,
        (torch.zeros(2, 64, 96, 3, dtype=torch.uint8),),
        str(path),
        input_names=["images"],
        output_names=["vectors"],
        dynamic_axes={"images": {0: "n", 1: "height", 2: "width"}, "vectors": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )


def write_half(source: Path, target: Path) -> None:
    """Return the same graph with float16 weights and activations; the last layer and the norm stay in float32. For GPUs.

    The graph is edited by hand, as a converter would be one more dependency: what lies between the stem's input and the
    pooled features becomes float16, with a cast at either end.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(source))
    graph = model.graph
    nodes = list(graph.node)
    first = next(i for i, node in enumerate(nodes) if node.op_type == "Conv")
    last = max(i for i, node in enumerate(nodes) if node.op_type == "ReduceMean")
    inside = {name for node in nodes[first : last + 1] for name in node.input}

    def halve(tensor: Any) -> None:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))

    for tensor in graph.initializer:
        if tensor.name in inside:
            halve(tensor)
    made = set()
    for node in nodes[first : last + 1]:
        made.update(node.output)
        if node.op_type == "Constant":
            halve(node.attribute[0].t)
    ends = sorted({name for node in nodes[last + 1 :] for name in node.input} & made)
    for i, name in enumerate(ends):
        for node in nodes[last + 1 :]:
            for k, given in enumerate(node.input):
                if given == name:
                    node.input[k] = f"float_{i}"
    ups = [helper.make_node("Cast", [name], [f"float_{i}"], to=TensorProto.FLOAT) for i, name in enumerate(ends)]
    down = helper.make_node("Cast", [nodes[first].input[0]], ["images_half"], to=TensorProto.FLOAT16)
    nodes[first].input[0] = "images_half"
    ordered = [*nodes[:first], down, *nodes[first : last + 1], *ups, *nodes[last + 1 :]]
    del graph.node[:]
    graph.node.extend(ordered)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def openvino_rows(path: Path, pictures: NDArray[np.uint8], precision: str) -> NDArray[np.float32]:
    """Rows as fastsim computes them on a CPU: with OpenVINO's own Mish, which rounds once where the formula rounds often."""
    import openvino

    from fastsim.embedding.graph.mish import fuse_mish

    core = openvino.Core()
    graph = core.read_model(str(path))
    fuse_mish(graph)
    network = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return np.asarray(network(pictures)[0])


def onnxruntime_rows(path: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"images": pictures})[0])


@torch.no_grad()
def check(module: Exported, full: Path, half: Path, pictures: NDArray[np.uint8]) -> dict[str, float]:
    """Cosines between PyTorch's float32 rows and those of each runtime: the smallest, and for bfloat16 the mean.

    Raises SystemExit where one is under 0.999. bfloat16 has 8 bits, so single pictures may lie below: its smallest is printed.
    """
    truth = module(torch.from_numpy(pictures)).numpy()
    rows = {
        "openvino_f32": lambda: openvino_rows(full, pictures, "f32"),
        "openvino_bf16": lambda: openvino_rows(full, pictures, "bf16"),
        "onnxruntime_cpu": lambda: onnxruntime_rows(full, pictures),
        "onnxruntime_cpu_float16_file": lambda: onnxruntime_rows(half, pictures),
    }
    result: dict[str, float] = {}
    for name, run in rows.items():
        try:
            cosines = (truth * run()).sum(1)
            if name == "openvino_bf16":
                print(f"{name}: smallest {cosines.min():.5f}")
            result[name] = round(float(cosines.mean() if name == "openvino_bf16" else cosines.min()), 6)
        except ImportError:
            print(f"{name}: not installed, not checked")
    low = {name: value for name, value in result.items() if value < 0.999}
    if low:
        raise SystemExit(f"vectors differ between runtimes: {low}")
    return result


def describe(path: Path, name: str, extra: dict[str, Any]) -> dict[str, Any]:
    """Return what model.json says: how to feed the file, and how to trust it."""
    return {
        "name": name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "input": {"name": "images", "dtype": "uint8", "layout": "NHWC", "colour": "RGB", "size": SIZE},
        "output": {"name": "vectors", "dtype": "float32", "dim": 256, "unit_length": True},
        **extra,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="calibrated.pt or refit.pt")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="fastsim-v1")
    parser.add_argument("--pictures", type=Path, help="shards to check runtimes on (default: painted pictures)")
    options = parser.parse_args()
    from .prepare import load
    from .procedural import paint

    state = torch.load(options.weights, map_location="cpu", weights_only=True)
    notes = options.weights.with_suffix(".json")
    calibration = json.loads(notes.read_text()) if notes.exists() else {}
    module = prepare_network(state, calibration.get("raise_by", 0.0))
    options.out.mkdir(parents=True, exist_ok=True)
    full, half = options.out / "model.onnx", options.out / "model-fp16.onnx"
    write_onnx(module, full)
    write_half(full, half)
    for path in (full, half):
        if path.stat().st_size > LARGEST:
            raise SystemExit(f"{path}: {path.stat().st_size} bytes, more than {LARGEST}")
    if options.pictures:
        pictures = load(options.pictures, 224).pixels[:: max(1, 14000 // 64)][:64]
    else:
        pictures = np.stack([paint(seed, 224)[1] for seed in range(40)])
    agreement = check(module, full, half, pictures)
    extra: dict[str, Any] = {"agreement": agreement}
    if calibration:
        extra["calibration"] = calibration
    (options.out / "model.json").write_text(json.dumps(describe(full, options.name, extra), indent=1) + "\n")
    print(json.dumps(agreement))


if __name__ == "__main__":
    main()
