"""Which file stays, and why it says so: originals, pixels, damage; and what goes with the others."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import Run, tree


def picture(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """Return a drawn picture; another seed is clearly another one."""
    grid = np.random.default_rng(seed).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def save(path: Path, seed: int = 1, quality: int = 90, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(path, quality=quality, **options)
    return path


def load(tmp_path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((tmp_path / "r.json").read_text())
    return loaded


CLEAN = ("--thres", "0.95", "--mode", "clean_move", "--outs", "out", "--json", "r.json")


def test_the_original_stays_among_its_copies(run: Run, tmp_path: Path) -> None:
    originals = []
    for seed, copies in enumerate(
        [["IMG_1 (1).jpg", "IMG_1 - Copy.jpg", "IMG_1(2).jpg", "Copy of IMG_1.jpg"],
         ["IMG_1 - Kopie.jpg", "Kopie von IMG_1.jpg", "IMG_1~2.jpg", "IMG_1_edited.jpg"],
         ["IMG_1のコピー.jpg", "IMG_1 copie 2.jpg", "IMG_1_1.jpg", "IMG_1 2.jpg"]]
    ):  # fmt: skip
        original = save(tmp_path / "in" / str(seed) / "IMG_1.jpg", seed)
        originals.append(original)
        for name in copies:
            shutil.copy2(original, original.with_name(name))
    late = save(tmp_path / "in" / "late" / "zz copy of DSC2.jpg", 9)
    old = Path(shutil.copy2(late, late.with_name("DSC2.jpg")))
    os.utime(old, (1.2e9, 1.2e9))
    done = run("images", "in", *CLEAN)
    assert sorted((tmp_path / "in").rglob("*.jpg")) == sorted([*originals, old])
    assert {m["why"] for g in load(tmp_path)["groups"] for m in g["members"] if m["keeper"]} == {"name of the original"}
    assert "name of the original" in done.stdout


def test_the_reason_stands_in_dry_run_plan_report_and_json(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.jpg", 1, 95)
    save(tmp_path / "in" / "b.jpg", 1, 60)
    done = run("images", "in", "--thres", "0.95", "--mode", "clean_move", "--dry-run", "--json", "r.json")
    assert "most bytes)" in done.stdout
    assert [m["why"] for m in load(tmp_path)["groups"][0]["members"]] == ["most bytes", ""]
    run("images", "in", "--thres", "0.95", "--mode", "clean_move", "--plan", "plan.jsonl")
    assert json.loads((tmp_path / "plan.jsonl").read_text().splitlines()[1])["why"] == "most bytes"
    run("apply", "plan.jsonl")
    assert not (tmp_path / "in" / "b.jpg").exists()


@pytest.fixture
def smaller_is_larger(tmp_path: Path) -> Path:
    """Return a JPEG with many pixels, and a PNG with fewer pixels and more bytes."""
    noise = np.random.default_rng(0).normal(0, 6, (600, 800, 1))
    big = Image.fromarray(np.clip(np.asarray(picture(3, 800, 600)) + noise, 0, 255).astype(np.uint8))
    (tmp_path / "in").mkdir()
    big.save(tmp_path / "in" / "original.jpg", quality=60)
    big.resize((400, 300)).save(tmp_path / "in" / "screenshot.png")
    assert (tmp_path / "in/screenshot.png").stat().st_size > (tmp_path / "in/original.jpg").stat().st_size
    return tmp_path / "in"


def test_fewer_pixels_are_said_and_stop_a_deletion_unless_keep_was_typed(
    run: Run, tmp_path: Path, smaller_is_larger: Path
) -> None:
    before = tree(smaller_is_larger)
    delete = ("images", "in", "--thres", "0.9", "--mode", "clean_delete", "--yes")
    done = run(*delete, "--dry-run")
    assert "In 1 group the file that stays has fewer pixels than one that goes; --keep resolution" in done.stdout
    for more in ((), ("--plan", "plan.jsonl")):
        stopped = run(*delete, *more, code=2)
        assert "--keep resolution" in stopped.stderr
        assert stopped.stderr.count("\n") == 1
        assert tree(smaller_is_larger) == before
        assert not (tmp_path / "plan.jsonl").exists()
    run(*delete, "--keep", "resolution")
    assert [path.name for path in smaller_is_larger.iterdir()] == ["original.jpg"]


def test_a_deletion_by_bytes_goes_on_where_bytes_were_asked_for(run: Run, smaller_is_larger: Path) -> None:
    run("images", "in", "--thres", "0.9", "--mode", "clean_delete", "--yes", "--keep", "largest")
    assert [path.name for path in smaller_is_larger.iterdir()] == ["screenshot.png"]


LIVE = (".MOV", ".AAE", ".JPG.xmp", ".JPG.supplemental-metadata.json", ".wav")


def shoot(folder: Path, quality: int, stem: str = "IMG_0", seed: int = 0, tails: tuple[str, ...] = LIVE) -> None:
    save(folder / f"{stem}.JPG", seed, quality)
    for tail in tails:
        (folder / f"{stem}{tail}").write_text(f"{folder.name} {stem} {tail}")


def test_what_belongs_to_a_photo_goes_with_it_and_comes_back(run: Run, tmp_path: Path) -> None:
    for folder, quality in (("camera", 96), ("icloud", 70)):
        shoot(tmp_path / "in" / folder, quality)
        shoot(tmp_path / "in" / folder, quality, "IMG_1", 1)
        (tmp_path / "in" / folder / "notes.txt").write_text(folder)
    before = tree(tmp_path / "in")
    done = run("images", "in", *CLEAN)
    assert os.listdir(tmp_path / "in/icloud") == ["notes.txt"]
    assert len(os.listdir(tmp_path / "in/camera")) == 13
    assert len(os.listdir(tmp_path / "out/icloud")) == 12
    assert "10 sidecars go with their images (--no-sidecars leaves them)" in done.stdout
    parts = [action for action in load(tmp_path)["actions"] if "part_of" in action]
    assert len(parts) == 10
    run("undo", "out")
    assert tree(tmp_path / "in") == before


def test_no_sidecars_leaves_them(run: Run, tmp_path: Path) -> None:
    shoot(tmp_path / "in" / "camera", 96)
    shoot(tmp_path / "in" / "icloud", 70)
    done = run("images", "in", *CLEAN, "--no-sidecars")
    assert len(os.listdir(tmp_path / "in/icloud")) == 5
    assert "go with their images" not in done.stdout


def test_a_deletion_takes_the_sidecars_along_where_the_keeper_has_its_own(run: Run, tmp_path: Path) -> None:
    shoot(tmp_path / "in" / "camera", 96)
    shoot(tmp_path / "in" / "icloud", 70)
    run("images", "in", "--thres", "0.95", "--mode", "clean_delete", "--yes")
    assert not os.listdir(tmp_path / "in/icloud")
    assert len(os.listdir(tmp_path / "in/camera")) == 6


def test_a_deletion_stops_where_the_only_film_would_go(run: Run, tmp_path: Path) -> None:
    shoot(tmp_path / "in" / "camera", 70)
    save(tmp_path / "in" / "export" / "x.jpg", 0, 97)
    before = tree(tmp_path / "in")
    stopped = run("images", "in", "--thres", "0.95", "--mode", "clean_delete", "--yes", code=2)
    assert "the film of a Live Photo" in stopped.stderr
    assert tree(tmp_path / "in") == before
    moved = run("images", "in", *CLEAN)
    assert "In 1 group the film of a Live Photo" in moved.stdout


def test_a_sidecar_of_two_pictures_stays_as_long_as_one_of_them_stays(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "keep" / "a.jpg", 1, 97)
    save(tmp_path / "in" / "b" / "a.jpg", 1, 70)
    save(tmp_path / "in" / "b" / "a.png", 2)
    (tmp_path / "in" / "b" / "a.xmp").write_text("both")
    (tmp_path / "in" / "b" / "a.jpg.xmp").write_text("one")
    run("images", "in", *CLEAN)
    assert sorted(os.listdir(tmp_path / "in/b")) == ["a.png", "a.xmp"]
    assert sorted(os.listdir(tmp_path / "out/b")) == ["a.jpg", "a.jpg.xmp"]


@pytest.mark.parametrize("mode", ["group_copy", "group_move"])
def test_names_that_are_taken_get_the_same_number_for_picture_and_sidecars(run: Run, tmp_path: Path, mode: str) -> None:
    for folder in ("a", "b", "c"):
        shoot(tmp_path / "in" / folder, 90)
    (tmp_path / "in/b/IMG_0.JPG.json").write_text("b")
    before = tree(tmp_path / "in")
    run("images", "in", "--thres", "0.95", "--mode", mode, "--outs", "out")
    group = tmp_path / "out/group_00001"
    assert len(os.listdir(group)) == 19
    for stem in ("IMG_0", "IMG_0_2", "IMG_0_3"):
        words = {(group / f"{stem}{tail}").read_text().split()[0] for tail in LIVE}
        assert len(words) == 1, "each picture has its own sidecars beside it"
    run("undo", "out")
    assert tree(tmp_path / "in") == before


def test_a_raw_file_and_its_jpeg_are_one_unit(run: Run, tmp_path: Path) -> None:
    for folder, quality in (("card", 96), ("backup", 70)):
        shoot(tmp_path / "in" / folder, quality, tails=(".CR2", ".xmp", ".CR2.xmp"))
        (tmp_path / "in" / folder / "IMG_0.CR2").write_bytes(b"the same raw bytes")
    before = tree(tmp_path / "in")
    done = run("images", "in", *CLEAN)
    assert os.listdir(tmp_path / "in/backup") == []
    assert "2 sidecars go with their images" in done.stdout
    assert "1 RAW file goes with its image (--pairs split leaves it)" in done.stdout
    run("undo", "out")
    assert tree(tmp_path / "in") == before
    code = 0 if importlib.util.find_spec("rawpy") is None else 3  # these are no RAW files, which a reader would notice
    run("images", "in", *CLEAN[:-4], "--outs", "out2", "--pairs", "split", code=code)
    assert sorted(os.listdir(tmp_path / "in/backup")) == ["IMG_0.CR2", "IMG_0.CR2.xmp", "IMG_0.xmp"]


def test_a_shot_with_a_raw_file_stays_before_one_without(run: Run, tmp_path: Path) -> None:
    shoot(tmp_path / "in" / "card", 70, tails=(".NEF",))
    save(tmp_path / "in" / "export.jpg", 0, 97)
    run("images", "in", *CLEAN)
    assert sorted(os.listdir(tmp_path / "in/card")) == ["IMG_0.JPG", "IMG_0.NEF"]
    [keeper] = [m for g in load(tmp_path)["groups"] for m in g["members"] if m["keeper"]]
    assert keeper["why"] == "it has its RAW file"


def test_a_deletion_keeps_a_raw_file_that_has_no_copy(run: Run, tmp_path: Path) -> None:
    for folder, quality in (("card", 96), ("burst", 70)):
        shoot(tmp_path / "in" / folder, quality, tails=(".DNG", ".AAE"))
    before = tree(tmp_path / "in")
    done = run("images", "in", "--thres", "0.95", "--mode", "clean_delete", "--yes")
    assert tree(tmp_path / "in") == before
    assert "1 file kept: each has a RAW file without a copy" in done.stdout


def test_a_shared_sidecar_stays_with_a_keeper_that_makes_no_group(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a" / "x.jpg", 1, 97)
    save(tmp_path / "in" / "b" / "x.jpg", 1, 70)
    (tmp_path / "in" / "b" / "x.xmp").write_text("x")
    run("images", "in", "--thres", "0.95", "--mode", "group_move", "--group-by", "keeper", "--json", "r.json")
    assert load(tmp_path)["counts"]["companions"] == 1
    assert not list((tmp_path / "in").rglob("*.*"))


@pytest.mark.parametrize("policy", ["largest", "resolution", "newest", "oldest", "path"])
def test_a_damaged_file_is_listed_and_never_stays_for_an_intact_one(run: Run, tmp_path: Path, policy: str) -> None:
    noise = np.random.default_rng(0).normal(0, 9, (480, 640, 3))
    big = Image.fromarray(np.clip(np.asarray(picture(3, 640, 480)) + noise, 0, 255).astype(np.uint8))
    (tmp_path / "in").mkdir()
    big.resize((320, 240)).save(tmp_path / "in" / "m.jpg", quality=80)
    for name, when in (("a.jpg", 1.0e9), ("z.jpg", 1.9e9)):
        big.save(tmp_path / "in" / name, quality=97)
        data = (tmp_path / "in" / name).read_bytes()
        (tmp_path / "in" / name).write_bytes(data[: int(len(data) * 0.93)] + (b"" if name == "a.jpg" else bytes(64)))
        os.utime(tmp_path / "in" / name, (when, when))
    os.utime(tmp_path / "in" / "m.jpg", (1.5e9, 1.5e9))
    done = run("images", "in", "--thres", "0.8", "--mode", "clean_move", "--outs", "out", "--json", "r.json",
               "--keep", policy)  # fmt: skip
    result = load(tmp_path)
    assert [os.path.basename(one["path"]) for one in result["damaged"]] == ["a.jpg", "z.jpg"]
    assert "amaged" in done.stdout
    [keeper] = [m for g in result["groups"] for m in g["members"] if m["keeper"]]
    assert os.path.basename(keeper["path"]) == "m.jpg"
    assert keeper["why"] == "intact, and the others are damaged"
    assert os.listdir(tmp_path / "in") == ["m.jpg"]
    assert "fewer pixels" not in done.stdout


def test_no_folder_of_files_that_only_look_like_sidecars_is_touched(run: Run, tmp_path: Path) -> None:
    shoot(tmp_path / "in" / "a", 96, "DSC_1", 1, ())
    shoot(tmp_path / "in" / "b", 70, "DSC_1", 1, ())
    for name in ("DSC_1.MP4", "DSC_10.xmp", "DSC_1x.json", "xmp", "notes.json", "DSC_1.txt", "DSC_1.avi"):
        (tmp_path / "in" / "b" / name).write_text(name)
    run("images", "in", *CLEAN)
    assert len(os.listdir(tmp_path / "in/b")) == 7
