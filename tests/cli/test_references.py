"""--reference, --between and --within on real trees: what goes, what never goes, and what comes back."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import Run, tree

import fastsim

MATCH = ("--thres", "0.95", "--outs", "out", "--json", "r.json")


def picture(seed: int) -> Image.Image:
    """Return a drawn picture with texture, which verification needs; another seed is clearly another one."""
    random = np.random.default_rng(seed)
    grid = Image.fromarray(random.integers(0, 255, (4, 5, 3)).astype(np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )
    noise = np.kron(random.normal(0, 25, (120, 160, 3)), np.ones((2, 2, 1)))
    return Image.fromarray(np.clip(np.asarray(grid) + noise, 0, 255).astype(np.uint8))


def save(path: Path, seed: int, quality: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(path, quality=quality)
    return path


def load(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "r.json").read_text())
    return found


def groups(tmp_path: Path) -> list[set[str]]:
    """Return the files of each group, below the folder of the test."""
    found = [{os.path.relpath(one["path"], tmp_path) for one in group["members"]} for group in load(tmp_path)["groups"]]
    return sorted(found, key=min)


def names(folder: Path) -> list[str]:
    return sorted(os.path.relpath(path, folder) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """Make new: two copies of a picture that ref has, one of a picture of its own twice, and one alone; ref: three of them."""
    save(tmp_path / "new/a1.jpg", 1, 97)
    save(tmp_path / "new/sub/a2.jpg", 1, 96)
    (tmp_path / "new/a1.xmp").write_text("edits")
    save(tmp_path / "new/b1.jpg", 2, 95)
    save(tmp_path / "new/b2.jpg", 2, 80)
    save(tmp_path / "new/c.jpg", 3)
    save(tmp_path / "ref/a.jpg", 1, 50)
    save(tmp_path / "ref/a again.jpg", 1, 40)
    save(tmp_path / "ref/d1.jpg", 4, 90)
    save(tmp_path / "ref/d2.jpg", 4, 80)
    (tmp_path / "ref/a.xmp").write_text("edits")
    return tmp_path


@pytest.mark.parametrize("verify", [(), ("--verify",)])
@pytest.mark.parametrize("mode", ["clean_move", "clean_delete"])
def test_copies_of_references_go_all_of_them_and_references_stay(
    run: Run, trees: Path, mode: str, verify: tuple[str, ...]
) -> None:
    before, ref = tree(trees / "new"), tree(trees / "ref")
    done = run("images", "new", "--reference", "ref", *MATCH, *verify, "--mode", mode, "--yes", "--keep", "largest")
    assert names(trees / "new") == ["b1.jpg", "c.jpg"]
    assert tree(trees / "ref") == ref
    assert groups(trees) == [
        {"new/a1.jpg", "new/sub/a2.jpg", "ref/a.jpg", "ref/a again.jpg"}, {"new/b1.jpg", "new/b2.jpg"}
    ]  # fmt: skip
    found = load(trees)
    members = found["groups"][0]["members"]
    assert [(one["reference"], one["keeper"]) for one in members] == [(True, True)] * 2 + [(False, False)] * 2
    assert members[0]["rule"] == "reference"
    assert found["counts"]["references"] == 4
    assert "9 images, 4 of them in reference folders, 2 groups" in done.stdout
    assert "reference; it is in a reference folder" in done.stdout
    if mode == "clean_move":
        run("undo", "out")
        assert tree(trees / "new") == before


@pytest.mark.parametrize("mode", ["group_copy", "group_move"])
def test_references_are_copied_and_never_moved(run: Run, trees: Path, mode: str) -> None:
    before, ref = tree(trees / "new"), tree(trees / "ref")
    run("images", "new", "--reference", "ref", *MATCH, "--mode", mode)
    assert tree(trees / "ref") == ref
    grouped = names(trees / "out/group_00001")
    assert grouped == (
        ["a again.jpg", "a.jpg", "a.xmp", "a1.jpg", "a1.xmp", "a2.jpg"] if mode == "group_copy"
        else ["a1.jpg", "a1.xmp", "a2.jpg"]
    )  # fmt: skip
    run("undo", "out")
    assert (tree(trees / "new"), tree(trees / "ref")) == (before, ref)


def test_a_chain_over_two_references_is_two_groups(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "ref/a.jpg", 1, 95)
    save(tmp_path / "ref/b.jpg", 1, 90)
    save(tmp_path / "new/x.jpg", 2)
    run("images", "new", "--reference", "ref", *MATCH, "--mode", "clean_move")
    assert groups(tmp_path) == []
    assert names(tmp_path / "new") == ["x.jpg"]


@pytest.mark.parametrize(
    ("inputs", "stays"),
    [
        (("new", "--reference", "new/sub"), ["b1.jpg", "c.jpg", "sub/a2.jpg"]),  # a reference inside an input
        (
            ("new/sub", "--reference", "new"),
            ["a1.jpg", "a1.xmp", "b1.jpg", "b2.jpg", "c.jpg"],
        ),  # and the other way round
        (("new/sub/a2.jpg", "--reference", "new"), ["a1.jpg", "a1.xmp", "b1.jpg", "b2.jpg", "c.jpg"]),
    ],
)
def test_the_inner_folder_decides(run: Run, trees: Path, inputs: tuple[str, ...], stays: list[str]) -> None:
    before = tree(trees / "new")
    run("images", *inputs, *MATCH, "--mode", "clean_move")
    assert names(trees / "new") == stays
    run("undo", "out")
    assert tree(trees / "new") == before


def test_one_folder_as_input_and_reference_is_refused(run: Run, trees: Path) -> None:
    before = tree(trees)
    for named in ("new", "new/", "link"):
        if named == "link":
            (trees / "link").symlink_to(trees / "new")
        done = run("images", "new", "--reference", named, *MATCH, "--mode", "clean_move", code=2)
        assert "it is an INPUT as well" in done.stderr
        assert done.stderr.count("\n") == 1
    (trees / "link").unlink()
    assert run("images", "new", "--reference", "nowhere", *MATCH, code=2).stderr.count("\n") == 1
    assert tree(trees) == before


def test_hard_links_and_symbolic_links_of_references_lose_their_names_at_most(run: Run, trees: Path) -> None:
    os.link(trees / "ref/d1.jpg", trees / "new/linked.jpg")
    (trees / "new/symbolic.jpg").symlink_to(trees / "ref/d2.jpg")
    ref = tree(trees / "ref")
    run(
        "images",
        "new",
        "--follow-links",
        "--reference",
        "ref",
        *MATCH,
        "--mode",
        "clean_delete",
        "--yes",
        "--keep",
        "largest",
    )
    assert tree(trees / "ref") == ref
    assert names(trees / "new") == ["b1.jpg", "c.jpg", "symbolic.jpg"]


def test_a_damaged_reference_does_not_stand_for_an_intact_file(run: Run, trees: Path) -> None:
    whole = save(trees / "ref/e.jpg", 5, 95).read_bytes()
    (trees / "ref/e.jpg").write_bytes(whole[: len(whole) * 3 // 4])
    shutil.rmtree(trees / "new")
    save(trees / "new/e.jpg", 5, 90)
    ref = tree(trees / "ref")
    run(
        "images",
        "new",
        "--reference",
        "ref",
        "--thres",
        "0.8",
        "--outs",
        "out",
        "--json",
        "r.json",
        "--mode",
        "clean_move",
    )
    assert load(trees)["groups"], "the damaged file is recognised"
    assert names(trees / "new") == ["e.jpg"]
    assert tree(trees / "ref") == ref


def test_a_smaller_reference_is_named_as_such_and_stops_a_deletion(run: Run, trees: Path) -> None:
    large = save(trees / "new/f.png", 6, 95)
    with Image.open(large) as image:
        image.resize((image.width // 2, image.height // 2)).save(trees / "ref/f.png")
    words = ("images", "new", "--reference", "ref", "--thres", "0.9")
    done = run(*words, "--mode", "clean_move", "--dry-run")
    assert "fewer pixels than one that goes; files of reference folders always stay" in done.stdout
    before = tree(trees)
    stopped = run(*words, "--mode", "clean_delete", "--yes", code=2)
    assert "a reference file has fewer pixels" in stopped.stderr and "--keep largest if that is right" in stopped.stderr
    assert tree(trees) == before


def test_dry_run_marks_references(run: Run, trees: Path) -> None:
    done = run("images", "new", "--reference", "ref", "--thres", "0.95", "--mode", "clean_move", "--dry-run")
    assert "stays   ref/a.jpg  (reference; it is in a reference folder)" in done.stdout


@pytest.fixture
def sides(tmp_path: Path) -> Path:
    """Make a and b: one picture of two copies in a, one of which b has a copy too, one shared, one twice in b."""
    for name, seed, quality in (
        ("a/x1", 1, 97), ("a/x2", 1, 90), ("b/x", 1, 80), ("a/y", 2, 97), ("b/y", 2, 80), ("b/z1", 3, 97), ("b/z2", 3, 80),
    ):  # fmt: skip
        save(tmp_path / f"{name}.jpg", seed, quality)
    return tmp_path


@pytest.mark.parametrize("verify", [(), ("--verify",)])
def test_between_compares_files_of_different_inputs_only(run: Run, sides: Path, verify: tuple[str, ...]) -> None:
    before = tree(sides)
    run("images", "a", "b", "--between", *MATCH, *verify, "--mode", "clean_move")
    assert groups(sides) == [{"a/x1.jpg", "a/x2.jpg", "b/x.jpg"}, {"a/y.jpg", "b/y.jpg"}]
    assert names(sides / "a") == ["x1.jpg", "x2.jpg", "y.jpg"]  # x2 is similar to x1, and b/x is no keeper
    assert names(sides / "b") == ["z1.jpg", "z2.jpg"]
    run("undo", "out")
    (sides / "r.json").unlink()
    assert tree(sides) == {name: what for name, what in before.items() if name != "r.json"} | {
        name: what for name, what in tree(sides).items() if name.startswith(".cache")
    }


@pytest.mark.parametrize("verify", [(), ("--verify",)])
def test_within_compares_files_of_one_input_only(run: Run, sides: Path, verify: tuple[str, ...]) -> None:
    run("images", "a", "b", "--within", *MATCH, *verify, "--mode", "clean_move")
    assert groups(sides) == [{"a/x1.jpg", "a/x2.jpg"}, {"b/z1.jpg", "b/z2.jpg"}]
    assert names(sides / "a") == ["x1.jpg", "y.jpg"]
    assert names(sides / "b") == ["x.jpg", "y.jpg", "z1.jpg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a", "b", "--between", "--within"), "exclude each other"),
        (("a", "--between"), "name another INPUT"),
        ((".", "a", "--between"), "lies in"),
        (("a", "--within", "--reference", "b"), "exclude each other"),
    ],
)
def test_scopes_that_cannot_be_are_refused(run: Run, sides: Path, words: tuple[str, ...], said: str) -> None:
    before = tree(sides)
    done = run("images", *words, *MATCH, code=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert tree(sides) == before


def test_python_has_the_same_words(trees: Path) -> None:
    found = fastsim.find(trees / "new", 0.95, reference=trees / "ref")
    assert [[one.reference for one in group] for group in found.groups] == [[True, True, False, False], [False, False]]
    plan = fastsim.make_plan(found, trees / "out", mode="clean_move")
    assert {os.path.relpath(one.source, trees) for one in plan.operations} == {
        "new/a1.jpg", "new/a1.xmp", "new/sub/a2.jpg", "new/b2.jpg",
    }  # fmt: skip
    between = fastsim.find_groups([trees / "new", trees / "ref"], 0.95, scope="between")
    assert [{os.path.basename(one.path) for one in group} for group in between] == [
        {"a1.jpg", "a2.jpg", "a.jpg", "a again.jpg"}
    ]
    with pytest.raises(fastsim.FastsimError, match="scope must be one of all, between, within"):
        fastsim.find(trees / "new", scope="outside")
