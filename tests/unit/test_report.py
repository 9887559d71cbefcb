"""The report: complete, and whole on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fastsim.errors import FastsimError
from fastsim.files import owned
from fastsim.records.files import Snapshot
from fastsim.records.plans import Op, Operation, OpResult, Plan
from fastsim.report.results import as_json, write_json

PLAN = Plan("/out", tuple(Operation(Op.COPY, f"/in/{i}", f"/out/{i}", Snapshot(i, i, i)) for i in range(3)))


def actions(results: list[OpResult]) -> list[bool]:
    found = as_json(
        groups=[], skipped=[], plan=PLAN, results=results, numbers={}, timings={}, environment={}
    )  # fmt: skip
    assert [action["source"] for action in found["actions"]] == ["/in/0", "/in/1", "/in/2"]
    return [action["done"] for action in found["actions"]]


def test_operations_that_an_interrupted_run_did_not_reach_are_there_as_not_done() -> None:
    assert actions([]) == [False, False, False]
    assert actions([OpResult(PLAN.operations[0], True)]) == [True, False, False]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_json({"a": 1}, str(path))
    before = path.read_text()
    with pytest.raises(TypeError):
        write_json({"a": object()}, str(path))
    assert path.read_text() == before
    write_json({"a": "\udcff"}, str(path))
    assert json.loads(path.read_text())["a"] == "\udcff"
    assert os.listdir(tmp_path) == ["r.json"]


def test_nothing_is_written_through_a_link_nor_in_its_place(tmp_path: Path) -> None:
    write_json({"a": 1}, str(tmp_path / "own.json"))
    before = (tmp_path / "own.json").read_text()
    for name, behind in (("link.json", "own.json"), ("broken.json", "nowhere.json")):
        (tmp_path / name).symlink_to(tmp_path / behind)
        with pytest.raises(FastsimError, match=f"{name}: it is a symbolic link"):
            write_json({}, str(tmp_path / name))
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "own.json").read_text() == before
    assert not (tmp_path / "nowhere.json").exists()


def test_what_appears_while_the_run_works_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "late.json"
    owned.check_target("--json", str(path), owned.JSON)
    with (
        pytest.raises(FastsimError, match="was not written by this command"),
        owned.whole_file("--json", str(path), owned.JSON) as stream,
    ):
        stream.write(b"result")
        path.write_text("mine")
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["late.json"]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FastsimError, match=r"--json .*file/r.json"):
        write_json({}, str(tmp_path / "file/r.json"))
