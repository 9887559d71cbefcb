"""`fastsim leakage`: real trees of splits, the real program, what it says, writes and removes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import Run, tree

import fastsim


def scene(seed: int) -> np.ndarray:
    """Return a picture with enough in it to be verified."""
    draw = np.random.default_rng(seed)
    image = np.full((240, 320, 3), draw.integers(60, 200, 3), np.uint8)
    for radius in np.sort(draw.pareto(1.5, 300) * 6 + 4)[::-1]:
        colour = tuple(int(v) for v in draw.integers(0, 256, 3))
        place = tuple(int(v) for v in draw.integers(0, (320, 240)))
        cv2.circle(image, place, int(min(radius, 70)), colour, -1, cv2.LINE_AA)
    return image


def save(path: Path, image: np.ndarray, *quality: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, *(quality or (92,))])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Make train, val and test with classes cat and dog.

    Of val one picture is a byte-equal copy of train's and one a copy saved again, in the other class; train holds a copy of
    another class itself; test is clean.
    """
    for number in range(6):
        save(tmp_path / f"train/{'cat' if number < 3 else 'dog'}/{number}.jpg", scene(number))
    for number in range(10, 13):
        save(tmp_path / f"val/{'cat' if number < 12 else 'dog'}/{number}.jpg", scene(number))
        save(tmp_path / f"test/{'cat' if number < 12 else 'dog'}/{number}.jpg", scene(100 + number))
    shutil.copy(tmp_path / "train/cat/0.jpg", tmp_path / "val/cat/equal.jpg")
    save(tmp_path / "val/dog/again.jpg", cv2.resize(scene(1), None, fx=0.8, fy=0.8), 80)
    save(tmp_path / "train/dog/other.jpg", cv2.resize(scene(2), None, fx=0.9, fy=0.9), 85)
    return tmp_path


def pairs_of(rows: list[dict[str, object]]) -> set[tuple[str, str]]:
    return {(Path(str(row["left"])).name, Path(str(row["right"])).name) for row in rows}


@pytest.mark.parametrize("verify", [[], ["--verify"]])
def test_copies_between_splits_and_of_other_classes_are_told(data: Path, run: Run, verify: list[str]) -> None:
    done = run(
        "leakage", "train", "val", "test", "--thres", "0.9", *verify, "--json", "r.json", "--out", "r.csv", code=4
    )
    found = json.loads((data / "r.json").read_text())
    assert pairs_of(found["pairs"]) == {("0.jpg", "equal.jpg"), ("1.jpg", "again.jpg"), ("2.jpg", "other.jpg")}
    told = {
        (one["left"], one["right"]): (one["of_left"], one["of_right"], one["conflicts"]) for one in found["between"]
    }
    assert told == {
        ("train", "train"): (2, 2, 1), ("train", "val"): (2, 2, 1), ("train", "test"): (0, 0, 0), ("val", "test"): (0, 0, 0)
    }  # fmt: skip
    assert found["classes"] == ["cat", "dog"]
    conflict = next(row for row in found["pairs"] if row["left"].endswith("1.jpg"))
    assert (conflict["left_split"], conflict["right_split"], conflict["left_class"], conflict["right_class"]) == (
        "train", "val", "cat", "dog",
    )  # fmt: skip
    assert [row["conflict"] for row in found["pairs"]].count(True) == 2
    assert {row["status"] for row in found["pairs"]} == ({"copy"} if verify else {None})
    rows = list(csv.DictReader((data / "r.csv").read_text().splitlines()))
    assert [row["left"] for row in rows] == [row["left"] for row in found["pairs"]]
    assert "train: 7 images, val: 5 images, test: 3 images" in done.stdout
    assert [line.split() for line in done.stdout.splitlines() if line.startswith(("train  val", "train  test"))] == [
        ["train", "val", "2", "2", "2", "1"], ["train", "test", "0", "0", "0", "0"],
    ]  # fmt: skip
    assert "classes cat, dog" in done.stdout


def test_splits_without_copies_end_with_0_and_say_so(data: Path, run: Run) -> None:
    done = run("leakage", data / "val", data / "test", "--thres", "0.9")
    assert [line.split() for line in done.stdout.splitlines() if line.startswith("val")][1] == ["val", "test", *"0000"]
    before = tree(data / "train")
    run("leakage", "train", "test", "--thres", "0.9")  # a copy of another class inside one split is no leak
    assert tree(data / "train") == before


