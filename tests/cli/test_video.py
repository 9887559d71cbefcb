"""`fastsim video`, `videos` and `video-duplicates` as a user runs them, on videos that the tests draw."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from media.draw_videos import decoded, encode, film, scene, shot, silence, stamp, stamped, with_matrix
from support import Run, tree

SCENES = [0, 1, 2, 3, 5, 7]
"""Of draw_videos: no two of them score more than 0.6."""


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def kept(result: dict[str, Any]) -> dict[str, list[int]]:
    return {Path(video["path"]).name: [frame["index"] for frame in video["kept"]] for video in result["videos"]}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six videos: known scenes in three codecs, a scene that comes back, a variable frame rate, one that is turned."""
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "sub").mkdir()
    encode(folder / "scenes.mp4", film([(number, 40) for number in SCENES]))
    encode(
        folder / "back.webm", film([(0, 30), (1, 30), (0, 30), (1, 30)]), codec="libvpx-vp9",
        options={"deadline": "realtime", "cpu-used": "8", "crf": "20", "b": "0"},
    )  # fmt: skip
    encode(folder / "sub/scenes.avi", film([(2, 25), (3, 25)]), codec="mjpeg", pixels="yuvj420p", options={"q": "3"})
    times = [k * 40 + (k >= 20) * 5000 for k in range(40)]
    encode(folder / "sub/vfr.mkv", film([(5, 20), (7, 20)]), times=times, rate=30)
    with_matrix(encode(folder / "turned.mp4", film([(1, 20)])), (0, 1, -1, 0))
    return folder


@pytest.fixture
def clips(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "clips"))


def test_the_first_frame_of_each_scene_is_kept(run: Run, clips: Path, tmp_path: Path) -> None:
    before = tree(clips)
    done = run("videos", clips, "--skip", "5", "--json", "r.json")
    assert tree(clips) == before
    result = load(tmp_path / "r.json")
    assert kept(result) == {
        "scenes.mp4": [0, 40, 80, 120, 160, 200], "back.webm": [0, 30], "scenes.avi": [0, 25], "vfr.mkv": [0, 20],
        "turned.mp4": [0],
    }  # fmt: skip
    outs = tmp_path / "fastsim_outputs"
    folders = {path.relative_to(outs).as_posix() for path in outs.rglob("*") if path.is_dir()}
    assert folders == {"scenes", "back", "sub", "sub/scenes", "sub/vfr", "turned"}
    assert "5 videos" in done.stdout and "13 kept" in done.stdout


def test_a_run_with_other_settings_takes_the_next_default_folder(run: Run, clips: Path, tmp_path: Path) -> None:
    command = ("videos", clips / "back.webm")
    run(*command, "--skip", "5")
    before = tree(tmp_path / "fastsim_outputs")
    other = run(*command, "--skip", "6")
    assert "fastsim_outputs_2" in other.stdout and "goes to ./fastsim_outputs_2" in other.stderr
    assert list((tmp_path / "fastsim_outputs_2").rglob("frame_*.jpg"))
    run(*command, "--skip", "6")  # goes on there
    assert tree(tmp_path / "fastsim_outputs") == before
    assert not (tmp_path / "fastsim_outputs_3").exists()


@pytest.mark.parametrize(("skip", "expected"), [(1, [0, 30]), (7, [0, 35]), (10, [0, 30]), (45, [0, 45])])
def test_kept_frames_depend_on_the_stride_in_the_known_way(
    run: Run, clips: Path, tmp_path: Path, skip: int, expected: list[int]
) -> None:
    run("video", clips / "back.webm", "--skip", str(skip), "--json", "r.json", "--dry-run", "--quiet")
    assert kept(load(tmp_path / "r.json"))["back.webm"] == expected


