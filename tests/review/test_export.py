"""A review that is handed on as a folder of files, and decisions that come back from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from review_page import Page
from review_server import Served
from support import Run, tree

ACTIVE = "document.querySelector('.group.active')"


@pytest.fixture
def exported(photos: Path, run: Run, tmp_path: Path) -> Path:
    """Return the page of a review of the drawn pictures."""
    before = tree(photos)
    run("review", photos, "--thres", "0.9", "--outs", "gone", "--export", "handed")
    assert tree(photos) == before
    return tmp_path / "handed"


def decisions(exported: Path, keep: Callable[[dict[str, object], dict[str, object]], bool]) -> dict[str, object]:
    """Return a file of decisions about all groups, as the page saves it."""
    text = (exported / "data.js").read_text()
    data = json.loads(text.removeprefix("window.fastsimReview = ").rstrip(";\n"))
    files = {
        str(file["id"]): [file["version"], keep(group, file), True] for group in data["groups"] for file in group["files"]
    }  # fmt: skip
    return {"format": data["format"], "version": 1, "review": data["review"], "files": files, "apart": []}


def test_the_exported_page_is_decided_in_a_browser_without_a_server(exported: Path, page: Page) -> None:
    page.open((exported / "index.html").as_uri())
    page.until("document.querySelectorAll('.picture img.loaded').length > 4")
    page.until(ACTIVE)
    page.keys("2", "enter")
    page.until("document.querySelector('#counted').textContent.startsWith('1 of')")
    page.driver.refresh()
    page.until("document.querySelector('#counted').textContent.startsWith('1 of')")
    page.keys("u", "c")
    page.until("document.querySelectorAll('.pane img.loaded').length >= 2")
    page.keys("escape")
    assert page.run("document.querySelectorAll('#tabs button').length") == 1
    assert page.problems() == []


def test_decisions_come_back_and_apply_carries_them_out(
    exported: Path, photos: Path, run: Run, served: Callable[..., Served], tmp_path: Path
) -> None:
    before = tree(photos)
    smallest = decisions(exported, lambda group, file: file is min(group["files"], key=lambda one: one["bytes"]))
    (tmp_path / "decided.json").write_text(json.dumps(smallest))
    said = run("apply", "decided.json").stdout
    gone = set(before) - set(tree(photos))
    assert len(gone) == sum(not entry[1] for entry in smallest["files"].values()) > 2
    assert "Take it back" in said
    assert "Nothing to do" in run("apply", "decided.json").stdout
    assert served("gone").get("/api/summary")["decided"] > 2
    run("undo", "gone")
    assert tree(photos) == before


def test_decisions_that_lose_every_copy_move_nothing(exported: Path, photos: Path, run: Run, tmp_path: Path) -> None:
    before = tree(photos)
    (tmp_path / "all.json").write_text(json.dumps(decisions(exported, lambda _group, _file: False)))
    done = run("apply", "all.json")
    assert "no copy would stay" in done.stderr
    assert tree(photos) == before


def test_decisions_about_another_state_or_review_are_refused(exported: Path, run: Run, tmp_path: Path) -> None:
    good = decisions(exported, lambda _group, _file: True)
    changed = {**good, "files": {name: ["0-0", *entry[1:]] for name, entry in good["files"].items()}}
    odd = (
        changed, {**good, "review": "0" * 24}, {**good, "review": "../../x"}, {**good, "files": {"99999": ["", True, True]}},
        {**good, "files": 7}, {**good, "apart": [[0]]}, {**good, "version": 2},
    )  # fmt: skip
    for number, data in enumerate(odd):
        (tmp_path / f"{number}.json").write_text(json.dumps(data))
        assert "export" in run("apply", f"{number}.json", code=2).stderr or number > 2


def test_export_writes_only_into_a_folder_that_is_empty_or_its_own(exported: Path, photos: Path, run: Run) -> None:
    run("review", photos, "--thres", "0.9", "--export", exported)
    assert "not empty" in run("review", photos, "--export", photos, code=2).stderr
