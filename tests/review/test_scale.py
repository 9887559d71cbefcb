"""Ten thousand groups of thirty thousand images: the page holds what can be seen, and scrolls without an error."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from review_page import Page
from review_server import Served

from fastsim.records.files import MediaFile, Snapshot
from fastsim.review.found import UNVERIFIED, Found
from fastsim.review.store import Store, path_for

GROUPS = 10_000


@pytest.fixture
def many(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Store a review of 10,000 groups of 3, and return its plan; the images are few, each under many ids."""
    monkeypatch.setenv("FASTSIM_DATA_DIR", str(tmp_path / ".data"))
    pictures = sorted(path for path in photos.rglob("*") if path.is_file())
    shots = [Snapshot.of(str(path)) for path in pictures]
    k = len(pictures)
    files = tuple(MediaFile(i, str(pictures[i % k]), str(photos), shots[i % k]) for i in range(3 * GROUPS))
    first = np.arange(0, 3 * GROUPS, 3)
    left, right = np.repeat(first, 2), np.stack([first + 1, first + 2], 1).ravel()
    score = np.random.default_rng(1).uniform(0.8, 1, len(left)).astype(np.float32)
    settings = {"thres": 0.75, "floor": 0.6, "verify": False, "rules": ["largest"], "title": "many"}
    found = Found(
        files,
        np.full((len(files), 2), 400, np.int32),
        left,
        right,
        score,
        np.full(len(left), UNVERIFIED, np.int8),
        settings,
    )
    plan = tmp_path / "plan.jsonl"
    plan.write_text('{"format": "fastsim-plan", "version": 2}\n')
    Store.create(path_for(("plan", os.path.realpath(plan))), found).close()
    return plan


def test_ten_thousand_groups_scroll_without_an_error(many: Path, served: Callable[..., Served], page: Page) -> None:
    server = served(many)
    page.open(server.address)
    assert page.run("document.querySelector('#shown-count').textContent") == "10,000 groups"
    height = page.run("document.querySelector('.scroller').scrollHeight")
    assert height > 100 * GROUPS
    for share in (0.5, 0.999, 0.1, 1, 0.3, 0):
        page.run(f"document.querySelector('.scroller').scrollTop = {int(share * height)}")
        page.until(
            "document.querySelectorAll('.group:not(.waiting)').length > 3 && !document.querySelector('.group.waiting')"
        )
        page.until("[...document.querySelectorAll('.group img')].every((one) => one.classList.contains('loaded'))")
        assert page.run("document.querySelectorAll('*').length") < 2000
    page.keys("end")
    page.until("document.activeElement.closest('.group')?.getAttribute('aria-rowindex') === '10000'")
    page.keys("enter")
    page.until("document.querySelector('#counted').textContent.startsWith('1 of 10,000')")
    assert page.problems() == []


def test_all_groups_are_decided_and_taken_back_in_one_step(many: Path, served: Callable[..., Served]) -> None:
    server = served(many)
    told = server.post("/api/decide", {"accept": {}})
    assert told["decided"] == GROUPS
    assert server.post("/api/undo", {})["decided"] == 0
