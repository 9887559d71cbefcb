"""Take the pictures of the review page in docs/images, of drawn images in headless Chromium.

    python tests/media/draw_review.py [--out docs/images]

Needs the installed fastsim, chromium with chromedriver, and selenium. Everything is seeded.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "media")]

import draw  # noqa: E402
import review_page  # noqa: E402
import review_server  # noqa: E402

NAMES = (
    "harbour",
    "orchard",
    "market",
    "ridge",
    "lantern",
    "meadow",
    "quarry",
    "viaduct",
    "terrace",
    "canal",
    "chapel",
)
KINDS = (draw.hills, draw.leaves, draw.town)


def draw_set(folder: Path) -> None:
    """Draw scenes with copies: saved again, smaller, brighter, in other folders and formats."""
    rng = np.random.default_rng(5)
    places = [folder / name for name in ("2024 holiday", "phone backup", "shared")]
    for place in places:
        place.mkdir(parents=True)
    for number, name in enumerate(NAMES):
        scene = KINDS[number % 3](40 + number, 1200, 900)
        cv2.imwrite(str(places[0] / f"{name}.jpg"), scene, [cv2.IMWRITE_JPEG_QUALITY, 93])
        for copy in range(int(rng.integers(1, 5))):
            image = scene
            if copy == 1:
                image = cv2.resize(scene, (800, 600), interpolation=cv2.INTER_AREA)
            elif copy == 2:
                image = cv2.convertScaleAbs(scene, alpha=1.06, beta=5)
            path = (
                places[1 + copy % 2] / f"{name}{'' if copy == 0 else f' copy {copy}'}.{'png' if copy == 3 else 'jpg'}"
            )
            quality = [] if copy == 3 else [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 92))]
            cv2.imwrite(str(path), image, quality)


def save(page: review_page.Page, path: Path) -> None:
    """Save what is seen as a JPEG: drawn scenes make large PNGs."""
    time.sleep(1.0)
    with Image.open(io.BytesIO(page.driver.get_screenshot_as_png())) as image:
        image.convert("RGB").save(path, quality=88, optimize=True)


def take(page: review_page.Page, address: str, out: Path, *, dark: bool) -> None:
    """Take a picture of each screen."""
    page.open(address)
    page.until(
        "[...document.querySelectorAll('.picture img')].filter((one) => one.classList.contains('loaded')).length > 9"
    )
    page.keys("enter", "j", "l", "2", "h")
    save(page, out / ("review_groups_dark.jpg" if dark else "review_groups.jpg"))
    if dark:
        return
    page.keys("c")
    page.until("document.querySelectorAll('.pane img.loaded').length >= 2")
    save(page, out / "review_compare.jpg")
    page.keys("escape", "t")
    page.until("document.querySelectorAll('.borderline').length > 3")
    save(page, out / "review_threshold.jpg")
    page.keys("m")
    page.until("document.querySelector('#effect .figure')")
    page.run(
        "(() => { document.querySelector('#rule-kind').value = 'resolution'; document.querySelector('#rule-add').click(); })()"
    )
    save(page, out / "review_rules.jpg")
    page.keys("f")
    page.until("document.querySelector('#plan .words')")
    page.run("document.querySelector('input[value=all]').click()")
    page.until("document.querySelector('#apply') && !document.querySelector('#apply').disabled")
    page.run("(() => { const steps = document.querySelector('#steps details'); if (steps) steps.open = true; })()")
    save(page, out / "review_finish.jpg")


def main() -> None:
    """Draw, serve, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out = parser.parse_args().out
    out.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_set(folder / "Pictures")
        for dark in (False, True):
            server = review_server.start(folder, "Pictures", "--thres", "0.9", "--outs", "removed")
            page = review_page.Page(chromium, folder / f"profile {dark}", dark=dark)
            try:
                take(page, server.address, out, dark=dark)
            finally:
                page.close()
                server.end()
            shutil.rmtree(folder / ".data")


if __name__ == "__main__":
    main()
