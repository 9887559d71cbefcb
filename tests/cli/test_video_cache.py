"""The cache of video frames: another threshold decodes nothing, and no state of the cache changes or stops a run."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media.draw_videos import encode, shot
from support import Run

from fastsim.cache.frames import CachedFrames, FrameCache, files, packed, unpacked


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    pictures = [p for number in (0, 3, 5) for p in shot(number, 50, 96, 72)]
    encode(folder / "a.mp4", pictures, options={"preset": "ultrafast"})
    encode(folder / "b.mkv", pictures[20:], options={"preset": "ultrafast", "crf": "30"})
    encode(folder / "black.mp4", [np.zeros((72, 96, 3), np.uint8)] * 60, options={"preset": "ultrafast"})
    return folder


def test_another_threshold_embeds_nothing_and_finds_the_same(run: Run, films: Path, tmp_path: Path) -> None:
    def result(*options: str) -> dict[str, Any]:
        run("video-duplicates", films, "--json", tmp_path / "r.json", *options)
        return dict(json.loads((tmp_path / "r.json").read_text()))

    first, again, plain = result(), result("--thres", "0.9", "--least", "3"), result("--thres", "0.9", "--no-cache")
    assert first["environment"]["cached"] == 0 == plain["environment"]["cached"]
    assert again["environment"]["cached"] > 20 and "embed" not in again["timings"]
    assert again["groups"] == plain["groups"] and again["counts"] == plain["counts"]
    assert again["environment"]["precision"] == plain["environment"]["precision"]
    assert result("--crop", "0.5")["environment"]["cached"] == 0
    assert result("--every", "0.4")["environment"]["cached"] == 0
    (films / "a.mp4").rename(films / "renamed.mp4")
    encode(films / "new.mp4", shot(7, 60, 96, 72), options={"preset": "ultrafast"})
    more = result()
    assert more["environment"]["cached"] == first["counts"]["frames"]
    assert more["counts"]["videos"] == 4


def frames_of(run: Run, films: Path, folder: Path, *options: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the result of `fastsim videos` without what may differ, and all files that were written."""
    run("videos", films, "--outs", folder, "--json", folder.with_suffix(".json"), *options)
    result = json.loads(folder.with_suffix(".json").read_text())
    written = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    written.pop("fastsim_videos.jsonl")
    return result, written


