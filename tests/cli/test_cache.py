"""The embedding cache: what is known is not embedded again, and trouble with the cache never costs more than time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support import Run, tree

from fastsim.cache.embeddings import CachedRow, EmbeddingCache, info
from fastsim.records.files import MediaFile, Snapshot

COUNT = 11
DISTINCT = 10
"""Drawn pictures, and how many of them differ in their bytes."""


def images(run: Run, photos: Path, *more: str | Path) -> dict[str, Any]:
    """Return the JSON of a dry run; the `run` fixture gives the cache a folder of the test's own."""
    run("images", photos, "--dry-run", "--json", photos.parent / "r.json", *more)
    result: dict[str, Any] = json.loads((photos.parent / "r.json").read_text())
    return result


def cached(result: dict[str, Any]) -> int:
    count: int = result["environment"]["cached"]
    return count


def database(photos: Path) -> Path:
    return photos.parent / ".cache" / "embeddings.sqlite"


def test_a_second_run_embeds_nothing_and_finds_the_same(run: Run, photos: Path) -> None:
    first, second = images(run, photos), images(run, photos)
    assert (cached(first), cached(second)) == (0, DISTINCT)
    assert second["groups"] == first["groups"]
    assert "embed" not in second["timings"]
    assert second["environment"]["precision"] == first["environment"]["precision"]
    assert second["environment"]["runtime"] == first["environment"]["runtime"]


def test_another_threshold_costs_only_the_comparison(run: Run, photos: Path) -> None:
    images(run, photos)
    assert cached(images(run, photos, "--thres", "0.95")) == DISTINCT


def test_renamed_and_moved_files_are_recognised_by_content(run: Run, photos: Path) -> None:
    images(run, photos)
    (photos / "pebbles.webp").rename(photos / "stones.webp")
    (photos / "holiday").rename(photos / "summer")
    assert cached(images(run, photos)) == DISTINCT


def test_a_changed_file_and_another_size_are_embedded_anew(run: Run, photos: Path) -> None:
    images(run, photos)
    picture = cv2.imread(str(photos / "pebbles.webp"))
    cv2.imwrite(str(photos / "pebbles.webp"), 255 - picture)
    assert cached(images(run, photos)) == DISTINCT - 1
    assert cached(images(run, photos, "--size", "112")) == 0
    assert cached(images(run, photos, "--size", "112")) == DISTINCT


def test_no_cache_neither_reads_nor_writes_one(run: Run, photos: Path) -> None:
    assert cached(images(run, photos, "--no-cache")) == 0
    assert not database(photos).exists()
    images(run, photos)
    assert cached(images(run, photos, "--no-cache")) == 0


def test_cache_chooses_the_folder(run: Run, photos: Path, tmp_path: Path) -> None:
    images(run, photos, "--cache", tmp_path / "here")
    assert (tmp_path / "here" / "embeddings.sqlite").exists()
    assert not database(photos).exists()
    failed = run("images", photos, "--cache", "x", "--no-cache", code=2)
    assert "--no-cache" in failed.stderr


@pytest.mark.parametrize("damage", ["garbage", "cut"])
def test_a_damaged_cache_is_set_aside_and_rebuilt_with_a_note(run: Run, photos: Path, damage: str) -> None:
    before = images(run, photos)
    path = database(photos)
    if damage == "garbage":
        path.write_bytes(os.urandom(5000))
    else:
        path.write_bytes(path.read_bytes()[:6000])
    done = run("images", photos, "--dry-run", "--json", photos.parent / "r.json")
    assert "was damaged" in done.stderr
    result = json.loads((photos.parent / "r.json").read_text())
    assert result["groups"] == before["groups"]
    assert path.with_suffix(".damaged").exists()
    assert cached(images(run, photos)) == DISTINCT


