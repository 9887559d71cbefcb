"""Whole runs over odd pictures: what differs stays apart, what a viewer shows alike is found, nothing is silent."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw
from support import Run

WHITE, BLACK = (255, 255, 255, 255), (0, 0, 0, 255)


def scene(seed: int, width: int = 480, height: int = 360) -> Image.Image:
    """Return a drawn picture; another seed is clearly another one."""
    rng = np.random.default_rng(seed)
    colours = [tuple(int(v) for v in rng.integers(0, 255, 3)) for _ in range(12)]
    image = Image.new("RGB", (width, height), colours[0])
    draw = ImageDraw.Draw(image)
    for k, colour in enumerate(colours[1:]):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = int(rng.integers(width // 12, width // 3)), int(rng.integers(height // 12, height // 3))
        (draw.ellipse if k % 2 else draw.rectangle)([x - w, y - h, x + w, y + h], fill=colour)
    return image


def shape(image: Image.Image, kind: int, fill: tuple[int, ...]) -> Image.Image:
    draw = ImageDraw.Draw(image)
    if kind == 0:
        draw.ellipse([40, 40, 216, 216], outline=fill, width=24)
    elif kind == 1:
        draw.polygon([(128, 30), (226, 220), (30, 220)], fill=fill)
    else:
        draw.line([(40, 40), (216, 216)], fill=fill, width=30)
        draw.line([(216, 40), (40, 216)], fill=fill, width=30)
    return image


def found(run: Run, folder: Path, thres: float = 0.9) -> tuple[list[set[str]], dict[str, object]]:
    """Return (the groups as sets of names, the JSON) of one run."""
    result = folder.parent / "result.json"
    run("images", folder, "--thres", str(thres), "--dry-run", "--json", result)
    told = json.loads(result.read_text(encoding="utf-8"))
    return [{Path(member["path"]).name for member in group["members"]} for group in told["groups"]], told


def test_what_differs_on_some_page_background_or_value_stays_apart(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    title = scene(0)
    for k in range(2):
        pages = [scene(10 * k + j) for j in range(1, 4)]
        title.save(folder / f"contract_{k}.tif", save_all=True, append_images=pages, compression="tiff_lzw")
        title.save(folder / f"clip_{k}.webp", save_all=True, append_images=pages, duration=100)
    title.save(folder / "still.png")
    shape(Image.new("RGBA", (256, 256), (255, 255, 255, 0)), 0, WHITE).save(folder / "white_ring.png")
    shape(Image.new("RGBA", (256, 256), (255, 255, 255, 0)), 2, WHITE).save(folder / "white_cross.webp", lossless=True)
    shape(Image.new("RGBA", (256, 256), (0, 0, 0, 0)), 1, BLACK).save(folder / "black_triangle.png")
    Image.new("RGBA", (256, 256), (255, 255, 255, 0)).save(folder / "nothing.png")
    mask = Image.fromarray(np.asarray(scene(50).convert("L").resize((256, 256))))
    grey = Image.new("RGBA", (256, 256), (120, 120, 120, 255))
    grey.putalpha(mask)
    grey.save(folder / "mask.png")
    for k in range(2):
        heat = np.asarray(scene(60 + k).convert("L")).astype(np.uint16) * 5 + 7000
        heat[0, 0] = 0
        Image.fromarray(heat).save(folder / f"thermal_{k}.png")
        height = np.asarray(scene(70 + k).convert("L")).astype(np.float32) * 4
        height[:20, :20] = -9999
        Image.fromarray(height).save(folder / f"elevation_{k}.tif")
    groups, _ = found(run, folder)
    assert groups == []


def test_copies_are_found_in_whatever_way_they_are_stored(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    pages = [scene(j) for j in range(4)]
    pages[0].save(folder / "clip.gif", save_all=True, append_images=pages[1:], duration=100)
    small = [page.resize((320, 240)) for page in pages]
    small[0].save(folder / "clip_small.webp", save_all=True, append_images=small[1:], duration=100, quality=80)
    drawn = shape(Image.new("RGBA", (256, 256), (0, 0, 0, 0)), 2, (200, 30, 40, 255))
    drawn.save(folder / "drawn.png")
    flat = Image.new("RGBA", drawn.size, "white")
    flat.alpha_composite(drawn)
    flat.convert("RGB").save(folder / "drawn_flat.jpg", quality=90)
    photo = scene(20)
    photo.save(folder / "photo.png")
    photo.convert("CMYK").save(folder / "photo_cmyk.jpg", quality=95)
    grey = np.asarray(scene(21).convert("L"))
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "grey_16.png")
    Image.fromarray((grey / 255).astype(np.float32)).save(folder / "grey_float.tif")
    stream = io.BytesIO()
    scene(22).save(stream, "JPEG", quality=90)
    (folder / "whole.jpg").write_bytes(stream.getvalue())
    (folder / "no_end.jpg").write_bytes(stream.getvalue()[:-2])
    data = bytearray(stream.getvalue())
    data[int(len(data) * 0.9) :] = b""
    (folder / "cut.jpg").write_bytes(data)
    groups, told = found(run, folder)
    assert {frozenset(group) for group in groups} == {
        frozenset({"clip.gif", "clip_small.webp"}), frozenset({"drawn.png", "drawn_flat.jpg"}),
        frozenset({"photo.png", "photo_cmyk.jpg"}), frozenset({"grey.png", "grey_16.png", "grey_float.tif"}),
        frozenset({"whole.jpg", "no_end.jpg", "cut.jpg"}),
    }  # fmt: skip
    assert [Path(item["path"]).name for item in told["damaged"]] == ["cut.jpg"]  # type: ignore[index, attr-defined]
    members = {Path(m["path"]).name: m for group in told["groups"] for m in group["members"]}  # type: ignore[index, attr-defined]
    assert (members["clip.gif"]["frames"], members["clip.gif"]["frames_total"]) == (4, 4)
    assert members["cut.jpg"]["damage"]
    assert members["no_end.jpg"]["damage"] == ""


def test_a_second_run_knows_views_frames_and_damage_from_the_cache(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.gif", "b.gif"):
        last = scene(2) if name == "a.gif" else scene(3)
        scene(0).save(folder / name, save_all=True, append_images=[scene(1), last], duration=100)
    shape(Image.new("RGBA", (256, 256), (255, 255, 255, 0)), 0, WHITE).save(folder / "ring.png")
    shape(Image.new("RGBA", (256, 256), (255, 255, 255, 0)), 2, WHITE).save(folder / "cross.png")
    stream = io.BytesIO()
    scene(22).save(stream, "JPEG", quality=90)
    (folder / "cut.jpg").write_bytes(stream.getvalue()[: int(len(stream.getvalue()) * 0.9)])
    first, second = found(run, folder), found(run, folder)
    assert first[0] == second[0] == []
    assert second[1]["environment"]["cached"] == 5  # type: ignore[index, call-overload]
    assert first[1]["damaged"] == second[1]["damaged"] != []


def network(path: Path, value: float) -> None:
    """Write a network whose vectors are all of one value."""
    weights = numpy_helper.from_array(np.full((3, 16), value, np.float32), "w")
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["vectors"]),
    ]
    shape_in, shape_out = [None, 3, 64, 64], [None, 16]
    graph = helper.make_graph(
        nodes, "constant",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape_in)],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, shape_out)], [weights],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_network_of_zeros_or_nan_is_an_error_in_one_line(run: Run, tmp_path: Path, value: float) -> None:
    (tmp_path / "in").mkdir()
    for seed in range(3):
        scene(seed).save(tmp_path / "in" / f"{seed}.png")
    network(tmp_path / "net.onnx", value)
    for _ in range(2):  # the second time from the cache
        done = run("images", tmp_path / "in", "--model", tmp_path / "net.onnx", "--size", "64", "--dry-run", code=1)
        assert "the vectors of all 3 images are zero or not finite" in done.stderr


@pytest.mark.parametrize("path", ["/dev/zero", "fifo.onnx", "empty.onnx", "folder.onnx"])
def test_a_model_without_end_or_content_is_refused_at_once(run: Run, tmp_path: Path, path: str) -> None:
    import os

    os.mkfifo(tmp_path / "fifo.onnx")
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "folder.onnx").mkdir()
    scene(0).save(tmp_path / "a.png")
    done = run("images", tmp_path / "a.png", "--model", tmp_path / path, "--dry-run", code=2)
    assert done.stderr.count("\n") == 1
    assert "--model" in done.stderr
