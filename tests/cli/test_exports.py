"""Results as files for other programs: tables of images and pairs, and samples of FiftyOne."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from support import MEDIA, Run, tree

import fastsim


def read(path: Path, key: str) -> list[dict[str, object]]:
    """Return the rows of a table as dictionaries of text, with "" for what is missing."""
    if path.suffix == ".csv":
        return [dict(row) for row in csv.DictReader(path.read_text().splitlines())]
    if path.suffix == ".json":
        return json.loads(path.read_text())[key]  # type: ignore[no-any-return]
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()  # type: ignore[no-any-return]
    arrays = np.load(path)
    return [dict(zip(arrays, values, strict=True)) for values in zip(*(arrays[name] for name in arrays), strict=True)]


@pytest.mark.parametrize("suffix", ["csv", "json", "npz", "parquet"])
def test_every_image_stands_in_the_export_with_its_group(photos: Path, tmp_path: Path, run: Run, suffix: str) -> None:
    before = tree(photos)
    run("images", photos, "--thres", "0.85", "--dry-run", "--json", "r.json", "--export", f"e.{suffix}")
    groups = json.loads((tmp_path / "r.json").read_text())["groups"]
    rows = read(tmp_path / f"e.{suffix}", "images")
    assert len(rows) == len(before)
    by_path = {str(row["path"]): row for row in rows}
    truth = {"csv": "True"}.get(suffix, 1)
    for number, group in enumerate(groups, 1):
        [keeper] = [one["path"] for one in group["members"] if one["keeper"]]
        for one in group["members"]:
            row = by_path[one["path"]]
            assert (int(str(row["group"])), str(row["keeper_path"])) == (number, keeper)
            assert (row["keeper"] == truth) == one["keeper"]
            assert float(str(row["score"])) == one["score"]
            assert int(str(row["bytes"])) == one["bytes"]
    alone = set(by_path) - {one["path"] for group in groups for one in group["members"]}
    assert len(alone) == 2
    for path in alone:
        assert by_path[path]["group"] in (None, "", -1)
        assert by_path[path]["keeper"] == truth
    run(
        "images",
        photos,
        "--thres",
        "0.85",
        "--dry-run",
        "--export",
        f"e.{suffix}",
        code=2 if suffix == "parquet" else 0,
    )
    assert tree(photos) == before


def test_samples_json_has_the_layout_of_fiftyone(photos: Path, tmp_path: Path, run: Run) -> None:
    run("images", photos, "--thres", "0.85", "--dry-run", "--export", "samples.json")
    samples = json.loads((tmp_path / "samples.json").read_text())["samples"]
    assert {sample["filepath"] for sample in samples} == {str(path) for path in photos.rglob("*.*")}
    for sample in samples:
        assert sample["metadata"]["_cls"] == "ImageMetadata"
        assert sample["tags"] in ([], ["keeper"], ["duplicate"])
        assert (sample["duplicate_of"] is not None) == (sample["tags"] == ["duplicate"])
        assert (sample["duplicate_group"] is None) == (sample["tags"] == [])


@pytest.mark.parametrize("suffix", ["csv", "json", "npz", "parquet"])
def test_pairs_are_written_in_every_format(photos: Path, tmp_path: Path, run: Run, suffix: str) -> None:
    run("pairs", photos, "--verify", "--out", f"p.{suffix}")
    rows = read(tmp_path / f"p.{suffix}", "pairs")
    expected = fastsim.find_pairs([photos], cache=None)
    assert [(str(row["left"]), str(row["right"]), str(row["status"])) for row in rows] == [
        (one["left"], one["right"], one["status"]) for one in expected
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--export", "e.txt"], "--export must end with one of .csv, .json, .npz, .parquet (got 'e.txt')"),
        (["--export", "r.json", "--json", "r.json"], "--json and --export r.json: the same file"),
        (["--export", "mine.csv"], "not written by this command"),
        (["--export", "e.csv", "--mode", "list"], "--mode list prints paths only"),
    ],
)
def test_what_can_not_be_written_is_one_line(
    photos: Path, tmp_path: Path, run: Run, words: list[str], message: str
) -> None:
    (tmp_path / "mine.csv").write_text("path\nmine\n")
    listing = [] if "list" in words else ["--dry-run"]
    done = run("images", photos, *listing, *words, code=2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "mine.csv").read_text() == "path\nmine\n"


def test_the_python_functions_write_the_same(tmp_path: Path) -> None:
    found = fastsim.find([MEDIA / "photos"], 0.85, cache=None)
    fastsim.export_groups(found, tmp_path / "e.npz")
    arrays = np.load(tmp_path / "e.npz")
    assert len(arrays["path"]) == 11
    assert sorted({int(one) for one in arrays["group"]}) == [-1, 1, 2, 3, 4]
    fastsim.export_pairs(fastsim.find_pairs([MEDIA / "photos"], 0.9, verify=False, cache=None), tmp_path / "p.csv")
    assert "chart copy.png" in (tmp_path / "p.csv").read_text()
    with pytest.raises(fastsim.FastsimError, match="path must end with one of"):
        fastsim.export_groups(found, tmp_path / "e.txt")