@pytest.mark.parametrize(("version", "age"), [(6, "an older"), (99, "a newer")])
def test_a_cache_of_another_version_is_replaced_and_not_called_damaged(
    run: Run, photos: Path, version: int, age: str
) -> None:
    images(run, photos)
    path = database(photos)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    done = run("images", photos, "--dry-run")
    assert f"the embedding cache was written by {age} version of fastsim; it is now" in done.stderr
    assert "damaged" not in done.stderr
    assert path.with_suffix(".replaced").exists() and not path.with_suffix(".damaged").exists()
    assert cached(images(run, photos)) == DISTINCT
    run("cache", "clear")
    assert not path.with_suffix(".replaced").exists()


def change_bytes(path: Path, pattern: bytes, replacement: bytes, times: int) -> None:
    """Replace `pattern` in the last `times` places of a file where it stands."""
    parts = path.read_bytes().rsplit(pattern, times)
    assert len(parts) == times + 1
    path.write_bytes(replacement.join(parts))


def test_a_flipped_bit_in_a_path_costs_one_file_and_a_line(run: Run, photos: Path) -> None:
    before = images(run, photos)
    change_bytes(database(photos), b"pebbles.webp", b"pebblds.webp", 1)
    done = run("images", photos, "--dry-run", "--json", photos.parent / "r.json")
    assert done.stderr.count("\n") <= 1
    assert json.loads((photos.parent / "r.json").read_text())["groups"] == before["groups"]
    assert cached(images(run, photos)) == DISTINCT
    assert run("images", photos, "--dry-run").stderr == ""


def test_changed_vectors_are_dropped_with_one_line_and_made_again(run: Run, photos: Path) -> None:
    before = images(run, photos)
    with sqlite3.connect(database(photos)) as connection:
        first = "SELECT digest FROM vectors LIMIT 3"
        connection.execute(f"UPDATE vectors SET vector = zeroblob(length(vector)) WHERE digest IN ({first})")
        connection.execute("UPDATE files SET digest = (SELECT digest FROM files LIMIT 1)")
    connection.close()
    done = run("images", photos, "--dry-run", "--json", photos.parent / "r.json")
    result = json.loads((photos.parent / "r.json").read_text())
    assert result["groups"] == before["groups"]
    assert cached(result) == DISTINCT - 3
    assert [line for line in done.stderr.splitlines() if "damaged row" in line] == done.stderr.splitlines()
    assert cached(images(run, photos)) == DISTINCT


ROWS = {bytes([i] * 32): CachedRow(np.full(8, i, np.float16), 100 + i, 200 + i) for i in range(60)}


