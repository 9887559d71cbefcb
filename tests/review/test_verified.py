"""What verification knows, in the page: the relation in words, and one image laid over the other."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from review_page import Page
from review_server import Served


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """Draw an image; save a part of it, and turned, and mirrored and smaller."""
    folder = tmp_path / "edited"
    folder.mkdir()
    rng = np.random.default_rng(7)
    whole = Image.new("RGB", (1200, 900), (150, 140, 190))
    pen = ImageDraw.Draw(whole)
    for _ in range(260):
        radius, (x, y) = min(90, 6 / np.sqrt(rng.uniform(0.004, 1))), rng.integers(0, 1200, 2)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), tuple(rng.integers(0, 255, 3).tolist()))
    whole.save(folder / "whole.png")
    whole.crop((200, 150, 1000, 800)).save(folder / "part.jpg", quality=92)
    whole.transpose(Image.Transpose.ROTATE_270).save(folder / "turned.jpg", quality=92)
    whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((600, 450)).save(folder / "mirrored.jpg", quality=92)
    return folder


def _brightness(page: Page) -> float:
    """Mean of the middle of the stage, 0 to 255."""
    with Image.open(io.BytesIO(page.driver.get_screenshot_as_png())) as image:
        width, height = image.size
        return float(np.asarray(image.convert("L"))[120 : height // 2, width // 2 - 120 : width // 2 + 120].mean())


def test_the_difference_of_copies_is_dark_however_they_were_turned_or_cut(
    edited: Path, served: Callable[..., Served], page: Page
) -> None:
    server = served(edited, "--verify")
    page.open(server.address)
    names = page.until("[...document.querySelectorAll('.group.active .name')].map((one) => one.textContent)")
    assert sorted(names) == ["mirrored.jpg", "part.jpg", "turned.jpg", "whole.png"]
    for _ in names:
        page.keys("c")
        page.until("document.querySelectorAll('.pane img.loaded').length === 4")
        page.until("document.querySelector('#compare-table').textContent.includes('copy: ')")
        bright = _brightness(page)
        page.keys("d")
        page.until("document.querySelectorAll('.by-difference img.loaded').length === 2")
        assert _brightness(page) < 12 < bright
        page.keys("escape", "escape", "l")
    assert page.problems() == []