def test_the_json_and_the_table_hold_what_is_documented(run: Run, clips: Path, tmp_path: Path) -> None:
    run("video", clips / "scenes.mp4", "--skip", "5", "--json", "r.json", "--timeline")
    result = load(tmp_path / "r.json")
    assert {"videos", "skipped", "counts", "timings", "environment"} <= set(result)
    [video] = result["videos"]
    assert video["path"] == str(clips / "scenes.mp4")
    assert (video["frames_read"], video["frames_taken"]) == (240, 48)
    for frame in video["kept"]:
        assert list(frame) == ["index", "seconds", "file", "stands_for", "lowest_score"]
        assert frame["seconds"] == pytest.approx(frame["index"] / 25)
        assert os.path.isfile(frame["file"])
        assert (frame["stands_for"], 0.75 <= frame["lowest_score"] <= 1) == (7, True)
    assert Path(video["kept"][1]["file"]).name == "frame_0000040_00-00-01.600.jpg"
    assert result["counts"] == {"videos": 1, "skipped": 0, "frames_read": 240, "frames_taken": 48, "kept": 6}
    assert {"version", "argv", "device", "runtime", "precision", "model_sha256"} <= set(result["environment"])
    folder = Path(video["folder"])
    names = {path.name for path in folder.iterdir()}
    assert names == {Path(f["file"]).name for f in video["kept"]} | {"contact_sheet.jpg", "index.csv", "timeline.png"}
    with open(folder / "index.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["frame", "seconds", "file", "stands_for", "lowest_score"]
    assert [(int(row["frame"]), row["file"], int(row["stands_for"])) for row in rows] == [
        (f["index"], Path(f["file"]).name, f["stands_for"]) for f in video["kept"]
    ]
    for name in ("contact_sheet.jpg", "timeline.png"):
        assert cv2.imread(str(folder / name)) is not None


@pytest.mark.parametrize("name", ["scenes.mp4", "back.webm", "sub/scenes.avi", "sub/vfr.mkv"])
def test_a_written_picture_is_exactly_that_frame(run: Run, clips: Path, tmp_path: Path, name: str) -> None:
    run("video", clips / name, "--skip", "3", "--format", "png", "--thres", "1", "--json", "r.json")
    frames = decoded(clips / name)
    [video] = load(tmp_path / "r.json")["videos"]
    assert len(video["kept"]) >= 5
    for frame in video["kept"]:
        seconds, picture = frames[frame["index"]]
        assert (cv2.imread(frame["file"]) == picture).all()
        assert stamp(picture) == frame["index"]
        assert frame["seconds"] == pytest.approx(seconds, abs=1e-6)


def test_rotation_is_applied_to_what_is_written(run: Run, clips: Path, tmp_path: Path) -> None:
    run("video", clips / "turned.mp4", "--format", "png", "--json", "r.json")
    [frame] = load(tmp_path / "r.json")["videos"][0]["kept"]
    _, stored = decoded(clips / "turned.mp4")[0]
    assert (cv2.imread(frame["file"]) == cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE)).all()


def test_formats_and_quality(run: Run, clips: Path, tmp_path: Path) -> None:
    sizes = {}
    for form, quality in (("jpg", "95"), ("jpg", "30"), ("webp", "80"), ("png", "95")):
        outs = tmp_path / f"{form}{quality}"
        run("video", clips / "turned.mp4", "--format", form, "--quality", quality, "--outs", outs)
        [picture] = (outs / "turned").glob(f"frame_*.{form}")
        sizes[form + quality] = picture.stat().st_size
    assert sizes["jpg30"] < sizes["jpg95"] < sizes["png95"]


def test_a_part_of_the_video_and_sampling_by_time(run: Run, clips: Path, tmp_path: Path) -> None:
    run(
        "video",
        clips / "scenes.mp4",
        "--start",
        "1.6",
        "--end",
        "00:00:04.8",
        "--skip",
        "5",
        "--json",
        "a.json",
        "--dry-run",
    )
    assert kept(load(tmp_path / "a.json")) == {"scenes.mp4": [40, 80]}
    run("video", clips / "scenes.mp4", "--every", "0.4", "--json", "b.json", "--dry-run")
    result = load(tmp_path / "b.json")
    assert kept(result) == {"scenes.mp4": [0, 40, 80, 120, 160, 200]}
    assert result["videos"][0]["frames_taken"] == 24
    run("video", clips / "sub/vfr.mkv", "--every", "1", "--json", "c.json", "--dry-run")
    assert [frame["seconds"] for frame in load(tmp_path / "c.json")["videos"][0]["kept"]] == [0.0, 5.8]


