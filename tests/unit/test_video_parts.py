"""The parts of the video commands: sampling, running ahead, folders, the journal, pictures, alignment in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from fastsim.cli.commands.video import seconds_of
from fastsim.config import Compute
from fastsim.decode.video.clock import Clock, Timing
from fastsim.decode.video.presentation import Presentation, UnprovenError
from fastsim.decode.video.sampling import Sampling
from fastsim.errors import FastsimError, UsageError
from fastsim.records.files import MediaFile, Snapshot
from fastsim.videos.ahead import run_ahead
from fastsim.videos.align import Track, align
from fastsim.videos.folders import folders
from fastsim.videos.journal import NAME, VideoJournal
from fastsim.videos.pictures import TEMPORARY, Sheet, Timeline, clock, shrunk, write_picture, write_whole
from fastsim.videos.results import Extract, Kept, Settings


def taken(sampling: Sampling, times: list[float]) -> list[int]:
    select = sampling.selector()
    return [index for index, seconds in enumerate(times) if select(index, seconds)]


def test_sampling_by_number_by_time_and_of_a_part() -> None:
    steady = [k / 10 for k in range(50)]
    assert taken(Sampling(7), steady) == list(range(0, 50, 7))
    assert taken(Sampling(7, start=1.0, end=3.0), steady) == [10, 17, 24]
    assert taken(Sampling(every=1.0), steady) == [0, 10, 20, 30, 40]
    assert taken(Sampling(every=0.25), steady[:11]) == [0, 3, 5, 8, 10]
    assert taken(Sampling(every=1.0, start=0.55), steady) == [6, 16, 26, 36, 46]
    assert taken(Sampling(every=1.0), [0, 0.2, 5.5, 5.9, 6.1, 6.2, 9.9]) == [0, 2, 4, 6]


def test_a_part_that_is_over_says_so() -> None:
    select = Sampling(1, end=1.0).selector()
    assert select(0, 0.5) and not select.done
    assert not select(1, 1.0) and select.done


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90.5", 90.5), ("1:30", 90), ("01:02:03.25", 3723.25), ("0", 0), (" 5 ", 5)]
)
def test_times_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of("--start", text) == seconds


@pytest.mark.parametrize("text", ["", "abc", "-5", "1:2:3:4", "1:60", "1.5:00", "nan", "inf", "1e3", "::"])
def test_times_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--start .*HH:MM:SS"):
        seconds_of("--start", text)


def presentation(packets: list[tuple[int | None, int | None]]) -> list[int]:
    plan = Presentation(Sampling(2).selector(), Clock(Timing(0.04, 0)))
    for pts, dts in packets:
        plan.add(pts, dts)
    plan.end()
    return [plan.come(pts).index for pts in sorted(p for p, _ in packets if p is not None)]


def test_packets_are_numbered_in_the_order_of_presentation() -> None:
    assert presentation([(0, -2), (4, -1), (2, 0), (1, 1), (3, 2), (8, 3), (6, 4), (5, 5), (7, 6)]) == list(range(9))


@pytest.mark.parametrize(
    "packets",
    [[(None, 0)], [(0, 0), (0, 1)], [(0, 5), (9, 3)], [(1, 2)], [(5, 5), (3, None), (9, 9), (4, None), (20, 20)]],
)
def test_packets_that_promise_nothing_prove_nothing(packets: list[tuple[int | None, int | None]]) -> None:
    with pytest.raises(UnprovenError):
        presentation(packets)


def test_a_frame_that_does_not_come_is_noticed() -> None:
    plan = Presentation(Sampling(2).selector(), Clock(Timing(0.04, 0)))
    for k in range(5):
        plan.add(k, k)
    plan.end()
    plan.come(0)
    with pytest.raises(UnprovenError):
        plan.come(2)


def test_running_ahead_keeps_order_and_budget() -> None:
    most, waiting, lock = 0, 0, threading.Lock()

    def items() -> Iterator[int]:
        nonlocal most, waiting
        for k in range(200):
            with lock:
                waiting += 1
                most = max(most, waiting)
            yield k

    got = []
    for item in run_ahead(items(), budget=50, weigh=lambda _: 10):
        time.sleep(0.0005)
        with lock:
            waiting -= 1
        got.append(item)
    assert got == list(range(200))
    assert most <= 5 + 3


def test_an_error_comes_in_its_place_and_a_consumer_may_leave() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise FastsimError("broken")

    ahead = run_ahead(failing(), budget=1, weigh=lambda _: 1)
    assert next(ahead) == 1
    with pytest.raises(FastsimError, match="broken"):
        next(ahead)
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    leaving = run_ahead(endless(), budget=3, weigh=lambda _: 1)
    assert next(leaving) == 1
    leaving.close()
    assert closed.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "fastsim-ahead"]


def files(*names: str, root: str = "/in") -> list[MediaFile]:
    return [MediaFile(i, f"{root}/{name}", root, Snapshot(1, 1, i)) for i, name in enumerate(names)]


def test_folders_keep_relative_paths_and_never_clash() -> None:
    videos = files(
        "a.mp4", "a.mov", "A.avi", "sub/a.mp4", "sub.mp4", "a_2.mp4", "dots...mp4", "v1.2.mkv", f"{NAME}.mp4"
    )
    chosen = folders(videos, {}, [NAME])
    assert chosen[0] == "a" and chosen[3] == "sub/a" and chosen[4] == "sub_2" and chosen[7] == "v1.2"
    assert chosen[6] == "dots" and chosen[8] == f"{NAME}_2"
    assert len({folder.casefold() for folder in chosen.values()}) == len(videos)
    again = folders(videos, {1: "a_7"}, [NAME])
    assert again[1] == "a_7"
    assert folders(files(".mp4", "...mp4"), {}, []) == {0: "mp4", 1: "video"}
    long = folders(files("x" * 250 + ".mp4", "x" * 250 + ".mov"), {}, [])
    assert all(len(folder) <= 255 for folder in long.values()) and long[0] != long[1]


def identity(**changes: object) -> dict[str, object]:
    return {**Settings(Compute()).identity("00"), **changes}


def test_the_journal_goes_on_with_the_same_settings_only(tmp_path: Path) -> None:
    outs, [video, other] = str(tmp_path / "outs"), files("a.mp4", "b.mp4")
    with VideoJournal(outs, identity()) as journal:
        assert journal.finished(video) is None
        folder = journal.begin(video, "a")
        for name in ("frame_0000000_00-00-00.000.jpg", "index.csv", "mine.txt", f"index.csv{TEMPORARY}"):
            Path(folder, name).write_text(name)
        journal.begin(other, "b")
        kept = [Kept(0, 0.0, "frame_0000000_00-00-00.000.jpg", 3, 0.8)]
        journal.end(video, Extract(video.path, "a", 4, 4, kept=kept), np.ones((1, 4), np.float16))
        with pytest.raises(UsageError, match="at work in it"):
            VideoJournal(outs, identity())
    with open(tmp_path / "outs" / NAME, "ab") as stream:
        stream.write(b'{"done": {"pa')  # killed while it wrote
    with pytest.raises(UsageError, match="--skip 10; now --skip 3"):
        VideoJournal(outs, identity(skip=3))
    with VideoJournal(outs, identity()) as journal:
        found = journal.finished(video)
        assert found is not None and found.earlier and found.kept == kept
        assert (journal.rows(video) == np.ones((1, 4), np.float16)).all()
        assert journal.finished(other) is None
        assert journal.chosen_folders([video, other]) == {0: "a", 1: "b"}
        changed = MediaFile(0, video.path, video.root, Snapshot(2, 2, 0))
        assert journal.finished(changed) is None and journal.chosen_folders([changed]) == {}
        (tmp_path / "outs/a/frame_0000000_00-00-00.000.jpg").unlink()
        assert journal.finished(video) is None, "a picture is gone"
        journal.begin(video, "a")
        assert sorted(path.name for path in (tmp_path / "outs/a").iterdir()) == ["mine.txt"]


def test_folders_with_other_things_in_them_are_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("")
    for name in ("full", "file", "file/below"):
        with pytest.raises(UsageError, match="--outs"):
            VideoJournal(str(tmp_path / name), identity())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / NAME).write_text("something else\n")
    with pytest.raises(UsageError, match="give another --outs"):
        VideoJournal(str(tmp_path / "other"), identity())


def test_a_picture_is_whole_or_not_there(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    write_picture(str(tmp_path / "a.png"), picture, "png", 95)
    assert (cv2.imread(str(tmp_path / "a.png")) == picture).all()
    with pytest.raises(FastsimError, match="run the same command again"):
        write_whole(str(tmp_path / "missing" / "a.png"), b"x")
    with pytest.raises(FastsimError, match="--format png"):
        write_picture(str(tmp_path / "a.webp"), np.zeros((8, 20000, 3), np.uint8), "webp", 95)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_contact_sheet_of_very_many_frames_stays_small() -> None:
    sheet = Sheet()
    assert sheet.draw() is None
    for k in range(2000):
        sheet.add(np.full((90, 160, 3), k % 255, np.uint8), clock(k))
    drawn = sheet.draw()
    assert drawn is not None and drawn.shape[0] < 6000 and drawn.shape[1] < 8000
    assert 200 <= len(sheet._cells) <= 401
    assert [cell.number for cell in sheet._cells] == list(range(0, 2000, sheet._every))


def test_a_timeline_of_any_length_has_the_same_size() -> None:
    short, long = Timeline(), Timeline()
    short.add(0, 0, True)
    short.add(1, 0.9, False)
    for k in range(86400):
        long.add(k, 0.5, k % 1000 == 0)
    assert short.draw(0.75).shape == long.draw(0.75).shape
    assert long._kept.sum() == 87


def test_pictures_shrink_to_fit_and_never_grow() -> None:
    assert shrunk(np.zeros((1080, 1920, 3), np.uint8), 240, 180).shape == (135, 240, 3)
    assert shrunk(np.zeros((4000, 100, 3), np.uint8), 240, 180).shape[0] == 180
    assert shrunk(np.zeros((20, 30, 3), np.uint8), 240, 180).shape == (20, 30, 3)
    assert clock(4.92) == "00:00:04.920"
    assert clock(90061.0004) == "25:01:01.000"
    assert clock(59.9999) == "00:01:00.000"


def track(seconds: int, seed: int, start: float = 0.0) -> Track:
    """Return the track of a camera that wanders: each half second is a little like the one before."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(2 * seconds, 64)).astype(np.float32)
    for k in range(1, len(rows)):
        rows[k] = 0.5 * rows[k - 1] + 0.87 * rows[k]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Track(np.arange(2 * seconds) * 0.5 + start, rows, float(seconds))


