"""Embedding: the packaged network, foreign networks, and both runtimes give the same unit rows."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastsim
from fastsim.config import Compute, resolve_compute
from fastsim.device import CPU
from fastsim.embedding import embed, open_network, unit_rows
from fastsim.errors import FastsimError, UsageError
from fastsim.model import load_model
from fastsim.records.files import Skipped
from fastsim.records.rows import Embeddings, FrameBatch
from fastsim.run.progress import NullProgress

onnx = pytest.importorskip("onnx")
MEDIA = Path(__file__).parents[1] / "media" / "photos"
RUNTIMES = [
    "openvino",
    pytest.param("onnxruntime", marks=pytest.mark.skipif(find_spec("onnxruntime") is None, reason="needs onnxruntime")),
]


def batches(pixels: np.ndarray, size: int) -> list[FrameBatch]:
    starts = range(0, len(pixels), size)
    return [
        FrameBatch(
            np.arange(start, min(start + size, len(pixels)), dtype=np.int64),
            pixels[start : start + size],
            np.full((len(pixels[start : start + size]), 2), 64, np.int32),
        )
        for start in starts
    ]


def run_all(model: str | None, runtime: str, pixels: np.ndarray, batch: int = 2) -> Embeddings:
    network = open_network(load_model(model), runtime=runtime, device=CPU, batch=batch, threads=2)
    with NullProgress().bar("embed", None, "images") as bar:
        embeddings, skipped = embed(network, batches(pixels, batch), bar)
    assert skipped == ()
    return embeddings


def mean_network(path: Path, order: str, /, floats: str = "FLOAT", **card: object) -> str:
    """Return a float network that returns the mean of each channel: what it is fed can be read off its output."""
    from onnx import TensorProto, helper

    kind = TensorProto.DataType.Value(floats)
    axes = [2, 3] if order == "NCHW" else [1, 2]
    shape = ["n", 3, "h", "w"] if order == "NCHW" else ["n", "h", "w", 3]
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=axes, keepdims=0)]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, ["n", 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    if card:
        path.with_suffix(".json").write_text(json.dumps({"input": card}))
    return str(path)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (5, 64, 64, 3)).astype(np.uint8)


def test_both_runtimes_agree_on_the_packaged_model() -> None:
    pytest.importorskip("onnxruntime")
    paths = sorted(MEDIA.rglob("*.*"))[:4]
    first, second = (
        fastsim.embed(paths, runtime=runtime).vectors.astype(np.float64) for runtime in ("openvino", "onnxruntime")
    )
    cosine = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    assert cosine.min() > 0.99


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_rows_are_unit_and_in_order_of_id_with_a_short_last_batch(noise: np.ndarray, runtime: str, batch: int) -> None:
    embeddings = run_all(None, runtime, noise, batch)
    assert embeddings.ids.tolist() == [0, 1, 2, 3, 4]
    assert embeddings.vectors.dtype == np.float16
    assert embeddings.vectors.shape == (5, 256)
    assert np.abs(np.linalg.norm(embeddings.vectors.astype(np.float64), axis=1) - 1).max() < 2e-3


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("floats", ["FLOAT", "FLOAT16", "DOUBLE"])
def test_a_float_network_gets_rgb_in_0_to_1(
    tmp_path: Path, noise: np.ndarray, runtime: str, layout: str, floats: str
) -> None:
    model = mean_network(tmp_path / "mean.onnx", layout, floats)
    expected = unit_rows((noise.astype(np.float64) / 255).mean((1, 2)).astype(np.float32))
    assert np.abs(run_all(model, runtime, noise).vectors - expected).max() < 5e-3


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_card_says_mean_std_range_and_channel_order(tmp_path: Path, noise: np.ndarray, runtime: str) -> None:
    mean, std = [103.0, 116.0, 90.0], [57.0, 30.0, 61.0]
    model = mean_network(tmp_path / "m.onnx", "NCHW", layout="NCHW", colour="BGR", range=255, mean=mean, std=std)
    bright = np.maximum(noise, 130)
    values = (bright[..., ::-1].astype(np.float64) - mean) / std
    expected = unit_rows(values.mean((1, 2)).astype(np.float32))
    assert np.abs(run_all(model, runtime, bright).vectors - expected).max() < 1e-2


@pytest.mark.parametrize(
    ("card", "complaint"),
    [
        ({"layout": "CHWN"}, "NHWC or NCHW"),
        ({"layout": "NHWC"}, "channels"),
        ({"colour": "RBG"}, "RGB or BGR"),
        ({"range": 2}, "1 or 255"),
        ({"mean": [1]}, "3 numbers"),
        ({"std": [1, 0, 1]}, "above 0"),
        ({"std": [1, float("nan"), 1]}, "above 0"),
        ({"mean": [True, 0, 0]}, "3 numbers"),
        ({"color": "BGR"}, "input.color is unknown; the keys are layout, colour,"),
    ],
)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_wrong_card_is_a_clear_error(
    tmp_path: Path, noise: np.ndarray, card: dict[str, object], complaint: str, runtime: str
) -> None:
    model = mean_network(tmp_path / "mean.onnx", "NCHW", **card)
    with pytest.raises(UsageError, match=complaint) as caught:
        run_all(model, runtime, noise)
    assert "\n" not in str(caught.value)


def test_the_card_says_the_size_where_the_user_does_not(tmp_path: Path) -> None:
    model = mean_network(tmp_path / "mean.onnx", "NCHW", size=96)
    assert resolve_compute(model=model).size == 96
    assert resolve_compute(model=model, size="112").size == 112
    assert resolve_compute(model=mean_network(tmp_path / "bare.onnx", "NCHW")).size == 224
    assert resolve_compute().size == Compute().size == load_model().card["input"]["size"]


@pytest.mark.parametrize("size", [100, 32, "224", 224.0, True])
def test_a_size_of_the_card_that_cannot_be_is_an_error(tmp_path: Path, size: object) -> None:
    model = mean_network(tmp_path / "mean.onnx", "NCHW", size=size)
    with pytest.raises(UsageError, match=r"input\.size must be a multiple of 16"):
        resolve_compute(model=model)


def test_words_of_the_card_that_would_be_passed_over_are_refused(tmp_path: Path) -> None:
    model = Path(mean_network(tmp_path / "mean.onnx", "NCHW"))
    model.with_suffix(".json").write_text('{"mean": [0.5, 0.5, 0.5]}')
    with pytest.raises(UsageError, match="'mean' stands alone; it belongs into"):
        load_model(str(model))
    model.with_suffix(".json").write_text('{"input": {"mean": [0.5, 0.5, 0.5]}}')
    with pytest.raises(UsageError, match=r"input\.mean is for networks that take floats"):
        load_model(str(model)).input_format("u8", (None, None, None, 3))
    for element in ("i64", "i8", "tensor(int8)", "boolean"):
        with pytest.raises(UsageError, match="uint8 or float is needed"):
            load_model(str(model)).input_format(element, (None, None, None, 3))


def test_a_card_of_another_file_is_refused(tmp_path: Path) -> None:
    model = Path(mean_network(tmp_path / "mean.onnx", "NCHW"))
    model.with_suffix(".json").write_text('{"sha256": "00"}')
    with pytest.raises(UsageError, match="describes another file"):
        load_model(str(model))
    model.with_suffix(".json").write_text("{")
    with pytest.raises(UsageError, match="not a JSON file"):
        load_model(str(model))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_is_no_network_is_a_usage_error(tmp_path: Path, runtime: str) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(UsageError, match=r"text\.onnx"):
        open_network(load_model(str(tmp_path / "text.onnx")), runtime=runtime, device=CPU, batch=1, threads=1)
    with pytest.raises(UsageError, match=r"missing\.onnx"):
        load_model(str(tmp_path / "missing.onnx"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_size_that_the_network_does_not_take_is_an_error(tmp_path: Path, noise: np.ndarray, runtime: str) -> None:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["f"]),
            helper.make_node("MatMul", ["f", "w"], ["y"]),
        ],
        "fixed",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor("w", TensorProto.FLOAT, [3072, 2], np.ones(6144, np.float32))],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "fixed.onnx"
    )
    with pytest.raises(FastsimError, match="64x64"):
        run_all(str(tmp_path / "fixed.onnx"), runtime, noise)


def test_skipped_files_are_handed_on() -> None:
    network = open_network(load_model(), runtime="openvino", device=CPU, batch=1, threads=1)
    with NullProgress().bar("embed", None, "images") as bar:
        embeddings, skipped = embed(network, [Skipped("a", "broken", 0)], bar)
    assert len(embeddings) == 0
    assert skipped == (Skipped("a", "broken", 0),)


@given(st.lists(st.lists(st.floats(width=32), min_size=3, max_size=3), max_size=8))
def test_unit_rows_are_unit_or_zero(rows: list[list[float]]) -> None:
    raw = np.array(rows, np.float32).reshape(-1, 3)
    norms = np.linalg.norm(unit_rows(raw).astype(np.float64), axis=1)
    assert (((norms > 0.998) & (norms < 1.002)) | (norms == 0)).all()
    for row, norm in zip(rows, norms, strict=True):
        if not np.isfinite(row).all() or not any(row):
            assert norm == 0
