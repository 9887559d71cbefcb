"""A digest in the cache is never the only evidence for a deletion."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import Run

posix = pytest.mark.skipif(os.name == "nt", reason="needs a ctime")


def draw(path: Path, seed: int, *, again: bool = False) -> None:
    """Draw a picture of a fixed size in bytes and with a fixed mtime, in the same inode each time."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    data = cv2.imencode(".bmp", cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC))[1].tobytes()
    with open(path, "r+b" if again else "wb") as file:
        file.write(data)
    os.utime(path, (1.5e9, 1.5e9))


@posix
@pytest.mark.parametrize("changed", ["a.bmp", "b.bmp"])
def test_a_file_that_changed_without_its_size_time_and_inode_is_another_one(
    run: Run, tmp_path: Path, changed: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.bmp", "b.bmp"):
        draw(folder / name, 1)
    assert "  move    " in run("images", folder, "--thres", "0.95", "--mode", "clean_move", "--dry-run", "-q").stdout
    draw(folder / changed, 9, again=True)
    run("images", folder, "--thres", "0.95", "--mode", "clean_delete", "--yes", "--outs", "out", "-q")
    assert sorted(os.listdir(folder)) == ["a.bmp", "b.bmp"]


@posix
def test_a_plan_that_was_written_before_the_change_leaves_it_alone(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.bmp", "b.bmp"):
        draw(folder / name, 1)
    plan = ("images", folder, "--thres", "0.95", "--mode", "clean_delete", "--no-cache", "--plan", "plan", "-q")
    run(*plan)
    draw(folder / "b.bmp", 9, again=True)
    draw(folder / "a.bmp", 9, again=True)
    assert "it has changed since it was looked at" in run("apply", "plan", "--yes", code=3).stdout
    draw(folder / "a.bmp", 1, again=True)  # another ctime, but the same content
    draw(folder / "b.bmp", 1, again=True)
    assert "Deleted 1 file" in run("apply", "plan", "--yes").stdout
