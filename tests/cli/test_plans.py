"""apply and undo as a user meets them: what they ask, what they print, what they refuse."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from disk import contents, fill, listed, plan_of, run_until, state
from disk import run as carry_out
from support import Run

from fastsim.choices import Mode
from fastsim.files.journal import JOURNAL_NAME
from fastsim.files.plan_file import PLAN_NAME, write_plan

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")


@pytest.fixture
def ins(tmp_path: Path) -> Path:
    return fill(tmp_path / "in", 24, names=())


def delete_plan(ins: Path, tmp_path: Path) -> str:
    write_plan(plan_of(listed(ins), tmp_path / "out", Mode.CLEAN_DELETE, size=2), str(tmp_path / "plan"))
    return str(tmp_path / "plan")


@posix
@pytest.mark.parametrize(("late", "gone"), [(b"", 0), (b"y\n", 12)])
def test_a_y_that_was_typed_before_the_question_is_no_answer(ins: Path, tmp_path: Path, late: bytes, gone: int) -> None:
    import pty

    plan = delete_plan(ins, tmp_path)
    terminal, side = pty.openpty()
    os.write(terminal, b"y\ny\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "fastsim", "apply", plan],
        stdin=side, stdout=side, stderr=side, close_fds=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    os.close(side)
    said, deadline = b"", time.monotonic() + 120
    while b"[y/N]" not in said and time.monotonic() < deadline:
        said += os.read(terminal, 4096) if select.select([terminal], [], [], 1)[0] else b""
    time.sleep(0.5)  # the answer must come after the input was cleared
    os.write(terminal, late or b"\x04")
    while process.poll() is None and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                said += os.read(terminal, 4096)
            except OSError:
                break
    assert process.wait(60) == (0 if gone else 1), said
    os.close(terminal)
    assert len(contents(ins)) == 24 - gone


def test_deleted_files_are_listed_somewhere_and_it_says_where(run: Run, ins: Path, tmp_path: Path) -> None:
    plan = delete_plan(ins, tmp_path)
    done = run("apply", plan, "--yes")
    assert f"Listed with the file that was kept for each: {tmp_path / 'out' / PLAN_NAME}" in done.stdout
    told = run("undo", tmp_path / "out", code=3)
    assert told.stdout.startswith(f"Deleted, cannot be restored: 12 files; {tmp_path / 'out' / PLAN_NAME} lists them")
    assert "Everything" not in told.stdout


def test_undo_says_what_it_did_and_no_more(run: Run, ins: Path, tmp_path: Path) -> None:
    carry_out(plan_of(listed(ins), tmp_path / "out", Mode.CLEAN_MOVE, size=2))
    assert run("undo", tmp_path / "out").stdout == "Moved back: 12 files.\nEverything is as it was before the run.\n"


def test_a_thousand_failures_are_ten_lines(run: Run, ins: Path, tmp_path: Path) -> None:
    plan = plan_of(listed(ins), tmp_path / "out", Mode.GROUP_MOVE, size=24)
    carry_out(plan)
    for one in plan.operations:
        Path(one.source).parent.mkdir(exist_ok=True)
        Path(one.source).write_bytes(b"new")
    done = run("undo", tmp_path / "out", code=3)
    assert len(done.stderr.splitlines()) == 11
    assert done.stderr.splitlines()[-1] == "fastsim: and 14 more files for such reasons"
    assert "Could not be taken back: 24 files, left as they are (see above). Plan and journal stay" in done.stdout


def test_someone_elses_journal_is_not_followed_without_a_yes(run: Run, ins: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    carry_out(plan_of(listed(ins), out, Mode.CLEAN_MOVE, size=2))
    before = state(ins)
    lines = (out / JOURNAL_NAME).read_text().splitlines(keepends=True)
    head = json.loads(lines[0]) | {"user": "mallory", "host": "elsewhere"}
    (out / JOURNAL_NAME).write_text(json.dumps(head) + "\n" + "".join(lines[1:]))
    refused = run("undo", "out", code=2)
    assert refused.stderr.startswith(
        "fastsim: out may be someone else's: it was written by mallory on elsewhere. It moves back 12 files, such as "
    )
    assert refused.stderr.endswith("; add --yes if that is right\n")
    assert state(ins) == before
    assert "Moved back: 12 files." in run("undo", "out", "--yes").stdout


def test_an_interrupted_run_is_finished_in_a_folder_that_was_moved(run: Run, ins: Path, tmp_path: Path) -> None:
    before = state(ins)
    run_until(5, plan_of(listed(ins), tmp_path / "out", Mode.CLEAN_MOVE, size=2))
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    done = run("apply", "elsewhere")
    assert done.stdout.startswith("Moved 12 files (") and "(5 of them by an earlier run)" in done.stdout
    assert not (tmp_path / "out").exists()
    run("undo", "elsewhere")
    assert state(ins) == before
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_counts_what_earlier_runs_have_done(run: Run, ins: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)]
    if not hasattr(os, "geteuid") or os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a small tmpfs: not allowed here")
    try:
        run_until(8, plan_of(listed(ins), small / "out", Mode.GROUP_MOVE))
        with suppress(OSError), open(small / "fill", "wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        done = run("apply", small / "out", code=1)
        assert "8 of 24 operations are done" in done.stderr
        assert done.stdout.startswith("Moved 8 files (")
        os.unlink(small / "fill")
        run("undo", small / "out")
        assert len(contents(ins)) == 24
    finally:
        subprocess.run(["umount", str(small)], check=True)
        shutil.rmtree(small, ignore_errors=True)