def test_across_keeps_a_scene_once_over_all_videos(run: Run, clips: Path, tmp_path: Path) -> None:
    run("videos", clips, "--skip", "5", "--across", "--json", "r.json")
    result = load(tmp_path / "r.json")
    total = sum(len(frames) for frames in kept(result).values())
    assert total == 7, "six scenes, and one of them turned"
    assert kept(result)["scenes.avi"] == []
    seen = {Path(video["path"]).name: video["seen_elsewhere"] for video in result["videos"]}
    assert seen["scenes.avi"] == 10


def test_a_crop_leaves_out_the_edge(run: Run, tmp_path: Path) -> None:
    """Only a frame around the picture changes: with the crop it is one scene, without it there are two."""
    inner = scene(0)
    framed = scene(3)
    framed[26:-26, 34:-34] = inner[26:-26, 34:-34]
    encode(tmp_path / "edge.mp4", [inner] * 10 + [framed] * 10)
    found = {}
    for crop in ("0.5", "1"):
        run("video", "edge.mp4", "--crop", crop, "--skip", "5", "--thres", "0.9", "--dry-run", "--json", f"{crop}.json")
        found[crop] = kept(load(tmp_path / f"{crop}.json"))["edge.mp4"]
    assert found == {"0.5": [0], "1": [0, 10]}


def test_names_that_clash_get_folders_of_their_own(run: Run, clips: Path, tmp_path: Path) -> None:
    shutil.copy(clips / "turned.mp4", clips / "scenes.mov")
    shutil.copy(clips / "turned.mp4", clips / "sub.mp4")
    run("videos", clips, "--exclude", "back*", "--skip", "20", "--json", "r.json")
    result = load(tmp_path / "r.json")
    folders = {
        os.path.relpath(v["path"], clips): os.path.relpath(v["folder"], tmp_path / "fastsim_outputs")
        for v in result["videos"]
    }
    assert folders == {
        "scenes.mov": "scenes", "scenes.mp4": "scenes_2", "sub.mp4": "sub_2", os.path.join("sub", "scenes.avi"):
        os.path.join("sub", "scenes"), os.path.join("sub", "vfr.mkv"): os.path.join("sub", "vfr"), "turned.mp4": "turned",
    }  # fmt: skip


def test_broken_files_have_a_reason_each_and_the_others_go_on(run: Run, clips: Path, tmp_path: Path) -> None:
    (clips / "empty.mp4").write_bytes(b"")
    (clips / "noise.mkv").write_bytes(os.urandom(5000))
    silence(clips / "sound.mp4")
    whole = encode(tmp_path / "whole.mp4", film([(0, 60), (1, 60)]), container={"movflags": "faststart"})
    (clips / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 10])
    done = run("videos", clips, "--skip", "5", "--json", "r.json", code=3)
    result = load(tmp_path / "r.json")
    reasons = {Path(item["path"]).name: item["reason"] for item in result["skipped"]}
    assert set(reasons) == {"empty.mp4", "noise.mkv", "sound.mp4", "cut.mp4"}
    assert "empty file" in reasons["empty.mp4"] and "audio only" in reasons["sound.mp4"]
    assert kept(result)["cut.mp4"] == [0, 60]
    assert kept(result)["scenes.mp4"] == [0, 40, 80, 120, 160, 200]
    assert "Read in part, 1 video" in done.stdout and "Skipped 3 files" in done.stdout
    assert not (tmp_path / "fastsim_outputs/noise").exists()


