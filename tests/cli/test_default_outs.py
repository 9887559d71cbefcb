"""Where a run goes whose --outs was not typed, and what is said of the run that lies there."""

from __future__ import annotations

import shutil
from pathlib import Path

from support import Run, tree

JOURNAL = "fastsim_journal.jsonl"


def cut_journal(outs: Path) -> None:
    """Leave of a journal what a run has that was killed in the middle."""
    lines = (outs / JOURNAL).read_text().splitlines(keepends=True)
    (outs / JOURNAL).write_text("".join(line for line in lines if '"done"' not in line or '"i": 0' in line))


def test_a_run_beside_a_finished_one_takes_the_next_name_and_says_what_was_there(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    run("images", photos.name, "--thres", "0.9")
    before = tree(tmp_path / "fastsim_outputs")
    done = run("images", photos.name, "--thres", "0.85")
    assert tree(tmp_path / "fastsim_outputs") == before
    assert (tmp_path / "fastsim_outputs_2" / "group_00001").is_dir()
    [line] = [line for line in done.stdout.splitlines() if "which finished" in line]
    assert line.startswith("./fastsim_outputs holds the run of 20")
    assert "(fastsim images photos --thres 0.9)" in line
    assert line.endswith("fastsim undo ./fastsim_outputs); this run goes to ./fastsim_outputs_2")
    run("images", photos.name, "--thres", "0.8")
    assert (tmp_path / "fastsim_outputs_3").is_dir()


def test_the_same_words_again_use_the_same_folder_unless_the_files_have_changed(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    run("images", photos)
    again = run("images", photos)
    assert "of them by an earlier run" in again.stdout
    assert not (tmp_path / "fastsim_outputs_2").exists()
    shutil.copy(photos / "pebbles.webp", photos / "pebbles 2.webp")
    assert "this run goes to ./fastsim_outputs_2" in run("images", photos).stdout


def test_files_of_the_user_are_left_alone_too(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "fastsim_outputs").mkdir()
    (tmp_path / "fastsim_outputs" / "mine.txt").write_text("mine")
    (tmp_path / "fastsim_outputs_2").write_text("a file")
    done = run("images", photos)
    assert "./fastsim_outputs_2 is taken; this run goes to ./fastsim_outputs_3" in done.stdout
    assert tree(tmp_path / "fastsim_outputs").keys() == {"mine.txt"}


def test_an_interrupted_run_has_to_be_settled_first(run: Run, photos: Path, tmp_path: Path) -> None:
    run("images", photos, "--thres", "0.9", "--mode", "clean_move")
    cut_journal(tmp_path / "fastsim_outputs")
    refused = run("images", photos, "--thres", "0.95", "--mode", "clean_move", code=2)
    assert "which stopped after 1 of 5 files" in refused.stderr
    assert "fastsim apply ./fastsim_outputs, or take it back with: fastsim undo ./fastsim_outputs" in refused.stderr
    assert refused.stderr.count("\n") == 1
    run("images", photos, "--thres", "0.95", "--dry-run")
    run("undo", "fastsim_outputs")
    run("images", photos, "--thres", "0.95", "--mode", "clean_move")


def test_a_folder_that_was_typed_is_refused_with_what_lies_there(run: Run, photos: Path) -> None:
    run("images", photos, "--outs", "out", "--thres", "0.9")
    refused = run("images", photos, "--outs", "out", "--thres", "0.8", code=2)
    assert refused.stderr.startswith("fastsim: --outs out: it holds the run of 20")
    assert "which finished; give another --outs, or take it back with: fastsim undo out" in refused.stderr
    shutil.copy(photos / "pebbles.webp", photos / "pebbles 2.webp")
    changed = run("images", photos, "--outs", "out", "--thres", "0.9", code=2)
    assert "which finished; give another --outs" in changed.stderr
