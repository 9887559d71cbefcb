"""--verify from the command line and the API: confirmed copies are grouped, look-alikes are not."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import fastsim
from fastsim.cache import embeddings as cache
from fastsim.grouping.components import Components, group_pairs
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import Embeddings
from fastsim.verification import store


def run(*arguments: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "fastsim", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def scene(seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    image = np.full((360, 480, 3), draw.integers(60, 200, 3), np.uint8)
    for radius in np.sort(draw.pareto(1.5, 300) * 8 + 5)[::-1]:
        colour = tuple(int(v) for v in draw.integers(0, 256, 3))
        cv2.circle(
            image, tuple(int(v) for v in draw.integers(0, (480, 360))), int(min(radius, 110)), colour, -1, cv2.LINE_AA
        )
    return image


def invoice(number: int) -> Image.Image:
    draw = np.random.default_rng(number)
    image = Image.new("RGB", (700, 990), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle([0, 0, 700, 90], fill=(30, 60, 120))
    pen.text((40, 130), f"Invoice {number}", fill="black", font=ImageFont.load_default(34))
    for row in range(9):
        words = "".join(draw.choice(list("abcdefghij "), 24))
        pen.text(
            (40, 230 + 50 * row),
            f"{words} {draw.integers(100, 99999) / 100:.2f}",
            fill="black",
            font=ImageFont.load_default(22),
        )
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a scene with a mirrored crop of half the size, three invoices with a small copy of one, two even pictures."""
    path = tmp_path_factory.mktemp("verify") / "in"
    path.mkdir()
    picture = scene(1)
    cv2.imwrite(str(path / "scene.png"), picture)
    cv2.imwrite(
        str(path / "crop.jpg"),
        cv2.resize(picture[40:330, 60:440][:, ::-1], None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
    )
    cv2.imwrite(str(path / "other.png"), scene(2))
    for number in range(3):
        invoice(20230 + number).save(path / f"invoice_{number}.png")
    invoice(20230).resize((420, 594)).save(path / "small.jpg", quality=70)
    for number, tone in enumerate((200, 202)):
        Image.new("RGB", (300, 200), (tone, tone, tone)).save(path / f"even_{number}.png")
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTSIM_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


def test_copies_are_grouped_and_the_uncropped_one_stays(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    text = run("images", folder, "--verify", "--keep", "uncropped", "--dry-run", "--json", target)
    assert "2 groups of verified copies" in text
    found = json.loads(target.read_text())
    groups = sorted(sorted(Path(member["path"]).name for member in group["members"]) for group in found["groups"])
    assert groups == [["crop.jpg", "scene.png"], ["invoice_0.png", "small.jpg"]]
    keepers = {
        Path(member["path"]).name for group in found["groups"] for member in group["members"] if member["keeper"]
    }
    assert "scene.png" in keepers
    (pair,) = [one for one in found["pairs"] if one["left"].endswith("crop.jpg")]
    assert pair["mirrored"] is True
    assert pair["scale"] == pytest.approx(1 / 0.6, abs=0.03)


def test_clean_delete_removes_copies_only_and_says_otherwise_that_verify_exists(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "in"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert "--verify compares pixels" in run("images", copy, "--mode", "clean_delete", "--thres", "0.95", "--dry-run")
    run("images", copy, "--verify", "--mode", "clean_delete", "--yes", "--keep", "largest", "--outs", tmp_path / "outs")
    gone = {path.name for path in folder.iterdir()} - {path.name for path in copy.iterdir()}
    assert len(gone) == 2
    assert len(gone & {"scene.png", "crop.jpg"}) == 1
    assert len(gone & {"invoice_0.png", "small.jpg"}) == 1


def test_pairs_are_written_as_csv_json_and_parquet(folder: Path, tmp_path: Path) -> None:
    for suffix in (".csv", ".json", ".parquet"):
        run("pairs", folder, "--verify", "--out", tmp_path / f"pairs{suffix}")
    with (tmp_path / "pairs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    whole = json.loads((tmp_path / "pairs.json").read_text())["pairs"]
    parquet = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "pairs.parquet").to_pylist()
    assert [row["left"] for row in rows] == [row["left"] for row in whole] == [row["left"] for row in parquet]
    assert sum(row["status"] == "copy" for row in rows) == sum(row["status"] == "copy" for row in parquet) == 2
    assert whole == fastsim.find_pairs([folder])
    assert "pairs in" in run("pairs", folder, "--thres", "0.9", "--out", tmp_path / "pairs.csv")
    assert "--out must end with" in run("pairs", folder, "--out", tmp_path / "pairs.txt", code=2)


def test_compare_tells_the_transform_in_words(folder: Path) -> None:
    text = run(
        "compare",
        folder / "scene.png",
        folder / "crop.jpg",
        folder / "invoice_1.png",
        folder / "invoice_2.png",
        "--verify",
    )
    assert "copy: 1 is a crop of 4: 64 % of it, mirrored, scale 1.7" in text
    assert "2    3  different" in text


def test_uncropped_needs_verify(folder: Path) -> None:
    assert "--keep uncropped needs --verify" in run("images", folder, "--keep", "uncropped", "--dry-run", code=2)


def test_the_api_groups_copies(folder: Path) -> None:
    groups = fastsim.find_groups([folder], verify=True)
    assert sorted(len(group) for group in groups) == [2, 2]


def test_a_picture_with_more_copies_than_neighbours_has_one_keeper(tmp_path: Path) -> None:
    picture = scene(3)
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number:02}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 40 + number])
    (group,) = fastsim.find_groups([tmp_path], verify=True)
    assert len(group) == 40
    assert [member.keeper for member in group] == [True] + [False] * 39


def test_keepers_cover_by_pairs_alone() -> None:
    pairs = PairBlock(np.array([0, 1, 1, 2]), np.array([1, 2, 3, 4]), np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    components = Components(6)
    components.add(pairs)
    embeddings = Embeddings(np.arange(6) * 2, np.zeros((6, 4), np.float16), np.ones((6, 2), np.int32))
    (group,) = group_pairs(components, embeddings, np.array([0, 1, 2, 3, 4, 5]), pairs)
    assert list(group.members()) == [
        (0, 0, 1.0), (4, 4, 1.0), (6, 6, 1.0), (2, 0, pytest.approx(0.1)), (8, 4, pytest.approx(0.4)),
    ]  # fmt: skip


def test_the_cache_is_cleared_with_its_features() -> None:
    assert cache.FEATURES == store.NAME