def test_a_rerun_goes_on_where_a_killed_run_stopped(run: Run, clips: Path, tmp_path: Path) -> None:
    command = ["videos", str(clips), "--skip", "2", "--thres", "0.99", "--format", "png", "--json", "r.json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-m", "fastsim", *command], cwd=tmp_path, env=environment)
    outs = tmp_path / "fastsim_outputs"
    deadline = time.monotonic() + 60
    while len(list(outs.rglob("frame_*.png"))) < 12 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()
    for path in outs.rglob("frame_*.png"):
        assert cv2.imread(str(path)) is not None, f"{path} is not whole"
    finished = {path.parent for path in outs.rglob("index.csv")}
    before = {path: path.stat().st_mtime_ns for folder in finished for path in folder.iterdir()}
    refused = run(*command[:2], "--skip", "3", *command[4:], "--outs", "fastsim_outputs", code=2)
    assert "--outs" in refused.stderr and "--skip 2; now --skip 3" in refused.stderr
    run(*command)
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what was done is not done again"
    shutil.move(outs, tmp_path / "resumed")
    resumed = load(tmp_path / "r.json")
    run(*command)
    assert kept(load(tmp_path / "r.json")) == kept(resumed)
    left, right = tree(tmp_path / "resumed"), tree(outs)
    names = {name for name in left if "fastsim_videos" not in name}
    assert names == {name for name in right if "fastsim_videos" not in name}
    assert all(left[name].split()[0] == right[name].split()[0] for name in names)
    again = run(*command)
    assert "done before" in again.stdout


def test_ctrl_c_is_one_line_and_leaves_whole_pictures(clips: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fastsim", "videos", str(clips), "--skip", "1", "--thres", "1"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    outs = tmp_path / "fastsim_outputs"
    deadline = time.monotonic() + 60
    while len(list(outs.rglob("frame_*.jpg"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(errors.strip().splitlines()) == 1 and "run the same command again" in errors
    assert not list(outs.rglob("*.fastsim-part"))


def test_more_videos_with_the_same_settings_join_the_others(run: Run, clips: Path, tmp_path: Path) -> None:
    run("video", clips / "turned.mp4")
    run("video", clips / "back.webm")
    assert (tmp_path / "fastsim_outputs/turned/index.csv").exists()
    assert (tmp_path / "fastsim_outputs/back/index.csv").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--skip", "0"], "at least 1"),
        (["--skip", "5", "--every", "1"], "exclude each other"),
        (["--every", "0"], "more than 0"),
        (["--every", "often"], "HH:MM:SS"),
        (["--end", "4", "--start", "5"], "nothing would be read"),
        (["--crop", "1.5"], "0.05 to 1"),
        (["--crop", "nan"], "0.05 to 1"),
        (["--thres", "2"], "0 to 1"),
        (["--format", "bmp"], "jpg, jpeg, png, webp"),
        (["--quality", "0"], "1 to 100"),
        (["--size", "100"], "multiple of 16"),
        (["--device", "tpu"], "auto, cpu"),
        (["--runtime", "tensorflow"], "openvino"),
        (["--model", "missing.onnx"], "missing.onnx"),
        (["--json", "missing/r.json"], "can be written"),
    ],
)
def test_a_wrong_option_names_itself_and_what_is_allowed(
    run: Run, clips: Path, tmp_path: Path, options: list[str], complaint: str
) -> None:
    failed = run("video", clips / "turned.mp4", *options, code=2)
    assert complaint in failed.stderr and options[0] in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "fastsim_outputs").exists()


def test_a_start_behind_the_end_is_a_reason_and_not_an_empty_folder(run: Run, clips: Path, tmp_path: Path) -> None:
    done = run("video", clips / "turned.mp4", "--start", "1:00:00", code=3)
    assert "before the start that was asked for" in done.stdout
    assert not (tmp_path / "fastsim_outputs/turned").exists()


def test_wrong_inputs(run: Run, clips: Path, tmp_path: Path) -> None:
    assert "no such file" in run("video", "gone.mp4", code=2).stderr
    assert "fastsim videos" in run("video", clips, code=2).stderr
    assert "one FILE" in run("video", "a.mp4", "b.mp4", code=2).stderr
    (tmp_path / "none").mkdir()
    assert "No videos found" in run("videos", "none").stdout
    assert not (tmp_path / "fastsim_outputs").exists()
    assert "fastsim videos - reads one" in run("video", "-", code=2).stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    assert "not empty" in run("videos", clips, "--outs", "full", code=2).stderr
    assert "not empty" in run("videos", clips / "turned.mp4", "--outs", clips, code=2).stderr


def test_outs_inside_the_input_is_never_read_and_a_dry_run_writes_nothing(run: Run, clips: Path) -> None:
    run("videos", ".", "--outs", "out", "--skip", "20", "--dry-run", cwd=clips)
    assert not (clips / "out").exists()
    run("videos", ".", "--outs", "out", "--skip", "20", "--json", "r.json", cwd=clips)
    shutil.copy(clips / "turned.mp4", clips / "out/new.mp4")
    run("videos", ".", "--outs", "out", "--skip", "20", "--json", "r.json", cwd=clips)
    assert load(clips / "r.json")["counts"]["videos"] == 5


def test_quiet_prints_nothing_and_decoders_are_silent(run: Run, clips: Path) -> None:
    data = bytearray((clips / "scenes.mp4").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000)
    (clips / "hurt.mp4").write_bytes(data)
    done = run("videos", clips, "--quiet", code=3)
    assert (done.stdout, done.stderr) == ("", "")


def copies(folder: Path) -> None:
    """Write a film; copies of it; and strangers, two of which begin with black."""
    pictures = [p for number in SCENES for p in shot(number, 75, 160, 120)]
    folder.mkdir()
    fast = {"preset": "ultrafast", "crf": "26"}
    encode(folder / "film.mp4", pictures, options=fast)
    encode(folder / "small.mp4", [cv2.resize(p, (80, 60)) for p in pictures], options=fast)
    grey = [cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) for p in pictures]
    encode(folder / "grey.mkv", grey, options=fast)
    logo = [cv2.rectangle(p.copy(), (4, 4), (30, 16), (0, 230, 255), -1) for p in pictures]
    encode(folder / "logo.mp4", logo[100:], options=fast)
    other = [p for number in (12, 9) for p in shot(number, 100, 160, 120)]
    encode(folder / "part.mp4", [*other[:100], *pictures[150:375], *other[100:]], options=fast)
    black = [np.zeros((120, 160, 3), np.uint8)] * 150
    encode(folder / "stranger.mp4", [*black, *shot(14, 150, 160, 120)], options=fast)
    encode(folder / "black.mp4", black * 2, options=fast)


