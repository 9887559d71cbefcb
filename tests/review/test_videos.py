"""Videos in the page: stretches side by side, and the frames that were kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from review_page import Page
from review_server import Served
from support import Run


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two videos of 12 seconds that share 8 of them, and one of its own."""
    folder = tmp_path / "clips"
    folder.mkdir()
    rng = np.random.default_rng(4)
    scenes = [np.kron(rng.integers(0, 255, (9, 16, 3)), np.ones((10, 10, 1))).astype(np.uint8) for _ in range(20)]
    for name, order in (("a", range(12)), ("b", [*range(16, 20), *range(8)]), ("c", range(12, 16))):
        with av.open(str(folder / f"{name}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
            for scene in order:
                for _ in range(10):
                    frame = av.VideoFrame.from_ndarray(scenes[scene], "rgb24")
                    container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return folder


def test_stretches_of_a_report_are_shown_side_by_side(
    clips: Path, run: Run, served: Callable[..., Served], page: Page, tmp_path: Path
) -> None:
    run("video-duplicates", clips, "--json", "found.json")
    matches = [one for group in json.loads((tmp_path / "found.json").read_text())["groups"] for one in group["matches"]]
    server = served("found.json")
    page.driver.get(server.address)
    page.until(f"document.querySelectorAll('.stretch').length === {len(matches)}")
    page.until("[...document.querySelectorAll('.strip-of img')].slice(0, 12).every((one) => one.naturalWidth === 160)")
    assert page.problems() == []
    first = server.get("/api/summary")["stretches"][0]["first"]
    frames = [server.ask("GET", f"/thumb/{first + k}", Cookie=server.cookie).body for k in range(12)]
    assert len(set(frames[:6])) > 3, "six moments, not one"
    part = server.ask("GET", f"/full/{first}", Cookie=server.cookie, Range="bytes=0-99")
    assert (part.status, len(part.body), part.headers["content-type"]) == (206, 100, "video/mp4")
    for path in ("/thumb/99999", "/full/..", "/api/rows", "/api/decide"):
        assert server.ask("GET", path, Cookie=server.cookie).status == 404
        assert server.ask("GET", path).status == 403


def test_frames_of_an_output_folder_are_shown_with_their_times(
    clips: Path, run: Run, served: Callable[..., Served], page: Page, tmp_path: Path
) -> None:
    run("videos", clips, "--every", "1", "--outs", "kept")
    server = served("kept")
    page.driver.get(server.address)
    kept = len(list((tmp_path / "kept").rglob("frame_*.jpg")))
    page.until(f"document.querySelectorAll('.frame-of').length === {kept}")
    page.until("[...document.querySelectorAll('.frame-of img')].slice(0, 4).every((one) => one.naturalWidth > 0)")
    assert page.problems() == []
    server.log_in()
    assert server.ask("GET", "/full/0", Cookie=server.cookie).headers["content-type"] == "image/jpeg"


def test_a_damaged_report_or_journal_is_refused(clips: Path, run: Run, tmp_path: Path) -> None:
    run("videos", clips, "--every", "1", "--outs", "kept")
    journal = tmp_path / "kept" / "fastsim_videos.jsonl"
    journal.write_text(journal.read_text().replace('"kept"', '"kapt"'))
    assert "damaged" in run("review", "kept", "--no-browser", code=2).stderr
    (tmp_path / "odd.json").write_text('{"counts": {"matches": 1}, "groups": [{"matches": [{}]}]}')
    assert "damaged" in run("review", "odd.json", "--no-browser", code=2).stderr
