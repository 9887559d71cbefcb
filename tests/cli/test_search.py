"""`fastsim index` and `fastsim search`: real files, the real program, incremental indexes and damaged ones."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from support import Run, tree

import fastsim


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """Return a picture with enough in it to be verified."""
    draw = np.random.default_rng(seed)
    image = np.full((240, 320, 3), draw.integers(60, 200, 3), np.uint8)
    for radius in np.sort(draw.pareto(1.5, 300) * 6 + 4)[::-1]:
        colour = tuple(int(v) for v in draw.integers(0, 256, 3))
        place = tuple(int(v) for v in draw.integers(0, (320, 240)))
        cv2.circle(image, place, int(min(radius, 70)), colour, -1, cv2.LINE_AA)
    return cv2.resize(image, size)


def save(path: Path, image: np.ndarray, quality: int = 92) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Make a set of 6 scenes, a transparent picture and an animation; and two queries, a copy of scene 3 and a new one."""
    for number in range(6):
        save(tmp_path / f"set/{number}.jpg", scene(number))
    Image.fromarray(scene(20)[..., ::-1]).save(tmp_path / "set/clear.png")
    clear = Image.open(tmp_path / "set/clear.png").convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 160, 120))
    clear.save(tmp_path / "set/clear.png")
    frames = [Image.fromarray(scene(30 + number)[..., ::-1]) for number in range(3)]
    frames[0].save(tmp_path / "set/moving.gif", save_all=True, append_images=frames[1:])
    save(tmp_path / "query/small.jpg", scene(3, (200, 150)), 80)
    save(tmp_path / "query/new.jpg", scene(77))
    return tmp_path


def matches(result: Path) -> dict[str, list[dict[str, object]]]:
    told = json.loads(result.read_text())
    return {Path(one["path"]).name: one["matches"] for one in told["queries"]}


@pytest.mark.parametrize("where", ["set", "set.index"])
def test_the_copy_is_found_first_and_verified(data: Path, run: Run, where: str) -> None:
    run("index", "set", "--out", "set.index")
    before = tree(data / "set")
    done = run("search", "query", "--in", where, "--verify", "-k", "3", "--json", "r.json")
    found = matches(data / "r.json")
    first = found["small.jpg"][0]
    assert Path(str(first["path"])).name == "3.jpg"
    assert (first["status"], first["width"], first["height"], first["within"]) == ("copy", 320, 240, where)
    assert first["transform"]["scale"] == pytest.approx(1.6, abs=0.02)
    assert len(found["small.jpg"]) == 3
    assert {one["status"] for one in found["new.jpg"]} == {"different"}
    scores = [one["score"] for one in found["small.jpg"]]
    assert scores == sorted(scores, reverse=True)
    assert "    1  0.9" in done.stdout
    assert "copy" in done.stdout
    assert "Searched 8 images" in done.stdout
    assert tree(data / "set") == before


def test_an_index_and_its_folder_give_the_same_matches(data: Path, run: Run) -> None:
    run("index", "set", "--out", "set.index")
    run("search", "set", "--in", "set", "-k", "9", "--json", "a.json")
    run("search", "set", "--in", "set.index", "-k", "9", "--json", "b.json")
    left, right = matches(data / "a.json"), matches(data / "b.json")
    for name, found in left.items():
        assert [(one["path"], one["score"]) for one in found] == [(one["path"], one["score"]) for one in right[name]]
        assert name not in {Path(str(one["path"])).name for one in found}  # it is no match of itself
    assert left["moving.gif"] == []  # there is no other animation of three frames
    assert len(left["clear.png"]) == 6


def test_several_sets_are_searched_at_once_and_a_file_is_told_once(data: Path, run: Run) -> None:
    shutil.copy(data / "set/1.jpg", data / "other.jpg")
    run("index", "set", "--out", "set.index")
    run("search", "set/1.jpg", "--in", "set.index", "--in", "set", "--in", "other.jpg", "-k", "20", "--json", "r.json")
    found = [str(one["path"]) for one in matches(data / "r.json")["1.jpg"]]
    assert found[0] == str(data / "other.jpg")
    assert len(found) == len(set(found)) == 7  # of 8 and 1 files: not itself, and not the animation
    run("search", "set/1.jpg", "--in", "set", "--thres", "0.9", "--json", "r.json")
    assert matches(data / "r.json")["1.jpg"] == []