def test_copies_and_parts_are_found_with_their_seconds(run: Run, tmp_path: Path) -> None:
    copies(tmp_path / "films")
    before = tree(tmp_path / "films")
    done = run("video-duplicates", "films", "--json", "r.json")
    assert tree(tmp_path / "films") == before
    result = load(tmp_path / "r.json")
    [group] = result["groups"]
    names = {Path(video["path"]).name for video in group["videos"]}
    assert names == {"film.mp4", "small.mp4", "grey.mkv", "logo.mp4", "part.mp4"}
    of_film = {}
    for match in group["matches"]:
        a, b = Path(match["a"]).name, Path(match["b"]).name
        if a == "film.mp4":
            of_film[b] = (match["a_start"], match["a_end"], match["b_start"], match["b_end"])
    assert of_film["small.mp4"] == pytest.approx((0, 18, 0, 18), abs=1.1)
    assert of_film["logo.mp4"] == pytest.approx((4, 18, 0, 14), abs=1.1)
    assert of_film["part.mp4"] == pytest.approx((6, 15, 4, 13), abs=1.1)
    assert "all of it" in done.stdout and "No file was changed." in done.stdout


def test_the_options_of_video_duplicates_are_checked(run: Run, clips: Path) -> None:
    for option in ("--every", "--least"):
        assert option in run("video-duplicates", clips, option, "0", code=2).stderr
    assert "No videos found" in run("video-duplicates", clips, "--exclude", "*").stdout