def aligned(a: Track, b: Track, thres: float = 0.8, least: float = 5.0) -> list[tuple[float, float, float, float]]:
    i, j = np.nonzero(a.rows @ b.rows.T >= thres)
    parts = align(a, b, i, j, every=0.5, least=least, thres=thres)
    return [(part.a_start, part.a_end, part.b_start, part.b_end) for part in parts]


def cut(whole: Track, start: int, stop: int) -> Track:
    return Track(np.arange(stop - start) * 0.5, whole.rows[start:stop], (stop - start) / 2)


def joined(*parts: Track) -> Track:
    rows = np.concatenate([part.rows for part in parts])
    return Track(np.arange(len(rows)) * 0.5, rows, len(rows) / 2)


def test_a_trimmed_copy_is_aligned() -> None:
    whole = track(60, 1)
    [(a0, a1, b0, b1)] = aligned(whole, cut(whole, 20, 90))
    assert (a0, a1, b0, b1) == pytest.approx((10, 45, 0, 35), abs=0.6)


def test_parts_in_another_order_are_each_found() -> None:
    one, two, three = track(20, 1), track(20, 2), track(20, 3)
    parts = sorted(aligned(joined(one, two, three), joined(three, track(15, 9), one)))
    assert np.array(parts) == pytest.approx(np.array([(0, 20, 35, 55), (40, 60, 0, 20)]), abs=0.6)