@pytest.mark.parametrize("more", [(), ("--across",), ("--timeline",), ("--every", "0.3", "--start", "1")], ids=str)
def test_another_threshold_decodes_only_what_is_written(
    run: Run, films: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    first, _ = frames_of(run, films, tmp_path / "first", *more)
    again, pictures = frames_of(run, films, tmp_path / "again", "--thres", "0.97", *more)
    plain, expected = frames_of(run, films, tmp_path / "plain", "--thres", "0.97", "--no-cache", *more)
    assert (first["environment"]["cached"], plain["environment"]["cached"]) == (0, 0)
    assert again["environment"]["cached"] == again["counts"]["frames_taken"] > 20
    assert again["counts"] == plain["counts"] and again["counts"]["kept"] > first["counts"]["kept"]
    assert pictures == expected and len(pictures) > 10
    assert again["environment"]["precision"] == plain["environment"]["precision"]


def test_other_samplings_and_crops_know_nothing_of_each_other(run: Run, films: Path, tmp_path: Path) -> None:
    def cached(*options: str) -> int:
        run("videos", films, "--dry-run", "--json", tmp_path / "r.json", *options)
        return int(json.loads((tmp_path / "r.json").read_text())["environment"]["cached"])

    assert cached() == 0 < cached() == cached("--thres", "0.9")
    for other in (("--crop", "0.5"), ("--skip", "9"), ("--every", "0.4"), ("--start", "1"), ("--end", "3")):
        assert cached(*other) == 0, other
    (films / "a.mp4").rename(films / "renamed.mp4")
    encode(films / "new.mp4", shot(7, 60, 96, 72), options={"preset": "ultrafast"})
    assert cached() > 20


@pytest.mark.parametrize("damage", ["flipped bit", "cut off", "a file in place of the folder"])
def test_frames_are_the_same_with_a_broken_cache(run: Run, films: Path, tmp_path: Path, damage: str) -> None:
    cache = ("--cache", str(tmp_path / "c"))
    _, expected = frames_of(run, films, tmp_path / "first", *cache)
    for path in files(tmp_path / "c"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data if damage == "flipped bit" else data[:100])
        if damage == "a file in place of the folder":
            path.unlink()
    if damage == "a file in place of the folder":
        (tmp_path / "c/videos").rmdir()
        (tmp_path / "c/videos").write_text("mine")
    result, pictures = frames_of(run, films, tmp_path / "again", *cache)
    assert result["environment"]["cached"] == 0 and pictures == expected


def test_rows_that_do_not_fit_their_video_cost_time_only(run: Run, films: Path, tmp_path: Path) -> None:
    """What is kept by the cache's word and does not come out of the file: the file is read anew."""
    cache = ("--cache", str(tmp_path / "c"))
    _, expected = frames_of(run, films, tmp_path / "first", *cache)
    longest = max(films.iterdir(), key=lambda path: path.stat().st_size)
    frames = 150 // 10
    for path in files(tmp_path / "c"):
        known = unpacked(path.read_bytes(), path.name)
        assert known is not None
        if len(known.times) == frames:
            path.write_bytes(packed(replace(known, numbers=known.numbers + 100_000), path.name))
    result, pictures = frames_of(run, films, tmp_path / "again", *cache)
    taken = {Path(video["path"]).name: video["frames_taken"] for video in result["videos"]}
    assert taken[longest.name] == frames
    assert result["environment"]["cached"] == result["counts"]["frames_taken"] - frames
    assert pictures == expected


@pytest.mark.parametrize("damage", ["flipped bit", "cut off", "a file in place of the folder", "another's rows"])
def test_a_broken_cache_costs_time_only(run: Run, films: Path, tmp_path: Path, damage: str) -> None:
    def groups(*options: str) -> Any:
        run("video-duplicates", films, "--cache", tmp_path / "c", "--json", tmp_path / "r.json", *options)
        return json.loads((tmp_path / "r.json").read_text())["groups"]

    right = groups()
    kept = sorted(files(tmp_path / "c"))
    assert len(kept) == 3
    if damage == "a file in place of the folder":
        for path in kept:
            path.unlink()
        (tmp_path / "c/videos").rmdir()
        (tmp_path / "c/videos").write_text("mine")
    for one, other in zip(kept, reversed(kept), strict=True):
        if damage == "flipped bit":
            data = bytearray(one.read_bytes())
            data[len(data) // 2] ^= 4
            one.write_bytes(data)
        elif damage == "cut off":
            one.write_bytes(one.read_bytes()[:100])
        elif damage == "another's rows":
            one.write_bytes(other.read_bytes().replace(b"0.", b"1.", 1))
    assert groups() == right == groups()
    if damage == "a file in place of the folder":
        assert (tmp_path / "c/videos").read_text() == "mine"


def test_clearing_the_cache_removes_frames_and_nothing_of_the_users(run: Run, films: Path, tmp_path: Path) -> None:
    run("video-duplicates", films, "--cache", tmp_path / "c")
    (tmp_path / "c/videos/mine.mp4").write_text("mine")
    run("cache", "clear", "--cache", tmp_path / "c")
    assert [path.name for path in (tmp_path / "c/videos").iterdir()] == ["mine.mp4"]


def test_the_cache_is_bounded_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    notes: list[str] = []
    cache = FrameCache(tmp_path, "key", notes.append, most_bytes=30_000)
    frames = CachedFrames(np.arange(20.0), np.ones((20, 256), np.float16), 10.0, 0, "", ("cpu", "openvino", "float32"))
    for number in range(6):
        cache.put(bytes([number]), frames)
        time.sleep(0.02)  # file systems' clocks tick slowly
        assert cache.get(b"\0") is not None
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 30_000
    assert cache.get(b"\1") is None and cache.get(b"\5") is not None
    assert FrameCache(tmp_path, "other key", notes.append).get(b"\0") is None
    assert notes == []
