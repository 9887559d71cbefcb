"""Ctrl-C and a polite kill, at any moment: a clear line, exit 130, and nothing half-moved."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from support import MEDIA, Run, tree

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals between processes")


def start(folder: Path, tmp_path: Path, *more: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, "FASTSIM_CACHE_DIR": str(tmp_path / ".cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "fastsim", "images", str(folder), "--outs", "out", "--thres", "0.95", *more]
    return subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def many(folder: Path, count: int) -> Path:
    """`count` copies of one picture under different names."""
    folder.mkdir()
    for i in range(count):
        shutil.copy(MEDIA / "photos/chart.png", folder / f"{i:05}.png")
    return folder


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_before_anything_is_moved_nothing_is_changed(photos: Path, tmp_path: Path, kind: signal.Signals) -> None:
    before = tree(photos)
    process = start(photos, tmp_path, "--mode", "clean_move")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / ".cache/embeddings.sqlite").exists():
        time.sleep(0.005)  # Python is up, and the pictures are about to be decoded and embedded
    process.send_signal(kind)
    _, stderr = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the run was over before the signal came")
    assert process.returncode == 130
    assert b"Traceback" not in stderr
    assert tree(photos) == before


def test_in_the_middle_of_the_moves_it_can_be_finished_or_undone(run: Run, tmp_path: Path) -> None:
    folder = many(tmp_path / "many", 3000)
    before = tree(folder)
    process = start(folder, tmp_path, "--mode", "clean_move")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((tmp_path / "out").glob("0*.png")):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    moved = len(list((tmp_path / "out").glob("0*.png")))
    assert len(list(folder.iterdir())) + moved == 3000
    if process.returncode != 0:
        assert process.returncode == 130
        assert b"fastsim apply" in stdout + stderr
        run("apply", tmp_path / "out/fastsim_plan.jsonl")
    assert len(list(folder.iterdir())) == 1
    run("undo", tmp_path / "out")
    assert tree(folder) == before


SCRIPT = Path(sysconfig.get_path("scripts"), "fastsim")


def test_while_the_package_is_being_imported_it_ends_without_a_traceback(tmp_path: Path) -> None:
    package = tmp_path / "fastsim"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, str(SCRIPT), "doctor"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, preexec_fn=heed_interrupts)
    assert (done.returncode, done.stderr) == (130, "fastsim: interrupted; no file was changed\n")


def test_however_early_it_comes_no_traceback_leads_through_fastsim(tmp_path: Path) -> None:
    """Before the program's first line the interpreter reports an interruption itself."""
    env = {**os.environ, "FASTSIM_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    for step in range(24):
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "doctor"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=heed_interrupts,  # noqa: PLW1509
        )  # fmt: skip
        time.sleep(0.01 * step)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert b"Traceback" not in stderr or not re.search(rb'File "[^"]*(/bin/fastsim|/fastsim/)', stderr), stderr


def heed_interrupts() -> None:
    """Restore Ctrl-C: a shell starts what it puts into the background with Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
