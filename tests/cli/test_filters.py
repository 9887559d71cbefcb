"""Filters on real trees: what takes part, what the summary says, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Run, tree

import fastsim


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """One picture five times: in two sizes, two formats, and with old and new times."""
    grid = Image.fromarray(np.random.default_rng(1).integers(0, 255, (4, 5, 3)).astype(np.uint8))
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name, side, mtime in (
        ("a.jpg", 480, 1.7e9), ("b.jpg", 480, 1.7e9), ("small.jpg", 120, 1.7e9), ("sub/c.png", 480, 1.7e9), ("old.jpg", 480, 1e9),
    ):  # fmt: skip
        grid.resize((side, side * 3 // 4), Image.Resampling.BICUBIC).save(folder / name, quality=90)
        os.utime(folder / name, (mtime, mtime))
    return folder


@pytest.mark.parametrize(
    ("words", "out", "line"),
    [
        (("--min-pixels", "200x200"), {"small.jpg"}, "Left out by filters: 1 file by --min-pixels."),
        (("--min-size", "5kB"), {"small.jpg"}, "1 file by --min-size."),
        (("--max-size", "20kB"), {"sub/c.png"}, "1 file by --max-size."),
        (("--newer", "2020-01-01"), {"old.jpg"}, "1 file by --newer."),
        (("--older", "2020-01-01"), {"a.jpg", "b.jpg", "small.jpg", "sub/c.png"}, "4 files by --older."),
        (("--include", "*.jpg", "--include", "x.png"), {"sub/c.png"}, "1 file by --include."),
    ],
)
def test_what_a_filter_leaves_out_takes_no_part_and_is_counted(
    run: Run, copies: Path, words: tuple[str, ...], out: set[str], line: str
) -> None:
    done = run("images", "in", "--thres", "0.9", "--mode", "clean_move", "--outs", "out", "--json", "r.json", *words)
    assert line in done.stdout, done.stdout
    found = json.loads((copies.parent / "r.json").read_text())
    every = {"a.jpg", "b.jpg", "small.jpg", "sub/c.png", "old.jpg"}
    grouped = {os.path.relpath(one["path"], copies) for group in found["groups"] for one in group["members"]}
    assert grouped == (every - out if len(every - out) > 1 else set())
    assert sum(found["left_out"]["filtered"].values()) == len(out)
    assert all((copies / name).exists() for name in out)


def test_ignore_files_are_followed_and_counted(run: Run, copies: Path) -> None:
    (copies / ".fastsimignore").write_text("sub/\nold.jpg\n")
    before = tree(copies / "sub")
    done = run("images", "in", "--thres", "0.9", "--mode", "clean_move", "--outs", "out", "--json", "r.json")
    assert "Left out by filters: 1 file and 1 folder by .fastsimignore." in done.stdout
    assert json.loads((copies.parent / "r.json").read_text())["left_out"]["ignored"] == {"files": 1, "folders": 1}
    assert tree(copies / "sub") == before
    (copies / ".fastsimignore").write_text("\\")
    done = run("images", "in", "--outs", "out2", code=2)
    assert ".fastsimignore: no gitignore pattern" in done.stderr
    assert done.stderr.count("\n") == 1


def test_filters_do_not_take_references_away(run: Run, copies: Path) -> None:
    done = run(
        "images", "in/a.jpg", "--reference", "in", "--newer", "2020-01-01", "--min-pixels", "1MP", "--thres", "0.9", "--dry-run"
    )  # fmt: skip
    assert "5 images, 4 of them in reference folders" in done.stdout


@pytest.mark.parametrize(
    "words",
    [("--min-size", "many"), ("--max-size", ""), ("--newer", "soon"), ("--older", "2024"), ("--min-pixels", "0x"),
     ("--include", ""), ("--min-size", "2MB", "--max-size", "1MB")],
)  # fmt: skip
def test_values_that_cannot_be_are_refused_in_one_line(run: Run, copies: Path, words: tuple[str, ...]) -> None:
    before = tree(copies)
    done = run("images", "in", "--mode", "clean_move", "--outs", "out", *words, code=2)
    assert done.stderr.startswith(f"fastsim: {words[0]} ")
    assert done.stderr.count("\n") == 1
    assert tree(copies) == before


def test_other_commands_and_python_take_filters(run: Run, copies: Path) -> None:
    done = run("embed", "in", "--include", "sub/*", "--out", "v.npz")
    assert "Left out by filters: 4 files by --include." in done.stdout
    assert [os.path.basename(path) for path in fastsim.embed(copies, max_size="20kB", newer="2020-01-01").paths] == [
        "a.jpg", "b.jpg", "small.jpg",
    ]  # fmt: skip
    [group] = fastsim.find_groups(copies, 0.9, min_pixels="0.1MP", include="*.jpg")
    assert {os.path.basename(one.path) for one in group} == {"a.jpg", "b.jpg", "old.jpg"}