@pytest.mark.parametrize("drop", ["train", "val"])
@pytest.mark.parametrize("mode", ["clean_move", "clean_delete"])
def test_a_plan_removes_the_copies_of_one_split_and_undo_brings_them_back(
    data: Path, run: Run, drop: str, mode: str
) -> None:
    before = tree(data)
    (data / "train/cat/0.xmp").write_text("edits")
    planned = tree(data)
    run(
        "leakage",
        "train",
        "val",
        "--verify",
        "--drop",
        drop,
        "--plan",
        "p.jsonl",
        "--mode",
        mode,
        "--outs",
        "gone",
        code=4,
    )
    assert {name: told for name, told in tree(data).items() if name.startswith(("train", "val"))} == {
        name: told for name, told in planned.items() if name.startswith(("train", "val"))
    }
    run("apply", "p.jsonl", "--yes")
    gone = {"train": {"cat/0.jpg", "cat/0.xmp", "cat/1.jpg"}, "val": {"cat/equal.jpg", "dog/again.jpg"}}[drop]
    assert not any((data / drop / name).exists() for name in gone)
    run("leakage", "train", "val", "--verify")
    if mode == "clean_move":
        assert all((data / "gone" / name).exists() for name in gone)
        run("undo", "gone", "--yes")
        assert {name: told for name, told in tree(data).items() if name in before} == before


def test_the_right_files_go_where_a_picture_has_several_copies(data: Path, run: Run) -> None:
    shutil.copy(data / "train/cat/0.jpg", data / "test/cat/equal.jpg")
    run("leakage", "train", "val", "test", "--thres", "0.95", "--drop", "val", "--plan", "p.jsonl", code=4)
    run("apply", "p.jsonl")
    assert not (data / "val/cat/equal.jpg").exists()
    assert (data / "train/cat/0.jpg").exists()
    assert (data / "test/cat/equal.jpg").exists()
    run("leakage", "train", "test", "--thres", "0.95", code=4)


def test_folders_of_one_split_alone_are_no_classes(data: Path, run: Run) -> None:
    (data / "val/cat").rename(data / "val/batch_1")
    (data / "val/dog").rename(data / "val/batch_2")
    run("leakage", "train", "val", "--thres", "0.9", "--json", "r.json", code=4)
    found = json.loads((data / "r.json").read_text())
    assert found["classes"] == []
    assert not any(row["conflict"] for row in found["pairs"])


def test_splits_of_one_name_are_told_by_their_paths(data: Path, run: Run) -> None:
    for name in ("a", "b"):
        (data / name).mkdir()
        shutil.copytree(data / "test", data / name / "images")
    done = run("leakage", "a/images", "b/images", "--thres", "0.95", code=4)
    assert "a/images: 3 images, b/images: 3 images" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "1 split given"),
        (["train", "train/cat"], "train/cat: it lies in the split train"),
        (["train", "train"], "it lies in the split"),
        (["train", "-"], "not a list on stdin"),
        (["train", "val", "--plan", "p.jsonl"], "--plan needs --drop"),
        (["train", "val", "--drop", "val"], "--drop needs --plan"),
        (["train", "val", "--drop", "xyz", "--plan", "p.jsonl"], "--drop must be one of train, val (got 'xyz')"),
        (["train", "val", "--mode", "clean_delete", "--drop", "val", "--plan", "p"], "refused under 0.9"),
        (["train", "val", "--out", "r.txt"], "--out must end with one of .csv, .json, .npz, .parquet (got 'r.txt')"),
        (["train", "val", "--out", "r.json", "--json", "r.json"], "name the same file"),
        (["train", "nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_what_can_not_be_is_one_line_and_changes_nothing(data: Path, run: Run, words: list[str], message: str) -> None:
    before = tree(data)
    done = run("leakage", *words, code=2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {name: told for name, told in tree(data).items() if not name.startswith(".cache")} == before


def test_a_file_that_can_not_be_read_is_told(data: Path, run: Run) -> None:
    (data / "test/cat/broken.jpg").write_bytes(b"no picture")
    assert "broken.jpg" in run("leakage", "val", "test", "--thres", "0.9", code=3).stdout


def test_the_python_functions_find_and_plan_the_same(data: Path) -> None:
    found = fastsim.find_leaks([data / "train", data / "val"], 0.9, cache=None)
    assert found.leaked()
    assert [(one.left, one.right, one.pairs) for one in found.between()] == [
        ("train", "train", 1), ("train", "val", 2), ("val", "val", 0)
    ]  # fmt: skip
    assert pairs_of(list(found.records())) == {("0.jpg", "equal.jpg"), ("1.jpg", "again.jpg"), ("2.jpg", "other.jpg")}
    plan = fastsim.plan_leaks(found, data / "gone", drop="val")
    assert {Path(step.source).name for step in plan.operations} == {"equal.jpg", "again.jpg"}
    assert fastsim.apply_plan(plan).results
    assert not fastsim.find_leaks([data / "train", data / "val"], 0.9, cache=None).leaked()
    for wrong in ({"drop": "xyz"}, {"drop": "val", "mode": "group_copy"}):
        with pytest.raises(fastsim.FastsimError, match="must be one of"):
            fastsim.plan_leaks(found, data / "other", **wrong)
    with pytest.raises(fastsim.FastsimError, match="1 split given"):
        fastsim.find_leaks(data / "train")
