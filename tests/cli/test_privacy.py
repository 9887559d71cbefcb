"""No command opens an internet socket, and none leaves anything in the home folder but fastsim's own cache."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import no_sockets
import pytest
import typer.main

from fastsim.cli.app import app as typer_app

COMMANDS: dict[str, list[list[str]]] = {
    "images": [["photos"], ["photos", "--runtime", "onnxruntime", "--dry-run"]],
    "apply": [["plan.jsonl"]],
    "undo": [["made"]],
    "compare": [["photos/chart.png", "photos/backup/chart copy.png"]],
    "embed": [["photos", "--out", "vectors.npz"]],
    "pairs": [["photos", "--verify", "--out", "pairs.csv"]],
    "leakage": [["photos/holiday", "photos/backup"]],
    "search": [["photos/chart.png", "--in", "photos", "--verify"]],
    "index": [["photos", "--out", "photos.index"]],
    "doctor": [[]],
    "tune": [["photos"]],
    "decisions list": [[]],
    "decisions clear": [[]],
    "cache info": [[]],
    "cache clear": [[]],
    "video": [["clips/clip.mp4"]],
    "videos": [["clips"]],
    "video-duplicates": [["clips"]],
}
"""The command lines that are tried of each command."""
MAY_LISTEN = {"review"}
"""Serves a page on loopback; its own tests hold it to that."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="seccomp is of Linux")


app = typer.main.get_command(typer_app)


def all_commands(group: object = app, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        found |= all_commands(command, f"{prefix}{name} ") if hasattr(command, "commands") else {prefix + name}
    return found


def test_every_command_is_tried() -> None:
    assert all_commands() - MAY_LISTEN == set(COMMANDS), "add a line to COMMANDS"


def confined(folder: Path, *command: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """`command` without internet sockets, in a new home: (what it printed, the attempts, a line each)."""
    record = folder / "attempts"
    record.write_text("")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "FASTSIM_", "ORT_"))}
    env |= {"HOME": str(folder / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, no_sockets.__file__, str(record), *command],
        cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode == no_sockets.UNSUPPORTED:
        pytest.skip(f"no seccomp filter here: {done.stderr.strip()}")
    return done, record.read_text()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_the_filter_sees_sockets_of_the_command_and_of_what_it_starts(home: Path) -> None:
    for family in ("AF_INET", "AF_INET6"):
        code = f"import os, socket; os.fork(); socket.socket(socket.{family})"
        done, attempts = confined(home.parent, sys.executable, "-c", code)
        assert done.returncode == 1
        assert attempts.count(f"{family} ") == 2


def prepare(command: str, folder: Path) -> None:
    """Prepare what the command line of COMMANDS reads."""
    if command in ("apply", "undo"):
        words = ["--outs", "made", *(["--plan", "plan.jsonl"] if command == "apply" else [])]
        subprocess.run([sys.executable, "-m", "fastsim", "images", "photos", "-q", *words], cwd=folder, check=True)
    elif command.startswith("video"):
        import av
        import numpy as np

        (folder / "clips").mkdir()
        with av.open(str(folder / "clips" / "clip.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for shade in range(30):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 8 * shade, np.uint8), "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_opens_a_socket_or_writes_to_the_home_folder_but_its_cache(
    command: str, home: Path, photos: Path
) -> None:
    prepare(command, photos.parent)
    for words in COMMANDS[command]:
        if "onnxruntime" in words and importlib.util.find_spec("onnxruntime") is None:
            continue
        done, attempts = confined(photos.parent, sys.executable, "-m", "fastsim", *command.split(), *words)
        assert done.returncode in (0, 3, 4), done.stderr
        assert attempts == ""
    left = {os.path.relpath(path, home) for path in home.rglob("*") if path.is_file()}
    assert {name for name in left if not name.startswith(os.path.join(".cache", "fastsim", ""))} == set()
