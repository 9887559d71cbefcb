"""--flag and --keep sharp, on real files: what is marked, where it is said, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from support import Run, tree

import fastsim
from fastsim.choices import Flag
from fastsim.decode.quality import measure, measure_grey
from fastsim.errors import UsageError
from fastsim.quality import flags_of, parse_flags


@pytest.fixture
def poor(tmp_path: Path) -> Path:
    """Draw a picture with texture, the same blurred, darkened and brightened, and one that is nearly even."""
    random = np.random.default_rng(5)
    grid = Image.fromarray(random.integers(20, 235, (4, 5, 3)).astype(np.uint8)).resize(
        (640, 480), Image.Resampling.BICUBIC
    )
    sharp = Image.fromarray(
        np.clip(np.asarray(grid) + np.kron(random.normal(0, 30, (240, 320, 3)), np.ones((2, 2, 1))), 0, 255).astype(
            np.uint8
        )
    )
    folder = tmp_path / "in"
    folder.mkdir()
    sharp.save(folder / "sharp.png")
    sharp.filter(ImageFilter.GaussianBlur(6)).save(folder / "blurred.png")
    sharp.point(lambda value: value // 5).save(folder / "dark.png")
    sharp.point(lambda value: 247 + value // 32).save(folder / "bright.png")
    even = np.full((300, 400, 3), 128, np.uint8)
    even[100:120, 100:120] = 140
    Image.fromarray(even).save(folder / "even.png")
    return folder


def test_each_flag_marks_what_it_says(poor: Path) -> None:
    found = {path.stem: measure(str(path)) for path in sorted(poor.iterdir())}
    marked = {name: set(flags_of(one, list(Flag))) for name, one in found.items() if one is not None}
    assert marked["sharp"] == set()
    assert marked["blurred"] == {"blur"}
    assert "dark" in marked["dark"]
    assert "bright" in marked["bright"]
    assert marked["even"] == {"blur", "low-information"}
    assert measure(str(poor / "none.png")) is None


def test_measures_are_those_of_their_definitions() -> None:
    grey = np.tile(np.array([0, 255], np.uint8), (8, 4))
    found = measure_grey(grey)
    assert (found.low, found.high, found.entropy) == (0, 1, 1)
    assert found.sharpness == pytest.approx(510**2)
    flat = measure_grey(np.zeros((1, 1), np.uint8))
    assert (flat.sharpness, flat.entropy) == (0, 0)


def test_flags_stand_in_report_dry_run_and_json(run: Run, poor: Path) -> None:
    before = tree(poor)
    done = run("images", "in", "--thres", "0", "--flag", "blur,dark", "--dry-run", "--json", "r.json", "--verbose")
    found = json.loads((poor.parent / "r.json").read_text())
    marked = {Path(one["path"]).name: one["flags"] for one in found["flagged"]}
    assert {"blurred.png", "dark.png", "even.png"} <= marked.keys()
    assert "sharp.png" not in marked
    assert {flag for flags in marked.values() for flag in flags} == {"blur", "dark"}
    assert found["flagged"][0].keys() == {"path", "flags", "sharpness", "low", "high", "entropy"}
    members = {Path(one["path"]).name: one["flags"] for group in found["groups"] for one in group["members"]}
    assert members["blurred.png"] == ["blur"]
    assert "Flagged " in done.stdout
    assert f"{poor / 'blurred.png'}: blur" in done.stdout
    assert tree(poor) == before


def test_without_flag_nothing_is_measured(run: Run, poor: Path) -> None:
    done = run("images", "in", "--thres", "0.9", "--dry-run", "--json", "r.json")
    assert "flagged" not in json.loads((poor.parent / "r.json").read_text())
    assert "quality" not in done.stdout


def test_the_sharpest_file_is_kept(run: Run, poor: Path) -> None:
    for name in ("dark.png", "bright.png", "even.png"):
        (poor / name).unlink()
    Image.open(poor / "blurred.png").resize((1280, 960)).save(poor / "blurred.png")
    run(
        "images", "in", "--thres", "0.3", "--mode", "clean_move", "--outs", "out", "--keep", "sharp", "--json", "r.json"
    )
    assert [path.name for path in poor.iterdir()] == ["sharp.png"]
    [group] = json.loads((poor.parent / "r.json").read_text())["groups"]
    assert (group["members"][0]["rule"], group["members"][0]["why"]) == ("sharp", "sharpest")


@pytest.mark.parametrize("words", ["", "blurry", "blur,", "blur,blur", "Blur", "blur dark"])
def test_other_words_are_refused_in_one_line(words: str) -> None:
    with pytest.raises(UsageError, match=r"^--flag ") as caught:
        parse_flags(words)
    assert "\n" not in str(caught.value)


def test_a_flag_that_cannot_be_is_refused_before_any_work(run: Run, poor: Path) -> None:
    done = run("images", "in", "--flag", "blurry", code=2)
    assert (
        "--flag must be one or more of blur, dark, bright, low-information, with commas between (got 'blurry')"
        in done.stderr
    )
    assert done.stderr.count("\n") == 1


def test_python_has_flags(poor: Path) -> None:
    found = fastsim.find(poor, 0.9, flag=["dark", "blur"])
    assert found.flagged[str(poor / "blurred.png")].flags == ("blur",)
    assert str(poor / "sharp.png") not in found.flagged
    with pytest.raises(fastsim.FastsimError, match="flag must be one or more of"):
        fastsim.find(poor, 0.9, flag="blurry")
