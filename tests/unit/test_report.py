"""The report: complete, and whole on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fastsim import report
from fastsim.errors import FastsimError
from fastsim.records import Op, Operation, OpResult, Plan, Snapshot

PLAN = Plan("/out", tuple(Operation(Op.COPY, f"/in/{i}", f"/out/{i}", Snapshot(i, i, i)) for i in range(3)))


def actions(results: list[OpResult]) -> list[bool]:
    found = report.as_json(
        groups=[], skipped=[], plan=PLAN, results=results, numbers={}, timings={}, environment={}
    )  # fmt: skip
    assert [action["source"] for action in found["actions"]] == ["/in/0", "/in/1", "/in/2"]
    return [action["done"] for action in found["actions"]]


def test_operations_that_an_interrupted_run_did_not_reach_are_there_as_not_done() -> None:
    assert actions([]) == [False, False, False]
    assert actions([OpResult(PLAN.operations[0], True)]) == [True, False, False]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("{}")
    with pytest.raises(TypeError):
        report.write_json({"a": object()}, str(path))
    assert path.read_text() == "{}"
    report.write_json({"a": "\udcff"}, str(path))
    assert json.loads(path.read_text()) == {"a": "\udcff"}
    assert os.listdir(tmp_path) == ["r.json"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "r.json").symlink_to(tmp_path / "there/r.json")
    report.write_json({}, str(tmp_path / "r.json"))
    assert (tmp_path / "r.json").is_symlink()
    assert (tmp_path / "there/r.json").exists()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FastsimError, match=r"--json .*file/r.json"):
        report.write_json({}, str(tmp_path / "file/r.json"))
