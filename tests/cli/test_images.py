"""`fastsim images` as a user runs it: every mode, on real files, by the real program."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from support import Run, tree

from fastsim.inputs.formats import FORMATS

DUPLICATES = {
    frozenset({"holiday/hills.jpg", "backup/hills small.jpg", "backup/hills again.jpg"}),
    frozenset({"holiday/leaves.jpg", "backup/leaves bright.jpg"}),
    frozenset({"holiday/town.png", "backup/town.jpg"}),
    frozenset({"chart.png", "backup/chart copy.png"}),
}
"""What a person calls duplicates among the drawn pictures."""


def groups_in(result: dict[str, Any], root: Path) -> set[frozenset[str]]:
    return {
        frozenset(os.path.relpath(member["path"], root) for member in group["members"]) for group in result["groups"]
    }


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_group_copy_is_the_default_and_changes_no_input(run: Run, photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    done = run("images", photos, "--thres", "0.85", "--json", "r.json")
    assert tree(photos) == before
    result = load(tmp_path / "r.json")
    assert groups_in(result, photos) == DUPLICATES
    folders = sorted((tmp_path / "fastsim_outputs").glob("group_*"))
    assert [folder.name for folder in folders] == ["group_00001", "group_00002", "group_00003", "group_00004"]
    assert sorted(path.name for path in folders[0].iterdir()) == ["hills again.jpg", "hills small.jpg", "hills.jpg"]
    assert "4 groups" in done.stdout
    assert "fastsim undo" in done.stdout


def test_the_json_holds_what_is_documented(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    run("images", photos, "--thres", "0.85", "--json", "r.json", code=3)
    result = load(tmp_path / "r.json")
    assert list(result) == [
        "note",
        "groups",
        "skipped",
        "damaged",
        "actions",
        "counts",
        "timings",
        "environment",
        "left_out",
    ]
    for group in result["groups"]:
        assert list(group) == ["members"]
        assert group["members"][0]["keeper"] is True
        for member in group["members"]:
            assert list(member) == [
                "path",
                "keeper",
                "score",
                "bytes",
                "width",
                "height",
                "frames",
                "frames_total",
                "damage",
                "why",
                "rule",
                "reference",
                "flags",
            ]
            assert member["bytes"] == os.path.getsize(member["path"])
            assert 0.85 <= member["score"] <= 1
    small = next(m for g in result["groups"] for m in g["members"] if m["path"].endswith("hills small.jpg"))
    assert (small["width"], small["height"]) == (200, 150)
    [skip] = result["skipped"]
    assert skip["path"] == str(photos / "broken.jpg")
    assert "not an image" in skip["reason"]
    assert {action["op"] for action in result["actions"]} == {"copy"}
    assert all(action["done"] and os.path.exists(action["target"]) for action in result["actions"])
    counts = result["counts"]
    assert (counts["files"], counts["skipped"], counts["compared"], counts["groups"]) == (12, 1, 11, 4)
    assert (counts["grouped"], counts["redundant"]) == (9, 5)
    assert {"scan", "embed", "compare", "apply"} <= set(result["timings"])
    environment = result["environment"]
    assert {"version", "argv", "device", "runtime", "precision", "model_sha256"} <= set(environment)
    assert environment["device"] == "cpu"
    assert environment["runtime"].startswith("OpenVINO")


def test_group_move_and_undo_leave_the_tree_as_it_was(run: Run, photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    run("images", photos, "--thres", "0.85", "--mode", "group_move", "--outs", "out")
    assert len(tree(photos)) == len(before) - 9
    assert (tmp_path / "out/group_00001/hills.jpg").exists()
    run("undo", "out/fastsim_journal.jsonl")
    assert tree(photos) == before


def test_clean_move_keeps_the_keepers_and_the_relative_paths(run: Run, photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    run("images", photos, "--thres", "0.85", "--mode", "clean_move", "--outs", "out", "--keep", "resolution")
    gone = set(before) - set(tree(photos))
    assert {"backup/hills small.jpg", "backup/town.jpg"} <= gone
    assert len(gone) == 5
    for name in gone:
        assert (tmp_path / "out" / name).is_file()
    for group in DUPLICATES:
        assert len(group - gone) == 1, "one of each group stays"
    run("undo", "out")
    assert tree(photos) == before


def test_clean_delete_deletes_all_but_the_keepers(run: Run, photos: Path) -> None:
    run("images", photos, "--thres", "0.9", "--mode", "clean_delete", "--yes")
    left = set(tree(photos))
    assert {"holiday/dunes.jpg", "pebbles.webp"} <= left
    for group in DUPLICATES:
        assert len(group & left) >= 1
    assert "backup/chart copy.png" not in left or "chart.png" not in left


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--mode", "clean_delete", "--yes"], "0.95"),
        (["--mode", "clean_delete", "--thres", "0.95"], "--yes"),
        (["--mode", "clean"], "group_copy, group_move, clean_move, clean_delete"),
        (["--thres", "1.5"], "0 to 1"),
        (["--thres", "nan"], "0 to 1"),
        (["--size", "100"], "multiple of 16"),
        (["--keep", "biggest"], "largest"),
        (["--group-by", "folder"], "component, keeper"),
        (["--device", "tpu"], "auto, cpu"),
        (["--device", "cuda:x"], "cuda:N"),
        (["--runtime", "tensorflow"], "openvino"),
        (["--workers", "0"], "at least 1"),
        (["--trash"], "clean_delete"),
        (["--model", "missing.onnx"], "missing.onnx"),
    ],
)
def test_a_wrong_option_names_itself_its_value_and_what_is_allowed(
    run: Run, photos: Path, options: list[str], complaint: str
) -> None:
    before = tree(photos)
    failed = run("images", photos, *options, code=2)
    assert complaint in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1
    assert options[0] in failed.stderr
    assert tree(photos) == before


def test_a_dry_run_prints_the_plan_and_changes_nothing(run: Run, photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    done = run("images", photos, "--thres", "0.85", "--mode", "clean_move", "--dry-run")
    assert tree(photos) == before
    assert not (tmp_path / "fastsim_outputs").exists()
    lines = [line for line in done.stdout.splitlines() if "  move    " in line]
    assert len(lines) == 5
    assert "Dry run: no file was changed." in done.stdout


def test_a_plan_is_carried_out_later_by_apply(run: Run, photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    run("images", photos, "--thres", "0.85", "--mode", "clean_move", "--outs", "out", "--plan", "plan.jsonl")
    assert tree(photos) == before
    done = run("apply", "plan.jsonl")
    assert len(tree(photos)) == len(before) - 5
    assert "Moved 5 files" in done.stdout
    again = run("apply", "plan.jsonl")
    assert "earlier run" in again.stdout
    run("undo", "out")
    assert tree(photos) == before


def test_a_file_that_changed_since_the_plan_is_left_alone(run: Run, photos: Path) -> None:
    run("images", photos, "--thres", "0.85", "--mode", "clean_move", "--outs", "out", "--plan", "plan.jsonl")
    changed = photos / "backup/hills small.jpg"
    changed.write_bytes(changed.read_bytes() + b"\0")
    done = run("apply", "plan.jsonl", code=3)
    assert changed.exists()
    assert "hills small.jpg" in done.stdout


def test_an_unreadable_file_among_others_shifts_nothing(run: Run, photos: Path, tmp_path: Path) -> None:
    """The seed re-aligned lists by position after a skip, and deleted the wrong files."""
    for name in ("0.jpg", "backup/h.png", "chart copy.png", "zz.webp"):
        (photos / name).write_bytes(b"\xff\xd8 broken")
    run("images", photos, "--thres", "0.85", "--mode", "clean_move", "--outs", "out", "--json", "r.json", code=3)
    result = load(tmp_path / "r.json")
    assert groups_in(result, photos) == DUPLICATES
    assert len(result["skipped"]) == 4
    for name in ("0.jpg", "backup/h.png", "chart copy.png", "zz.webp"):
        assert (photos / name).exists()
    assert len(result["actions"]) == 5


def test_group_by_keeper_makes_one_folder_a_keeper(run: Run, photos: Path, tmp_path: Path) -> None:
    run("images", photos, "--thres", "0.2", "--group-by", "keeper", "--json", "r.json")
    folders = sorted((tmp_path / "fastsim_outputs").glob("group_*"))
    groups = load(tmp_path / "r.json")["groups"]
    assert [len(list(folder.iterdir())) for folder in folders] == [len(group["members"]) for group in groups]
    for group in groups:
        assert [member["keeper"] for member in group["members"]] == [True] + [False] * (len(group["members"]) - 1)


def test_commands_that_a_message_offers_can_be_copied_to_a_shell(run: Run, photos: Path) -> None:
    run("images", photos, "--outs", "my groups")
    offered = run("images", photos, "--outs", "my groups", "-q", code=2).stderr
    assert offered.endswith(": fastsim undo 'my groups'\n")
    run("undo", "my groups")
    run("images", photos, "--outs", "./-my")
    assert run("images", photos, "--outs=-my", "-q", code=2).stderr.endswith(": fastsim undo ./-my\n")


def test_names_that_clash_get_a_suffix(run: Run, photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "chart.png", photos / "holiday/chart.png")
    run("images", photos, "--thres", "0.95")
    names = [sorted(p.name for p in folder.iterdir()) for folder in (tmp_path / "fastsim_outputs").glob("group_*")]
    assert ["chart copy.png", "chart.png", "chart_2.png"] in names


def test_inputs_come_as_folders_files_ins_and_stdin(run: Run, photos: Path, tmp_path: Path) -> None:
    pair = [photos / "chart.png", photos / "backup/chart copy.png"]
    run("images", *pair, "--json", "a.json", "--outs", "a")
    run("images", "--ins", pair[0], "--ins", pair[1], "--json", "b.json", "--outs", "b")
    run("images", "-", "--json", "c.json", "--outs", "c", stdin=b"\n".join(map(os.fsencode, pair)) + b"\n")
    run("images", "-", "--json", "d.json", "--outs", "d", stdin=b"\0".join(map(os.fsencode, pair)) + b"\0")
    for name in "abcd":
        assert groups_in(load(tmp_path / f"{name}.json"), photos) == {frozenset({"chart.png", "backup/chart copy.png"})}


def test_outs_inside_the_input_is_never_scanned(run: Run, photos: Path, tmp_path: Path) -> None:
    run("images", ".", "--outs", "out", "--thres", "0.85", cwd=photos)
    run("images", ".", "--outs", "out2", "--thres", "0.85", "--exclude", "out", "--json", "r.json", cwd=photos)
    assert load(photos / "r.json")["counts"]["files"] == 11


def test_outs_that_hold_something_else_are_refused_before_any_work(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    failed = run("images", photos, "--outs", "full", code=2)
    assert "full" in failed.stderr and "--outs" in failed.stderr
    assert (tmp_path / "full/mine.txt").read_text() == "mine"


def test_a_wrong_path_an_empty_folder_and_a_folder_of_broken_files(run: Run, tmp_path: Path) -> None:
    failed = run("images", "nowhere", code=2)
    assert "nowhere" in failed.stderr
    (tmp_path / "empty").mkdir()
    assert "No images found" in run("images", "empty").stdout
    (tmp_path / "bad").mkdir()
    for i in range(15):
        (tmp_path / "bad" / f"{i}.jpg").write_bytes(b"bad" * i)
    done = run("images", "bad", "--json", "r.json", code=3)
    assert "Skipped 15 files" in done.stdout
    assert len(load(tmp_path / "r.json")["skipped"]) == 15
    assert not (tmp_path / "fastsim_outputs").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_names_with_newlines_and_bytes_that_are_not_utf8(run: Run, photos: Path, tmp_path: Path) -> None:
    odd = os.fsencode(photos) + b"/li\nne \xff\xfe.png"
    shutil.copy(photos / "chart.png", odd)
    before = tree(photos)
    done = run("images", photos, "--thres", "0.95", "--mode", "clean_move", "--keep", "path", "--json", "r.json")
    assert "li\\nne \\udcff\\udcfe.png" in done.stdout
    members = [os.fsencode(m["path"]) for g in load(tmp_path / "r.json")["groups"] for m in g["members"]]
    assert odd in members
    run("undo", "fastsim_outputs")
    assert tree(photos) == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_are_followed_on_demand_and_loops_end(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "loop").symlink_to(photos)
    (photos / "alias.png").symlink_to(photos / "chart.png")
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(photos / "chart.png", tmp_path / "elsewhere/same.png")
    (photos / "outside").symlink_to(tmp_path / "elsewhere")
    run("images", photos, "--json", "a.json", "--dry-run")
    assert load(tmp_path / "a.json")["counts"]["files"] == 11
    run("images", photos, "--json", "b.json", "--dry-run", "--follow-links")
    assert load(tmp_path / "b.json")["counts"]["files"] == 12


@pytest.mark.skipif(sys.platform == "win32", reason="inodes come from the directory there")
def test_names_of_one_file_free_no_bytes(run: Run, photos: Path, tmp_path: Path) -> None:
    os.link(photos / "chart.png", photos / "link.png")
    copy = shutil.copy(photos / "chart.png", photos / "copy.png")
    run("images", photos / "chart.png", photos / "link.png", copy, "--json", "r.json", "--dry-run")
    counts = load(tmp_path / "r.json")["counts"]
    size = os.stat(copy).st_size
    assert (counts["redundant"], counts["redundant_bytes"]) == (2, size)


def test_quiet_prints_nothing_and_a_pipe_gets_no_bars(run: Run, photos: Path) -> None:
    quiet = run("images", photos, "--quiet", "--outs", "q")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    loud = run("images", photos, "--outs", "l")
    assert "\r" not in loud.stderr


def test_compare_needs_two_files(run: Run, photos: Path) -> None:
    chart = photos / "chart.png"
    assert "at least two different files" in run("compare", chart, chart, code=1).stderr


def test_compare_prints_the_scores_between_files(run: Run, photos: Path, tmp_path: Path) -> None:
    done = run(
        "compare", photos / "chart.png", photos / "backup/chart copy.png", photos / "pebbles.webp", "--json", "c.json"
    )
    scores = load(tmp_path / "c.json")["scores"]
    assert scores[0][1] == pytest.approx(1, abs=1e-3)
    assert "1.000*" in done.stdout


def test_embed_writes_vectors(run: Run, photos: Path, tmp_path: Path) -> None:
    import numpy as np

    run("embed", photos, "--out", "v.npz")
    with np.load(tmp_path / "v.npz") as data:
        assert data["vectors"].shape == (11, 256)
        assert data["vectors"].dtype == np.float16
        assert len(data["paths"]) == 11
        assert str(photos / "chart.png") in data["paths"].tolist()


def test_doctor_tells_what_runs_here(run: Run) -> None:
    text = run("doctor").stdout
    for word in ("Python", "openvino", "all-pairs kernels", "--device auto", "sha256"):
        assert word in text
    for one in FORMATS:
        [line] = [line for line in text.splitlines() if line.startswith(f"  {one.name:<22} ")]
        assert all(suffix in line.split() for suffix in one.suffixes)
        missing = one.reader is not None and not one.is_readable()
        assert (one.reader.name if one.reader is not None and not missing else "") in line
        assert ("pip install" in line) == missing


def test_help_is_complete_and_version_is_printed(run: Run) -> None:
    help_text = run("images", "--help").stdout
    for option in ("--outs", "--thres", "--mode", "--keep", "--dry-run", "--plan", "--json", "--help-all"):
        assert option in help_text
    assert "--size" not in help_text
    everything = run("images", "--help-all").stdout
    for option in ("--outs", "--size", "--thres", "--group-by", "--batch"):
        assert option in everything
    assert "0.95 strict" in " ".join(help_text.split())
    assert run("--version").stdout.startswith("fastsim ")


def test_every_size_runs(run: Run, photos: Path, tmp_path: Path) -> None:
    for size in ("64", "112", "auto"):
        run("images", photos / "backup", "--size", size, "--dry-run", "--json", f"{size}.json")
        assert str(load(tmp_path / f"{size}.json")["environment"]["size"]) == size
