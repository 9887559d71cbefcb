"""--keep with rules in order, on real files: which stays, which rule decided, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import Run, tree

import fastsim

CLEAN = ("--thres", "0.95", "--mode", "clean_move", "--outs", "out", "--json", "r.json")


def picture(seed: int = 1, width: int = 320, height: int = 240) -> Image.Image:
    """Return a drawn picture; another seed is clearly another one."""
    grid = np.random.default_rng(seed).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def save(path: Path, *, size: tuple[int, int] = (320, 240), mtime: int = 10**9, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(1, *size).save(path, **options)
    os.utime(path, (mtime, mtime))
    return path


def taken_with(camera: str, date: str = "", place: bool = False) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0110] = camera
    if date:
        exif.get_ifd(0x8769)[0x9003] = date
    if place:
        exif.get_ifd(0x8825).update({1: "N", 2: (50.0, 0.0, 0.0), 3: "E", 4: (8.0, 0.0, 0.0)})
    return exif


def kept(folder: Path) -> list[str]:
    return sorted(os.path.relpath(path, folder) for path in folder.rglob("*") if path.is_file())


def decided(tmp_path: Path) -> list[tuple[str, str]]:
    found = json.loads((tmp_path / "r.json").read_text())
    return [(one["rule"], one["why"]) for group in found["groups"] for one in group["members"] if one["keeper"]]


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """One picture five times: each has what one rule looks for."""
    folder = tmp_path / "in"
    save(folder / "screen.png", mtime=1_400_000_000)
    save(folder / "big.jpg", size=(640, 480), quality=40)
    save(folder / "exif.jpg", quality=50, exif=taken_with("K1", "2024:05:01 10:00:00", place=True))
    save(folder / "camera.jpg", quality=51, exif=taken_with("K1", "0000:00:00 00:00:00"))
    save(folder / "album" / "z.webp", quality=50, mtime=1_600_000_000)
    return folder


@pytest.mark.parametrize(
    ("rules", "stays", "rule"),
    [
        ("resolution,largest", "big.jpg", "resolution"),
        ("exif,largest", "exif.jpg", "exif"),
        ("format:webp>png", "album/z.webp", "format:webp>png"),
        ("format:png", "screen.png", "format:png"),
        ("folder:album", "album/z.webp", "folder:album"),
        ("newest", "album/z.webp", "newest"),
        ("path", "album/z.webp", "path"),
        ("shortest-path", "big.jpg", "shortest-path"),
        ("best", "big.jpg", "resolution"),
        ("format:jpeg,exif", "exif.jpg", "exif"),
    ],
)
def test_the_first_rule_that_tells_files_apart_decides(
    run: Run, shots: Path, rules: str, stays: str, rule: str
) -> None:
    tmp_path, before = shots.parent, tree(shots)
    run("images", "in", *CLEAN, "--keep", rules)
    assert kept(shots) == [stays]
    assert [one[0] for one in decided(tmp_path)] == [rule]
    run("undo", "out")
    assert tree(shots) == before


def test_dry_run_plan_and_report_say_which_rule_decided(run: Run, tmp_path: Path, shots: Path) -> None:
    done = run("images", "in", "--thres", "0.95", "--mode", "clean_move", "--keep", "folder:album,largest", "--dry-run")
    assert "in a preferred folder (folder:album)" in done.stdout
    run("images", "in", "--thres", "0.95", "--mode", "clean_move", "--keep", "exif", "--plan", "p.jsonl")
    assert json.loads((tmp_path / "p.jsonl").read_text().splitlines()[1])["why"] == "most EXIF: date, position, camera"
    done = run("images", "in", *CLEAN, "--keep", "format:webp")
    assert "preferred format (format:webp)" in done.stdout


def test_a_format_is_known_by_its_content(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.jpg", format="PNG")
    save(tmp_path / "in" / "b.png", format="JPEG")
    run("images", "in", *CLEAN, "--keep", "format:jpeg")
    assert kept(tmp_path / "in") == ["b.png"]


def test_a_rule_file_says_what_keep_says(run: Run, tmp_path: Path, shots: Path) -> None:
    (tmp_path / "rules.toml").write_text('keep = ["folder:album", "largest"]\n')
    run("images", "in", *CLEAN, "--rules", "rules.toml")
    assert kept(shots) == ["album/z.webp"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--keep", "nothing"), "--keep must be one or more of intact"),
        (("--keep", ""), "--keep must not be empty"),
        (("--keep", "largest,largest"), "twice"),
        (("--keep", "resolution,uncropped"), "--keep uncropped needs --verify"),
        (("--keep", "largest", "--rules", "x.toml"), "exclude each other"),
        (("--rules", "x.toml"), "--rules x.toml: can't be read"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(run: Run, shots: Path, words: tuple[str, ...], said: str) -> None:
    tmp_path, before = shots.parent, tree(shots)
    done = run("images", "in", *CLEAN, *words, code=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert tree(shots) == before
    assert not (tmp_path / "out").exists()


def test_best_needs_no_verification_and_takes_crops_into_account_with_it(run: Run, tmp_path: Path, shots: Path) -> None:
    shutil.rmtree(shots)
    whole = picture(3, 480, 360)
    noise = np.random.default_rng(0).normal(0, 25, (360, 480, 3))
    whole = Image.fromarray(np.clip(np.asarray(whole) + noise, 0, 255).astype(np.uint8))
    shots.mkdir()
    whole.save(shots / "whole.jpg", quality=80)
    whole.crop((20, 20, 440, 330)).resize((840, 620)).save(shots / "crop.jpg", quality=95)
    run("images", "in", "--verify", "--mode", "clean_move", "--outs", "out", "--json", "r.json", "--keep", "best")
    assert kept(shots) == ["whole.jpg"]
    assert decided(tmp_path) == [("uncropped", "the others are crops of it")]


def test_python_takes_a_string_or_a_list(shots: Path) -> None:
    found = fastsim.find([shots], 0.95, keep=["format:webp", "largest"])
    assert found.groups[0][0].path.endswith("z.webp")
    assert found.groups[0][0].rule == "format:webp"
    assert fastsim.find([shots], 0.95, keep="resolution").groups[0][0].path.endswith("big.jpg")
    with pytest.raises(fastsim.FastsimError, match="keep must be one or more of"):
        fastsim.find([shots], 0.95, keep="")
    with pytest.raises(fastsim.FastsimError, match="keep must name a rule"):
        fastsim.find([shots], 0.95, keep=[])
