"""What a dry run and the summary show of the groups: enough to decide, and exactly what would be done."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from support import Run

LINE = re.compile(r"  ([* ]) (\d\.\d{3}) +(\d+x\d+) +([\d.]+ k?B)  (stays|copy|move|delete|trash) +(.*)")


@pytest.mark.parametrize("mode", ["group_copy", "group_move", "clean_move", "clean_delete"])
@pytest.mark.parametrize("group_by", ["component", "keeper"])
def test_a_dry_run_shows_every_operation_of_the_plan_once(run: Run, photos: Path, mode: str, group_by: str) -> None:
    words = ["images", photos, "--thres", "0.9", "--mode", mode, "--group-by", group_by]
    run(*words, "--plan", "plan.jsonl")
    planned = [json.loads(line) for line in (photos.parent / "plan.jsonl").read_text().splitlines()[1:-1]]
    expected = []
    for one in planned:
        target = f" -> {os.path.relpath(one['target'], photos.parent / 'fastsim_outputs')}" if "target" in one else ""
        expected.append(f"{one['op']} {os.path.relpath(one['source'], photos)}{target}")
    lines = [found for line in run(*words, "--dry-run", "-q").stdout.splitlines() if (found := LINE.fullmatch(line))]
    shown = [f"{found[5]} {found[6].partition('  (')[0]}" for found in lines]
    assert sorted(one for one in shown if not one.startswith("stays")) == sorted(expected)
    assert len(lines) == 9
    assert all((found[5] == "stays") == (mode.startswith("clean") and found[1] == "*") for found in lines)


def test_files_that_stay_come_first_and_the_others_by_score_with_a_legend(run: Run, photos: Path) -> None:
    for words in (["--dry-run"], ["--outs", "out"]):
        lines = run("images", photos, "--thres", "0.75", *words).stdout.splitlines()
        [legend] = [line for line in lines if "* stays; a score is the similarity to the file that stays" in line]
        assert f"paths are below {photos}" in legend
        assert not any(str(photos) in line for line in lines if line is not legend)
        scores: list[tuple[bool, float]] = []
        for line in lines:
            if re.match(r"Group \d|  \d\. ", line):
                assert scores == sorted(scores, reverse=True)
                scores = []
            elif found := re.match(r" +([* ]) (\d\.\d{3}) ", line):
                scores.append((found[1] == "*", float(found[2])))


def test_inputs_in_several_places_are_shown_below_what_they_share(run: Run, photos: Path) -> None:
    text = run("images", photos / "holiday", photos / "backup", "--thres", "0.9", "--dry-run").stdout
    assert f"paths are below {photos};" in text
    assert "  copy    holiday/hills.jpg -> group_00001/hills.jpg" in text


def test_what_was_deleted_can_be_looked_up(run: Run, photos: Path) -> None:
    done = run("images", photos, "--thres", "0.9", "--mode", "clean_delete", "--yes", "--outs", "out")
    [plan] = re.findall(r"Listed with the file that was kept for each: (.*)", done.stdout)
    told = Path(plan).read_text()
    assert told.count('"op": "delete"') == 5
    assert "backup/hills small.jpg" in told
