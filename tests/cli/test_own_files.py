"""What a command writes where the user names it: in place of its own files, and of nothing else."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support import Run

WRITES = {
    "tune page": (("tune", "photos", "--outs", "advice"), "advice/tune.html"),
    "tune chart": (("tune", "photos", "--outs", "advice"), "advice/scores.svg"),
    "tune table": (("tune", "photos", "--outs", "advice"), "advice/thresholds.csv"),
    "tune json": (("tune", "photos", "--outs", "other", "--json", "my.json"), "my.json"),
    "embed": (("embed", "photos", "--out", "my.npz"), "my.npz"),
    "images json": (("images", "photos", "--dry-run", "--json", "my.json"), "my.json"),
    "compare json": (("compare", "photos", "--json", "my.json"), "my.json"),
    "plan": (("images", "photos", "--plan", "my.jsonl"), "my.jsonl"),
}
"""A command line of each output, and the file that it writes."""
OF_THE_USER = {
    "tune.html": b"<!doctype html><html><!-- written by fastsim --> my notes",
    "scores.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "thresholds.csv": b"thres,pairs,groups,grouped,removable,largest\r\n0.6,1,1,1,1,1\r\n",
    "my.json": b'{"name": "my-app", "note": "written by fastsim"}',
    "my.jsonl": b'{"format": "mine"}\n',
}


def users_file(path: Path) -> bytes:
    """Write a file of the same format, as the user might; return its bytes."""
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "written by fastsim embed")
    else:
        path.write_bytes(OF_THE_USER[path.name])
    return path.read_bytes()


@pytest.mark.parametrize("name", WRITES)
def test_a_file_of_the_user_is_refused_before_any_work(run: Run, photos: Path, name: str) -> None:
    words, target = WRITES[name]
    path = photos.parent / target
    before = users_file(path)
    refused = run(*words, code=2).stderr
    assert target in refused and refused.count("\n") == 1
    assert "another name" in refused
    assert path.read_bytes() == before
    assert set(os.listdir(photos.parent)) == {"photos", target.split("/")[0]}


@pytest.mark.parametrize("name", ["tune page", "tune table", "embed", "images json", "plan"])
@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need rights there")
def test_a_link_is_refused_even_where_it_leads_to_a_file_of_fastsim(run: Run, photos: Path, name: str) -> None:
    words, target = WRITES[name]
    path = photos.parent / target
    run(*words)
    behind = path.rename(photos.parent / f"behind{path.suffix}")
    before = behind.read_bytes()
    path.symlink_to(behind)
    assert "it is a symbolic link" in run(*words, code=2).stderr
    assert path.is_symlink()
    assert behind.read_bytes() == before


def test_files_of_an_earlier_run_are_replaced(run: Run, photos: Path, tmp_path: Path) -> None:
    for words, target in WRITES.values():
        run(*words)
        first = (tmp_path / target).stat().st_ino
        run(*words)
        assert (tmp_path / target).stat().st_ino != first
    with np.load(tmp_path / "my.npz") as stored:
        assert set(stored) == {"paths", "vectors", "sizes"}
    assert json.loads((tmp_path / "my.json").read_text())["note"].startswith("written by fastsim ")