@pytest.mark.slow
def test_three_hours_stay_under_a_gigabyte(tmp_path: Path) -> None:
    """An idle camera with a visitor now and then; 270,000 frames, and cuts in the last minute."""
    still, visitor = [stamped(scene(number, 64, 48), 0) for number in (0, 1)]
    cuts = [scene(number, 64, 48) for number in range(2, 40)]

    def recording() -> Any:
        for k in range(270_000):
            yield cuts[k % len(cuts)] if k > 268_500 else visitor if k % 30_000 < 100 else still

    encode(tmp_path / "day.mp4", recording(), options={"preset": "ultrafast", "crf": "30", "g": "250"})
    # Linux's ru_maxrss begins at the peak of the process that started this one: the tests' own
    code = (
        "import re, resource, sys; from fastsim.cli.main import main as app; sys.argv = ['fastsim', *sys.argv[1:]]\n"
        "def peak():\n"
        "    try: return re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]\n"
        "    except OSError: return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: app()\nexcept SystemExit as end: print('PEAK', peak(), end.code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "video", "day.mp4", "--skip", "25", "--size", "112", "--json", "r.json"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    peak, status = done.stdout.split("PEAK")[1].split()
    assert int(status) == 0
    assert int(peak) * (1 if sys.platform == "darwin" else 1024) < 1e9
    [video] = load(tmp_path / "r.json")["videos"]
    assert video["frames_read"] == 270_000
    assert [frame["index"] for frame in video["kept"]][:2] == [0, 100]
    assert sum(frame["stands_for"] + 1 for frame in video["kept"]) == 10_800


def test_a_damaged_video_is_grouped_and_said_to_be_read_in_part_but_not_skipped(run: Run, tmp_path: Path) -> None:
    pictures = [p for number in SCENES for p in shot(number, 50, 160, 120)]
    (tmp_path / "films").mkdir()
    encode(tmp_path / "films/whole.mp4", pictures, options={"preset": "ultrafast"})
    cut = encode(tmp_path / "films/cut.mkv", pictures, options={"preset": "ultrafast"})
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 3 // 4])
    (tmp_path / "films/noise.mp4").write_bytes(b"noise" * 999)
    done = run("video-duplicates", "films", "--json", "r.json", code=3)
    result = load(tmp_path / "r.json")
    assert [Path(one["path"]).name for one in result["groups"][0]["videos"]] == ["cut.mkv", "whole.mp4"]
    assert [Path(one["path"]).name for one in result["skipped"]] == ["noise.mp4"]
    assert [Path(one["path"]).name for one in result["partly"]] == ["cut.mkv"]
    assert "Read in part, 1 video:" in done.stdout and "Skipped 1 file" in done.stdout


def test_different_colour_grids_between_black_bars_are_strangers(run: Run, tmp_path: Path) -> None:
    """The network sees little but the grid in them; unrelated ones score up to 0.89."""
    (tmp_path / "clips").mkdir()
    for video in range(1, 7):
        inner = []
        for number in range(6):
            colours = np.random.default_rng(100 * video + number).integers(0, 255, (7, 3, 3)).astype(np.uint8)
            inner += [cv2.resize(colours, (90, 240), interpolation=cv2.INTER_NEAREST)] * 8
        frames = [cv2.copyMakeBorder(one, 0, 0, 115, 115, cv2.BORDER_CONSTANT) for one in inner]
        encode(tmp_path / f"clips/{video}.mp4", frames, rate=4)
    run("video-duplicates", "clips", "--json", "r.json")
    assert load(tmp_path / "r.json")["groups"] == []


def test_different_clips_between_black_bars_are_strangers(run: Run, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    for name, numbers in (("a", (0, 3, 5)), ("b", (1, 2, 7))):
        inner = [p for number in numbers for p in shot(number, 50, 90, 240)]
        encode(
            tmp_path / f"clips/{name}.mp4", [cv2.copyMakeBorder(p, 0, 0, 115, 115, cv2.BORDER_CONSTANT) for p in inner]
        )
        encode(tmp_path / f"clips/{name}_plain.mkv", inner)
    run("video-duplicates", "clips", "--json", "r.json")
    groups = [{Path(one["path"]).name for one in group["videos"]} for group in load(tmp_path / "r.json")["groups"]]
    assert sorted(map(sorted, groups)) == [["a.mp4", "a_plain.mkv"], ["b.mp4", "b_plain.mkv"]]