def known(path: str, size: int = 5) -> MediaFile:
    return MediaFile(int(path), f"/photos/{path}.jpg", "/photos", Snapshot(size, 1_700_000_000_000_000_000, 99))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache file with the vectors ROWS and as many files."""
    folder = tmp_path_factory.mktemp("whole")
    cache = EmbeddingCache(folder, "network", pytest.fail)
    for digest, row in ROWS.items():
        cache.add(digest, row, ("cpu", "runtime", "float32"))
    cache.remember_digests([known(str(i)) for i in range(60)], {i: bytes([i] * 32) for i in range(60)})
    cache.close()
    return folder / "embeddings.sqlite"


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.integers(0, 2**20), bit=st.integers(0, 7))
@example(at=24309, bit=0)
def test_whatever_bit_is_flipped_a_cache_gives_right_rows_or_none(
    at: int, bit: int, whole: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    content = whole.read_bytes()
    at %= len(content)
    (folder / "embeddings.sqlite").write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
    for turn in range(3):  # a page that the first run only writes to may be found damaged by the second
        notes: list[str] = []
        cache = EmbeddingCache(folder, "network", notes.append)
        for digest, row in cache.rows(list(ROWS)).items():
            expected = ROWS[digest]
            assert (row.vectors.tobytes(), row.width, row.height) == (
                expected.vectors.tobytes(), expected.width, expected.height,
            )  # fmt: skip
        for number, digest in cache.known_digests([known(str(i)) for i in range(60)]).items():
            assert digest == bytes([number] * 32)
        cache.ran_on()
        for digest, row in ROWS.items():
            cache.add(digest, row, ("cpu", "runtime", "float32"))
        cache.remember_digests([known(str(i)) for i in range(60)], {i: bytes([i] * 32) for i in range(60)})
        cache.close()
        assert len(notes) <= 2
        assert turn < 2 or notes == []


def vectors_of(run: Run, photos: Path, *more: str | Path) -> np.ndarray[Any, Any]:
    """Return the vectors of `fastsim embed`, with no vector known before."""
    database(photos).unlink(missing_ok=True)
    run("embed", photos, "--out", photos.parent / "v.npz", *more)
    with np.load(photos.parent / "v.npz") as stored:
        vectors: np.ndarray[Any, Any] = stored["vectors"]
    return vectors


def test_a_compiled_network_is_used_again_and_gives_the_same_bits(run: Run, photos: Path) -> None:
    expected = vectors_of(run, photos, "--no-cache")
    first = vectors_of(run, photos)
    [network] = database(photos).parent.glob("network-*")
    written = network.stat().st_ino
    second = vectors_of(run, photos)
    assert network.stat().st_ino == written
    assert expected.tobytes() == first.tobytes() == second.tobytes()
    assert "1 compiled network in" in run("cache", "info").stdout
    database(photos).unlink()
    assert "1 compiled network in" in run("cache", "info").stdout
    run("cache", "clear")
    assert not network.exists()


@pytest.mark.parametrize("damage", ["empty", "cut", "a flipped bit", "not exported"])
def test_a_damaged_compiled_network_is_compiled_anew(run: Run, photos: Path, damage: str) -> None:
    expected = vectors_of(run, photos)
    [network] = database(photos).parent.glob("network-*")
    whole = network.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    text = b"no network"
    network.write_bytes({
        "empty": b"", "cut": whole[:-100], "a flipped bit": bytes(changed),
        "not exported": hashlib.sha256(text).digest() + text,
    }[damage])  # fmt: skip
    assert vectors_of(run, photos).tobytes() == expected.tobytes()
    assert len(network.read_bytes()) == len(whole)


def test_the_compiled_networks_that_were_used_last_are_kept(run: Run, photos: Path) -> None:
    for size in (64, 80, 96, 64, 112):
        vectors_of(run, photos, "--size", str(size))
    networks = list(database(photos).parent.glob("network-*"))
    assert len(networks) == 3
    before = {path.stat().st_ino for path in networks}
    vectors_of(run, photos, "--size", "64")  # used twice, and so not the oldest
    assert {path.stat().st_ino for path in database(photos).parent.glob("network-*")} == before


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_noted_and_done_without(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    done = run("images", photos, "--dry-run", "--cache", tmp_path / "locked")
    assert "can't be used" in done.stderr


def test_a_cache_folder_that_is_a_file_is_noted_and_done_without(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("images", photos, "--dry-run", "--cache", tmp_path / "file")
    assert "can't be used" in done.stderr
    assert "4 groups" in done.stdout


def test_an_interrupted_run_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(700):
        cv2.imwrite(str(folder / f"{i:04}.png"), rng.integers(0, 256, (24, 24, 3)).astype(np.uint8))
    env = {**os.environ, "FASTSIM_CACHE_DIR": str(tmp_path / ".cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "fastsim", "images", str(folder), "--dry-run", "--quiet", "--size", "64"]
    process = subprocess.Popen(command, env=env, cwd=tmp_path)
    path = tmp_path / ".cache" / "embeddings.sqlite"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and stored(path) == 0:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    process.wait()
    saved = stored(path)
    assert saved > 0
    assert cached(images(run, folder, "--size", "64")) == saved


def stored(path: Path) -> int:
    """Vectors in a cache that another process may be writing."""
    if not path.exists():
        return 0
    connection = sqlite3.connect(path, timeout=10)
    try:
        return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_runs_that_make_a_cache_at_once_all_use_it(tmp_path: Path) -> None:
    """SQLite turns some of them away without waiting, in spite of a timeout."""
    count = 8
    notes: list[str] = []

    def one(folder: Path, number: int, start: threading.Barrier) -> None:
        start.wait()
        cache = EmbeddingCache(folder, "network", notes.append)
        cache.add(bytes([number] * 32), CachedRow(np.zeros((1, 4), np.float16), 1, 1), ("cpu", "runtime", "float32"))
        cache.close()

    for turn in range(30):
        start = threading.Barrier(count)
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda i, turn=turn, start=start: one(tmp_path / str(turn), i, start), range(count)))
        found = info(tmp_path / str(turn))
        assert notes == []
        assert found is not None and found.networks == (("network", count),)


def test_two_runs_at_once_share_a_cache(photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    env = {**os.environ, "FASTSIM_CACHE_DIR": str(tmp_path / ".cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "fastsim",
                "images",
                str(folder),
                "--dry-run",
                "--json",
                str(tmp_path / f"{i}.json"),
            ],
            env=env,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for i, folder in enumerate([photos, other])
    ]
    assert [process.communicate()[1] for process in processes] == [b"", b""]
    assert [process.returncode for process in processes] == [0, 0]
    results = [json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2)]
    assert [len(result["groups"]) for result in results] == [4, 4]
    assert stored(tmp_path / ".cache" / "embeddings.sqlite") == DISTINCT


def test_files_of_the_user_in_the_cache_folder_are_left_alone(run: Run, photos: Path, tmp_path: Path) -> None:
    mine = tmp_path / "project"
    mine.mkdir()
    with sqlite3.connect(mine / "embeddings.sqlite") as connection:
        connection.execute("CREATE TABLE vectors (id, vector)")
    connection.close()
    for name in ("network-2.bin", "network-best.bin", "network-final.new", "network-0.bin"):
        (mine / name).write_text(name)
    before = tree(mine)
    done = run("images", photos, "--dry-run", "--cache", mine)
    assert "it is a database of something else" in done.stderr
    assert "4 groups" in done.stdout
    for size in (64, 80):
        run("images", photos, "--dry-run", "--cache", mine, "--size", str(size))
    assert tree(mine).items() >= before.items()
    assert "not a cache of fastsim; nothing was removed" in run("cache", "clear", "--cache", mine, code=1).stderr
    (mine / "embeddings.sqlite").unlink()
    run("cache", "clear", "--cache", mine)
    assert tree(mine).keys() == before.keys() - {"embeddings.sqlite"}


def test_info_and_clear(run: Run, photos: Path) -> None:
    assert "No embedding cache" in run("cache", "info").stdout
    before = tree(photos)
    images(run, photos)
    text = run("cache", "info").stdout
    assert f"{DISTINCT} vectors" in text
    assert f"{COUNT} files known" in text
    run("cache", "clear")
    assert not database(photos).exists()
    assert tree(photos) == before
    assert cached(images(run, photos)) == 0


def test_clearing_a_folder_without_a_cache_says_that_there_is_none(run: Run, tmp_path: Path) -> None:
    assert "No embedding cache" in run("cache", "clear", "--cache", tmp_path).stdout


def test_info_on_a_cache_that_was_only_just_made_is_no_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "embeddings.sqlite").touch()
    assert "0 files known" in run("cache", "info", "--cache", tmp_path).stdout


def test_where_nothing_new_could_be_read_the_report_says_what_made_the_cached_vectors(run: Run, photos: Path) -> None:
    run("images", photos, "--dry-run")
    (photos / "broken.jpg").write_bytes(b"no picture")
    done = run("images", photos, "--dry-run", code=3)
    assert "not run" not in done.stdout
    assert "from the cache" in done.stdout
