"""A served review in a process of its own, asked as a browser would ask, and a real browser to look at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from review_page import Page
from review_server import Served, start


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start `fastsim review ARGS...` in `tmp_path`; several may be started, one after the other."""
    running: list[Served] = []

    def begin(*args: str | Path) -> Served:
        running.append(start(tmp_path, *map(os.fspath, args)))
        return running[-1]

    yield begin
    for one in running:
        one.end()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser's path; skips where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None or shutil.which("chromedriver") is None:
        if os.environ.get("FASTSIM_REQUIRE_CHROMIUM") == "1":
            pytest.fail("FASTSIM_REQUIRE_CHROMIUM=1, and chromium or chromedriver is not on the path")
        pytest.skip("needs Chromium: there is no chromium with chromedriver on the path")
    pytest.importorskip("selenium", reason="needs selenium, of the extra `test`")
    return found


@pytest.fixture
def page(chromium: str, tmp_path: Path) -> Iterator[Page]:
    """Return a browser of 1280 x 800."""
    found = Page(chromium, tmp_path / "profile")
    yield found
    found.close()
