"""Links in the place of copies, and lists of what would go: on real trees, there and back."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from disk import has_reflinks, other_file_system, state
from PIL import Image
from support import Run

import fastsim


def picture(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    return Image.fromarray(grid).resize((320, 240), Image.Resampling.BICUBIC)


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Three equal files with times and modes of their own and a sidecar, two equal ones of another quality, and one alone."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    picture(1).save(folder / "a.jpg", quality=95)
    picture(1).save(folder / "small.jpg", quality=60)
    picture(2).save(folder / "alone.jpg")
    for number, name in enumerate(("sub/b.jpg", "sub/c.jpg")):
        shutil.copyfile(folder / "a.jpg", folder / name)
        os.chmod(folder / name, 0o640)
        os.utime(folder / name, ns=(10**18, 10**18 + number))
    shutil.copyfile(folder / "small.jpg", folder / "sub/small 2.jpg")
    (folder / "sub/b.xmp").write_text("edits")
    return folder


LINK = ("--thres", "0.9", "--keep", "path", "--json", "r.json", "--outs", "out", "--mode")


def test_hard_links_join_equal_files_and_undo_restores_each(run: Run, copies: Path) -> None:
    before = state(copies)
    done = run("images", "in", *LINK, "link_hard")
    assert (copies / "sub/b.jpg").samefile(copies / "a.jpg")
    assert (copies / "sub/c.jpg").samefile(copies / "a.jpg")
    assert (copies / "sub/small 2.jpg").samefile(copies / "small.jpg")
    assert not (copies / "small.jpg").samefile(copies / "a.jpg"), "similar files are no equal files"
    assert (copies / "sub/b.xmp").exists()
    assert "Replaced by hard links: 3 files" in done.stdout
    assert {Path(one["source"]).name for one in json.loads((copies.parent / "r.json").read_text())["actions"]} == {
        "b.jpg", "c.jpg", "small 2.jpg",
    }  # fmt: skip
    run("undo", "out")
    assert state(copies) == before
    assert not (copies / "sub/b.jpg").samefile(copies / "a.jpg")


def test_files_that_are_linked_already_are_left_alone(run: Run, copies: Path) -> None:
    run("images", "in", *LINK, "link_hard")
    linked = state(copies)
    shutil.rmtree(copies.parent / "out")
    done = run("images", "in", *LINK, "link_hard")
    assert "3 files left alone: linked to the keeper already" in done.stdout
    assert "Nothing to do" in done.stdout
    assert state(copies) == linked


def test_symbolic_links_lead_to_the_keeper_from_wherever_the_tree_is(run: Run, copies: Path, tmp_path: Path) -> None:
    before = state(copies)
    run("images", "in", *LINK, "link_symbolic")
    assert os.readlink(copies / "sub/b.jpg") == "../a.jpg"
    assert os.readlink(copies / "small.jpg") == "a.jpg"
    moved = copies.rename(tmp_path / "moved")
    assert (moved / "sub/b.jpg").read_bytes() == (moved / "a.jpg").read_bytes()
    moved.rename(copies)
    run("undo", "out")
    assert state(copies) == before


def test_allow_different_links_similar_files_and_undo_brings_their_bytes_back(run: Run, copies: Path) -> None:
    before = state(copies)
    run("images", "in", *LINK, "link_hard", "--allow-different")
    assert (copies / "small.jpg").samefile(copies / "a.jpg")
    run("undo", "out")
    assert state(copies) == before


@pytest.mark.parametrize("mode", ["link_hard", "link_symbolic", "link_reflink"])
def test_a_plan_of_links_is_looked_at_and_applied_later(run: Run, copies: Path, mode: str) -> None:
    before = state(copies)
    run("images", "in", *LINK[:-3], "--mode", mode, "--plan", "p.jsonl")
    assert state(copies) == before
    (copies / "sub/c.jpg").write_bytes(b"changed since")
    changed = state(copies)
    done = run("apply", "p.jsonl", code=1 if mode == "link_reflink" and not has_reflinks(copies.parent) else 3)
    if done.returncode == 3:
        assert "sub/c.jpg: it has changed" in done.stdout
        run("undo", str(copies.parent / "fastsim_outputs"))
    assert state(copies) == changed


def test_a_file_system_without_reflinks_ends_the_run_in_one_line(run: Run, copies: Path) -> None:
    before = state(copies)
    if has_reflinks(copies.parent):
        run("images", "in", *LINK, "link_reflink")
        assert state(copies) == before, "times and modes stay those of each file"
        run("undo", "out")
    else:
        done = run("images", "in", *LINK, "link_reflink", code=1)
        assert "has no reflinks; use --mode link_hard or link_symbolic" in done.stderr
        assert done.stderr.count("\n") == 1
    assert state(copies) == before


def test_a_hard_link_to_another_file_system_is_not_made_and_the_file_stays(
    run: Run, copies: Path, tmp_path: Path
) -> None:
    with other_file_system(tmp_path) as other:
        shutil.copy2(copies / "a.jpg", other / "z.jpg")
        before, here = state(other), state(copies)
        done = run("images", "in/a.jpg", str(other), *LINK, "link_hard", code=3)
        assert "Not done, left as they are: 1 file:" in done.stdout
        assert state(other) == before
        assert state(copies) == here


def test_what_stands_at_the_source_since_is_not_removed(run: Run, copies: Path) -> None:
    run("images", "in", *LINK, "link_symbolic")
    (copies / "sub/b.jpg").unlink()
    (copies / "sub/b.jpg").write_bytes(b"new and unique")
    done = run("undo", "out", code=3)
    assert "there is something new at" in done.stderr
    assert (copies / "sub/b.jpg").read_bytes() == b"new and unique"
    assert (copies.parent / "out/sub/b.jpg").exists()


def test_a_deleted_keeper_does_not_cost_the_last_name_of_its_content(run: Run, copies: Path) -> None:
    before = state(copies)
    run("images", "in", *LINK, "link_hard")
    (copies / "a.jpg").unlink()
    run("undo", "out")
    del before["a.jpg"]
    assert state(copies) == before


def test_a_list_is_the_bytes_of_the_paths_that_would_go(run: Run, copies: Path) -> None:
    before = state(copies)
    done = run("images", "in", "--thres", "0.9", "--keep", "path", "--mode", "list")
    assert sorted(done.stdout.splitlines()) == sorted(
        str(copies / name) for name in ("small.jpg", "sub/b.jpg", "sub/b.xmp", "sub/c.jpg", "sub/small 2.jpg")
    )
    (copies / "sub/c.jpg").rename(copies / "sub/new\nline.jpg")
    done = run("images", "in", "--thres", "0.9", "--keep", "path", "--mode", "list", code=1)
    assert "add --null" in done.stderr
    assert not done.stdout
    done = run("images", "in", "--thres", "0.9", "--keep", "path", "--mode", "list", "--null")
    assert str(copies / "sub/new\nline.jpg") in done.stdout.split("\0")
    (copies / "sub/new\nline.jpg").rename(copies / "sub/c.jpg")
    assert state(copies) == before
    assert sorted(os.listdir(copies.parent)) == [".cache", "in"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mode", "list", "--dry-run"), "--mode list prints paths only"),
        (("--mode", "clean_move", "--null"), "--null goes with --mode list"),
        (
            ("--mode", "link_symbolic", "--allow-different"),
            "--allow-different goes with --mode link_hard and link_reflink",
        ),
        (("--mode", "link"), "--mode must be one of"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, copies: Path, words: tuple[str, ...], said: str) -> None:
    done = run("images", "in", *words, code=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_python_has_link_modes(copies: Path, tmp_path: Path) -> None:
    before = state(copies)
    found = fastsim.find(copies, 0.9, keep="path")
    plan = fastsim.make_plan(found, tmp_path / "out", mode="link_hard")
    assert {one.op.value for one in plan.operations} == {"link_hard"}
    assert all(one.done for one in fastsim.apply_plan(plan).results)
    assert (copies / "sub/b.jpg").samefile(copies / "a.jpg")
    assert fastsim.undo_run(tmp_path / "out").complete
    assert state(copies) == before
    with pytest.raises(fastsim.FastsimError, match="mode must be one of"):
        fastsim.make_plan(found, tmp_path / "out", mode="list")