def test_strangers_single_frames_and_short_parts_are_no_match() -> None:
    one, two = track(60, 1), track(60, 2)
    assert aligned(one, two) == []
    two.rows[[5, 40, 80]] = one.rows[[70, 10, 33]]
    assert aligned(one, two) == []
    two.rows[20:26] = one.rows[50:56]
    assert aligned(one, two) == []
    assert len(aligned(one, two, least=2.5)) == 1


def test_a_video_shorter_than_the_least_part_may_match_as_a_whole() -> None:
    whole = track(60, 1)
    assert len(aligned(whole, cut(whole, 20, 26))) == 1


def test_a_still_scene_gives_one_part_and_not_one_for_each_offset() -> None:
    still = Track(np.arange(80) * 0.5, np.repeat(track(1, 1).rows[:1], 80, axis=0), 40.0)
    assert len(aligned(still, cut(still, 0, 40))) == 1


def test_a_part_whose_mean_is_under_the_threshold_is_no_match() -> None:
    """Half of the frames are similar for sure, the others only alike."""
    one = track(20, 1)
    noise = np.random.default_rng(3).normal(size=one.rows.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    share = np.where(np.arange(len(one.rows)) % 2, 1.0, 0.72)[:, None].astype(np.float32)
    rows = share * one.rows + np.sqrt(1 - share**2) * noise
    other = Track(one.times, rows / np.linalg.norm(rows, axis=1, keepdims=True), one.end)
    i, j = np.nonzero(one.rows @ other.rows.T >= 0.8)
    parts = align(one, other, i, j, every=0.5, least=5, thres=0.8)
    assert all(part.score >= 0.8 for part in parts)
    assert align(one, other, *np.nonzero(one.rows @ other.rows.T >= 0.9), every=0.5, least=5, thres=0.9) == []
    same = np.nonzero(one.rows @ one.rows.T >= 1 - 1e-6)
    assert len(align(one, one, *same, every=0.5, least=5, thres=1)) == 1
