"""How the program ends: one line, the right exit code, whatever became of stdin, stdout and stderr."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import MEDIA, Run, tree

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell is needed")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`line` in bash, where $F is fastsim."""
    program = f"{shlex.quote(sys.executable)} -m fastsim"
    env = {**os.environ, "F": program, "FASTSIM_CACHE_DIR": str(folder.parent / ".cache")}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    return subprocess.run(["bash", "-c", line], cwd=folder, env=env, capture_output=True, text=True, check=False)


@POSIX
def test_a_reader_that_goes_away_changes_neither_the_exit_code_nor_stderr(photos: Path) -> None:
    done = shell("$F images . --dry-run -v | head -n 1; exit ${PIPESTATUS[0]}", photos)
    assert done.returncode == 0
    assert done.stderr == ""


@POSIX
@pytest.mark.parametrize(
    "command",
    ["images . --dry-run", "doctor", "--version", "--help", "images --help", "tune . -q --json -"],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_stdout_that_is_full_is_an_error_in_one_line(photos: Path, command: str, unbuffered: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    done = shell(f"export PYTHONUNBUFFERED={unbuffered}; $F {command} > /dev/full", photos)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "can't be written" in done.stderr


@POSIX
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_no_harm(photos: Path, closed: str) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    before = tree(photos)
    done = shell(f"$F images . --thres 0.85 --mode clean_move --outs ../out --json ../r.json {closed}", photos)
    assert done.returncode == 3, done.stderr
    assert "error" not in done.stderr
    assert all(action["done"] for action in json.loads((photos.parent / "r.json").read_text())["actions"])
    assert shell(f"$F undo ../out {closed}", photos).returncode == 0
    assert tree(photos) == before


def test_wrong_use_is_one_line_with_the_value_that_was_typed(run: Run) -> None:
    for words, expected in (
        (("images", ".", "--thres", "abc"), "--thres must be a number (got 'abc')"),
        (("images", ".", "--workers=x"), "--workers must be a whole number (got 'x')"),
        (("images", ".", "--bogus"), "no such option: --bogus"),
        (("images", ".", "--thress", "1"), "no such option: --thress (did you mean --thres "),
        (("images", ".", "--thres"), "option '--thres' requires an argument"),
        (("apply",), "missing argument 'PLAN'"),
        (
            ("images", ".", "--mode", "foo"),
            "--mode must be one of group_copy, group_move, clean_move, clean_delete, link_hard, link_symbolic, "
            "link_reflink, list (got 'foo')",
        ),
        (("videos", ".", "--format=gif"), "--format must be one of jpg, jpeg, png, webp (got 'gif')"),
        (("bogus",), "no such command 'bogus'"),
        (("image",), "no such command 'image' (did you mean 'images'?)"),
    ):
        done = run(*words, code=2)
        assert done.stderr.startswith(f"fastsim: {expected}")
        assert "--help" in done.stderr
        assert done.stderr.count("\n") == 1


@POSIX
@pytest.mark.parametrize(
    ("typed", "offered"), [("im", "images"), ("images --th", "--thres"), ("images . --mode clean_d", "clean_delete"),
                           ("images . --keep intact,ne", "intact,newest"), ("images . --group-by k", "keeper"),
                           ("tune . --runtime t", "tensorrt"), ("embed . --device cu", "cuda"),
                           ("video a.mp4 --format w", "webp"), ("compare --size 16", "160"),
                           ("images ./p", ""), ("images . --outs ./o", ""), ("undo ./o", "")],
)  # fmt: skip
def test_a_shell_completes_commands_options_and_values_and_is_left_to_complete_paths(
    photos: Path, typed: str, offered: str
) -> None:
    words = f"fastsim {typed}"
    setting = f"COMP_WORDS={shlex.quote(words)} COMP_CWORD={len(words.split()) - 1} _FASTSIM_COMPLETE=complete_bash"
    assert shell(f"{setting} $F", photos).stdout == f"{offered}\n"
    assert "complete -o default" in shell("_FASTSIM_COMPLETE=source_bash $F", photos).stdout


def test_an_empty_word_is_refused_and_does_not_mean_the_current_folder(run: Run, photos: Path) -> None:
    assert "it is empty" in run("images", "", "--dry-run", code=2, cwd=photos).stderr
    assert "--outs must not be empty" in run("images", ".", "--outs", "", code=2, cwd=photos).stderr
    assert "--json must not be empty" in run("images", ".", "--json", "", code=2, cwd=photos).stderr


def test_files_that_a_run_will_write_are_checked_before_its_work(run: Run, photos: Path, tmp_path: Path) -> None:
    picture = photos / "chart.png"
    before = tree(photos)
    for option in (("--json", picture), ("--json", photos), ("--json", tmp_path / "no/r.json"), ("--plan", picture)):
        assert str(option[1]) in run("images", photos, *option, code=2).stderr
    assert "not written by this command" in run("embed", photos, "--out", picture, code=2).stderr
    assert "not written by this command" in run("compare", picture, "--json", picture, code=2).stderr
    assert "a file each" in run("images", photos, "--plan", "p", "--json", "./p", code=2).stderr
    run("images", photos, "--plan", "plan")
    assert "not written by this command" in run("images", photos, "--json", "plan", code=2).stderr
    assert tree(photos) == before
    assert not (tmp_path / "fastsim_outputs").exists()


def test_json_goes_to_stdout_alone_where_that_is_asked_for(run: Run, photos: Path) -> None:
    done = run("images", photos, "--thres", "0.85", "--dry-run", "--json", "-")
    assert json.loads(done.stdout)["counts"]["groups"] == 4
    assert "4 groups" in done.stderr


@POSIX
def test_json_may_go_to_a_pipe_or_a_device(photos: Path) -> None:
    done = shell("$F images . --plan ../plan -q --json /dev/stdout | tail -n 1", photos)
    assert done.stdout == "}\n"
    shell("$F images . --dry-run -q --json /dev/null", photos)
    assert not os.path.isfile("/dev/null")


def test_json_may_go_into_the_output_folder_that_the_run_makes(run: Run, photos: Path, tmp_path: Path) -> None:
    run("images", photos, "--thres", "0.85", "--outs", "out", "--json", "out/r.json")
    assert (tmp_path / "out/r.json").exists()


@POSIX
def test_a_list_with_windows_line_ends_or_with_files_that_are_gone_is_read(run: Run, photos: Path) -> None:
    done = run("images", "-", "--dry-run", stdin=b"chart.png\r\nbackup\r\n", cwd=photos)
    assert "look-alikes" in done.stdout
    done = run("images", "-", "--dry-run", stdin=b"chart.png\nnowhere.png\n", cwd=photos, code=3)
    assert "nowhere.png: no such file" in done.stdout


@POSIX
def test_an_interrupt_before_any_change_says_so(photos: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for i in range(800):
        shutil.copy(MEDIA / "photos/chart.png", many / f"{i}.png")
        with open(many / f"{i}.png", "ab") as file:
            file.write(str(i).encode())  # other bytes, so that each is decoded
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "fastsim", "images", str(many), "--cache", str(tmp_path / ".cache")]
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / ".cache/embeddings.sqlite").exists():
        time.sleep(0.01)
    process.terminate()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == "fastsim: interrupted; no file was changed\n"


@POSIX
def test_a_full_disk_for_the_json_does_not_hide_what_was_done_and_the_way_back(photos: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    before = tree(photos)
    for quiet in ("", "-q"):
        words = f"--thres 0.9 --mode clean_move --outs ../out --json /dev/full {quiet}"
        done = shell(f"$F images . {words}", photos)
        assert done.returncode == 1
        assert "fastsim undo" in (done.stderr if quiet else done.stdout)
        assert ("fastsim: Moved 5 files" in done.stderr) == bool(quiet)
        assert done.stderr.splitlines()[-1].startswith("fastsim: --json /dev/full: No space left on device")
        assert quiet or "Moved 5 files" in done.stdout
        shell("$F undo ../out", photos)
        assert tree(photos) == before


@POSIX
def test_an_interrupt_while_python_still_imports_is_one_line() -> None:
    """Ctrl-C comes when the one module is imported by the other."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for module, by in (("contextlib", "__main__"), ("fastsim.cli.main", "__main__"), ("typer", "fastsim.cli.app")):
        code = f"""
import builtins, os, runpy, signal, sys
find = builtins.__import__
def watched(name, names=None, *rest, **more):
    if name == {module!r} and names and names["__name__"] == {by!r} and "runpy" not in names:
        builtins.__import__ = find
        os.kill(os.getpid(), signal.SIGINT)
    return find(name, names, *rest, **more)
builtins.__import__ = watched
sys.argv = ["fastsim", "doctor"]
runpy.run_module("fastsim", run_name="__main__")
"""
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (130, "fastsim: interrupted; no file was changed\n"), module


@POSIX
@pytest.mark.parametrize(("command", "said"), [("compare .", "at least 0.75"), ("tune .", "Suggested: ")])
def test_a_full_disk_for_the_json_does_not_hide_the_answer(photos: Path, command: str, said: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    done = shell(f"$F {command} --json /dev/full", photos)
    assert done.returncode == 1
    assert said in done.stdout
    assert done.stderr.startswith("fastsim: --json /dev/full: No space left on device")
