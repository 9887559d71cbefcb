"""Archives on the command line: read like folders, never changed."""

from __future__ import annotations

import csv
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from support import Run, tree

import fastsim


@pytest.fixture
def packed(photos: Path) -> Path:
    """Return the folder that holds photos/, and the same as shard.tar, photos.zip and book.cbz."""
    folder = photos.parent
    with tarfile.open(folder / "shard.tar", "w") as archive:
        archive.add(photos, ".")
    for name in ("photos.zip", "book.cbz"):
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(photos.rglob("*")):
                archive.write(path, path.relative_to(photos))
    return folder


@pytest.mark.parametrize("name", ["shard.tar", "photos.zip", "book.cbz"])
def test_groups_and_vectors_are_those_of_the_folder(packed: Path, run: Run, name: str) -> None:
    def groups(where: str) -> list[list[tuple[str, float, int]]]:
        run("images", where, "--dry-run", "--json", "r.json", "--thres", "0.85", "--no-cache")
        found = json.loads((packed / "r.json").read_text())["groups"]
        base = str(packed / where) + ("/" if where == "photos" else "::")
        return sorted(
            sorted((one["path"].removeprefix(base), one["score"], one["bytes"]) for one in group["members"])
            for group in found
        )

    before = tree(packed)
    assert [[path for path, _, _ in group] for group in groups(name)] == [
        [path for path, _, _ in group] for group in groups("photos")
    ]
    run("pairs", name, "photos", "--verify", "--out", "pairs.csv")
    rows = list(csv.DictReader((packed / "pairs.csv").read_text().splitlines()))
    equal = {(row["left"], row["right"]) for row in rows if row["status"] == "copy"}
    for path in (packed / "photos").rglob("*.*"):
        inside = f"{packed / name}::{path.relative_to(packed / 'photos')}"
        assert {(inside, str(path)), (str(path), inside)} & equal, path
    after = tree(packed)
    assert {one: told for one, told in after.items() if one in before} == before


def test_search_leakage_embed_and_index_read_archives(packed: Path, run: Run) -> None:
    run("search", "shard.tar::chart.png", "--in", "photos.zip", "-k", "1", "--verify", "--json", "r.json")
    [query] = json.loads((packed / "r.json").read_text())["queries"]
    assert query["path"] == f"{packed}/shard.tar::chart.png"
    assert query["matches"][0]["status"] == "copy"
    done = run("leakage", "shard.tar", "book.cbz", "--thres", "0.95", code=4)
    assert "shard.tar: 11 images, book.cbz: 11 images" in done.stdout
    run("embed", "shard.tar", "--out", "v.npz")
    run("index", "shard.tar", "--out", "s.index", "--json", "r.json")
    run("index", "shard.tar", "--out", "s.index", "--json", "r.json")
    assert json.loads((packed / "r.json").read_text())["counts"] == {"images": 11, "new": 0, "kept": 11, "gone": 0}
    run("search", "photos/pebbles.webp", "--in", "s.index", "-k", "1", "--verify", "--json", "r.json")
    [query] = json.loads((packed / "r.json").read_text())["queries"]
    assert (query["matches"][0]["path"], query["matches"][0]["status"]) == (f"{packed}/shard.tar::pebbles.webp", "copy")


def test_globs_leave_members_out_and_archives_in_folders_are_not_entered(packed: Path, run: Run) -> None:
    run("images", "shard.tar", "--exclude", "backup/*", "--dry-run", "--json", "r.json")
    assert json.loads((packed / "r.json").read_text())["counts"]["files"] == 6
    run("images", ".", "--exclude", "photos", "--dry-run", "--json", "r.json")
    assert json.loads((packed / "r.json").read_text())["counts"]["files"] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["images", "shard.tar"],
        ["images", "shard.tar::chart.png", "photos", "--mode", "clean_move"],
        ["images", "photos.zip", "--mode", "clean_delete", "--thres", "0.95", "--yes"],
        ["images", "photos", "book.cbz", "--plan", "p.jsonl"],
        ["leakage", "shard.tar", "photos", "--drop", "photos", "--plan", "p.jsonl"],
        ["review", "shard.tar", "--no-browser"],
    ],
)
def test_nothing_in_an_archive_is_copied_moved_or_removed(packed: Path, run: Run, words: list[str]) -> None:
    before = tree(packed)
    done = run(*words, code=2)
    assert "an archive, whose files are read and never changed" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {name: told for name, told in tree(packed).items() if not name.startswith(".cache")} == before


def test_what_would_go_of_an_archive_is_listed(packed: Path, run: Run) -> None:
    done = run("images", "shard.tar", "--thres", "0.85", "--mode", "list", "--keep", "resolution,shortest-path")
    run("images", "shard.tar", "--thres", "0.85", "--dry-run", "--keep", "resolution,shortest-path", "--json", "r.json")
    groups = json.loads((packed / "r.json").read_text())["groups"]
    gone = {one["path"] for group in groups for one in group["members"] if not one["keeper"]}
    assert set(done.stdout.splitlines()) == gone
    assert len(gone) == 5


def test_urls_and_missing_members_are_one_line(packed: Path, run: Run) -> None:
    for name in ("s3://bucket/photos", "https://example.org/a.jpg"):
        assert "URLs are not read" in run("images", name, "--dry-run", code=2).stderr
    assert "no such file" in run("embed", packed / "nowhere.tar::a.png", "--out", "v.npz", code=2).stderr
    done = run("images", "shard.tar::nowhere.png", "--dry-run", code=2)
    assert "no such file in the archive" in done.stderr


def test_damage_inside_an_archive_costs_its_member_alone(packed: Path, run: Run) -> None:
    data = bytearray((packed / "photos.zip").read_bytes())
    at = data.index(b"chart.png") + 200
    data[at : at + 50] = bytes(50)
    (packed / "photos.zip").write_bytes(data)
    done = run("images", "photos.zip", "--dry-run", "--json", "r.json", code=3)
    found = json.loads((packed / "r.json").read_text())
    assert [Path(one["path"]).name for one in found["skipped"]] == ["photos.zip::chart.png"]
    assert "damaged in the archive" in done.stdout
    assert found["counts"]["compared"] == 10


def test_the_python_functions_read_archives_and_refuse_to_act(packed: Path) -> None:
    found = fastsim.find([packed / "shard.tar"], 0.85, cache=None)
    assert found.groups
    with pytest.raises(fastsim.FastsimError, match="an archive, whose files are read and never changed"):
        fastsim.make_plan(found, packed / "out", mode="group_copy")
    assert len(fastsim.embed([packed / "book.cbz"], cache=None).paths) == 11