@pytest.mark.parametrize("cache", [[], ["--no-cache"]])
def test_a_second_call_embeds_only_what_is_new_and_drops_what_is_gone(data: Path, run: Run, cache: list[str]) -> None:
    def counts(*more: str) -> tuple[int, ...]:
        run("index", "set", "--out", "set.index", "--json", "r.json", *cache, *more)
        return tuple(json.loads((data / "r.json").read_text())["counts"].values())

    assert counts() == (8, 8, 0, 0)
    assert counts() == (8, 0, 8, 0)
    whole = (data / "set.index").read_bytes()
    (data / "set/0.jpg").unlink()
    save(data / "set/1.jpg", scene(50))
    save(data / "set/sub/new.jpg", scene(51))
    (data / "set/broken.jpg").write_bytes(b"no picture")
    done = run("index", "set", "--out", "set.index", "--json", "r.json", *cache, code=3)
    assert tuple(json.loads((data / "r.json").read_text())["counts"].values()) == (8, 2, 6, 2)
    assert "broken.jpg" in done.stdout
    (data / "set/broken.jpg").unlink()
    run("search", "set/sub/new.jpg", "--in", "set.index", "-k", "8", "--json", "r.json")
    assert "0.jpg" not in {Path(str(one["path"])).name for one in matches(data / "r.json")["new.jpg"]}
    run("index", "set", "--out", "fresh.index", *cache)
    assert (data / "fresh.index").read_bytes() == (data / "set.index").read_bytes() != whole


def test_another_size_embeds_anew_and_a_search_takes_the_size_of_the_index(data: Path, run: Run) -> None:
    run("index", "set", "--out", "set.index", "--size", "64")
    run("search", "query/small.jpg", "--in", "set.index", "--json", "r.json")
    assert json.loads((data / "r.json").read_text())["environment"]["size"] == 64
    assert "another --size (64 px" in run("search", "query", "--in", "set.index", "--size", "96", code=2).stderr
    done = run("index", "set", "--out", "set.index", "--json", "r.json")
    assert "embedded anew" in done.stderr
    assert json.loads((data / "r.json").read_text())["counts"]["kept"] == 0


def test_files_of_the_user_are_never_replaced_and_an_index_is_known_by_its_content(data: Path, run: Run) -> None:
    (data / "notes.txt").write_text("mine")
    assert "not written by this command" in run("index", "set", "--out", "notes.txt", code=2).stderr
    assert (data / "notes.txt").read_text() == "mine"
    run("index", "set", "--out", "any.name")
    run("search", "query", "--in", "any.name")


def test_damage_anywhere_is_one_line_or_changes_nothing(data: Path, run: Run) -> None:
    run("index", "set", "--out", "set.index")
    whole = (data / "set.index").read_bytes()
    query = str(data / "query/small.jpg")

    def told(content: bytes) -> object:
        (data / "bad.index").write_bytes(content)
        try:
            with fastsim.Index(data / "bad.index", cache=None) as index:
                vectors = index.vectors[:1].astype(np.float16)
                rows, scores = index.nearest(vectors, 8)
                return [
                    (index.path(int(row)), float(score))
                    for row, score in zip(rows[0], scores[0], strict=True)
                    if row >= 0
                ]
        except fastsim.FastsimError as error:
            assert len(str(error).splitlines()) == 1
            assert "bad.index: " in str(error)
            return None

    expected = told(whole)
    assert expected is not None
    assert len(expected) == 7  # the animation is of another kind
    draw = np.random.default_rng(0)
    refused = 0
    for cut in (0, 5, 16, 40, 4096, len(whole) // 2, len(whole) - 1):
        refused += told(whole[:cut]) is None
    assert refused == 7
    used = [place for place in range(len(whole)) if whole[place]]
    for place in draw.choice(used, 300, replace=False).tolist():
        bad = bytearray(whole)
        bad[place] ^= 1 << int(draw.integers(8))
        found = told(bytes(bad))
        assert found is None or {path for path, _ in found} <= {
            str(data / f"set/{name}") for name in os.listdir(data / "set")
        }
    (data / "set.index").write_bytes(whole[:5000])
    assert (
        "cut short or damaged; make it anew with fastsim index"
        in run("search", query, "--in", "set.index", code=1).stderr
    )
    done = run("index", "set", "--out", "set.index")
    assert "it is made anew" in done.stderr
    assert (data / "set.index").read_bytes() == whole


def test_a_file_that_has_changed_or_gone_since_is_not_taken_for_what_it_was(data: Path, run: Run) -> None:
    run("index", "set", "--out", "set.index")
    save(data / "set/3.jpg", scene(90))
    (data / "set/2.jpg").unlink()
    run("search", "query/small.jpg", "--in", "set.index", "--verify", "--json", "r.json", "-k", "8")
    status = {Path(str(one["path"])).name: one["status"] for one in matches(data / "r.json")["small.jpg"]}
    assert status["3.jpg"] == "different"
    assert status["2.jpg"] == "unknown"
    # nothing wrong was kept for later runs
    save(data / "set/3.jpg", scene(3))
    run("index", "set", "--out", "set.index")
    run("search", "query/small.jpg", "--in", "set.index", "--verify", "--json", "r.json", "-k", "1")
    assert matches(data / "r.json")["small.jpg"][0]["status"] == "copy"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["search", "query"], "no --in: name a folder or an index"),
        (["search", "query", "--in", "nowhere"], "nowhere: no such file or folder"),
        (["search", "query", "--in", "set", "-k", "0"], "-k must be at least 1 (got 0)"),
        (["search", "query", "--in", "set", "--thres", "2"], "--thres must be from 0 to 1"),
        (["index", "set"], "no --out: name the index file"),
        (["index", "set", "--out", "x", "--json", "x"], "name a file each"),
    ],
)
def test_what_can_not_be_is_one_line(data: Path, run: Run, words: list[str], message: str) -> None:
    done = run(*words, code=2)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    del data


def test_the_python_functions_do_the_same(data: Path) -> None:
    built = fastsim.make_index(data / "set", data / "set.index", cache=None)
    assert (built.images, built.new, built.kept, built.skipped) == (8, 8, 0, ())
    with fastsim.Index(data / "set.index", cache=None) as index:
        assert len(index) == 8
        assert index.path(0) == str(data / "set/0.jpg")
        assert not index.vectors.flags.writeable
        copy, new = index.search([data / "query/small.jpg", data / "query/new.jpg"], k=2, verify=True)
        assert Path(copy[0].path).name == "3.jpg"
        assert (copy[0].status, new[0].status) == ("copy", "different")
        assert index.search([]) == []
        assert [one.path for one in index.search(data / "query/small.jpg", k=1)[0]] == [copy[0].path]
        rows, scores = index.nearest(index.vectors[3:4], k=2)
        assert (rows[0, 0], scores[0, 0]) == (3, pytest.approx(1.0))
        for wrong in (lambda: index.search("x.jpg", k=0), lambda: index.search(data / "nowhere.jpg")):
            with pytest.raises(fastsim.FastsimError):
                wrong()
        with pytest.raises(IndexError):
            index.path(8)
        with pytest.raises(ValueError, match="rows of 256"):
            index.nearest(np.ones((1, 8), np.float32))
    with pytest.raises(fastsim.FastsimError, match="closed"):
        len(index)
    with pytest.raises(fastsim.FastsimError, match="not an index"):
        fastsim.Index(data / "set/0.jpg")


def test_an_index_without_images_can_be_made_searched_and_brought_up_to_date(data: Path, run: Run) -> None:
    (data / "empty").mkdir()
    run("index", "empty", "--out", "empty.index")
    assert "no match" in run("search", "query/new.jpg", "--in", "empty.index").stdout
    run("index", "empty", "--out", "empty.index")
    assert "8 new, 0 kept" in run("index", "set", "--out", "empty.index").stdout
