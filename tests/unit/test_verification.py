"""Verification on real pictures: copies under every kind of edit, look-alikes, even pictures, threads and stores."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from fastsim.records.pairs import PairBlock, Status, VerifiedPairs
from fastsim.verification import STATUSES, Subjects, candidate_pairs, store, verify
from fastsim.verification.features import extract, thumbnail

Picture = np.ndarray


def photo(seed: int, width: int = 480, height: int = 360) -> Picture:
    """Dead leaves (Lee et al. 2001): overlapping shapes of every size, the statistics of photographs."""
    draw = np.random.default_rng(seed)
    image = np.full((height, width), 128, np.uint8)
    for radius in np.sort(draw.pareto(1.6, 500) * 6 + 4)[::-1]:
        at = tuple(int(v) for v in draw.integers(0, (width, height)))
        cv2.circle(image, at, int(min(radius, 120)), int(draw.integers(0, 256)), -1, cv2.LINE_AA)
    noise = cv2.GaussianBlur(draw.normal(0, 12, image.shape), (0, 0), 1)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def page(seed: int) -> Picture:
    """Return a page of words under one heading: the same layout for every seed."""
    draw = np.random.default_rng(seed)
    image = Image.new("L", (900, 1200), 255)
    pen = ImageDraw.Draw(image)
    pen.text((80, 40), "Proceedings of the Society", fill=0, font=ImageFont.load_default(40))
    for y in range(130, 1150, 34):
        line = " ".join("".join(draw.choice(list("abcdefghijklmnop"), draw.integers(2, 9))) for _ in range(11))
        pen.text((80, y), line[:62], fill=20, font=ImageFont.load_default(24))
    return np.asarray(image)


def captioned(picture: Picture) -> Picture:
    image = Image.fromarray(picture.copy())
    ImageDraw.Draw(image).text((30, image.height - 60), "WHEN IT BUILDS", fill=255, font=ImageFont.load_default(44),
                               stroke_width=3, stroke_fill=0)  # fmt: skip
    return np.asarray(image)


def compressed(picture: Picture, quality: int) -> Picture:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def turned(picture: Picture, degrees: float) -> Picture:
    height, width = picture.shape
    return cv2.warpAffine(picture, cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1), (width, height))


def pasted(picture: Picture) -> Picture:
    ground = photo(99)
    ground[60:312, 100:436] = cv2.resize(picture, (336, 252), interpolation=cv2.INTER_AREA)
    return ground


EDITS: dict[str, Callable[[Picture], Picture]] = {
    "saved again": lambda p: compressed(p, 30),
    "a quarter of the size": lambda p: cv2.resize(p, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA),
    "mirrored": lambda p: p[:, ::-1],
    "upside down": lambda p: p[::-1, ::-1],
    "a quarter turn": np.rot90,
    "turned by 17 degrees": lambda p: turned(p, 17),
    "cropped to a third": lambda p: p[90:300, 150:430],
    "mirrored crop": lambda p: p[60:330, 40:400][:, ::-1],
    "letterboxed": lambda p: cv2.copyMakeBorder(p, 90, 90, 0, 0, cv2.BORDER_CONSTANT, value=0),
    "stretched": lambda p: cv2.resize(p, (600, 360)),
    "captioned": captioned,
    "darker": lambda p: (p * 0.6).astype(np.uint8),
    "blurred": lambda p: cv2.GaussianBlur(p, (0, 0), 2),
    "pasted": pasted,
}


def check(pictures: list[Picture], pairs: list[tuple[int, int]], **more: object) -> VerifiedPairs:
    def load(row: int, longest: int) -> Picture:
        height, width = pictures[row].shape
        factor = min(1.0, longest / max(height, width))
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        return cv2.resize(np.ascontiguousarray(pictures[row]), size, interpolation=cv2.INTER_AREA)

    subjects = Subjects(
        load, lambda a, b: np.array_equal(pictures[a], pictures[b]), lambda row: pictures[row].shape[::-1],
        digests=more.pop("digests", {}), moving=more.pop("moving", frozenset()),
    )  # type: ignore[arg-type]  # fmt: skip
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    block = PairBlock(left, right, np.full(len(left), more.pop("score", 0.5), np.float32))
    return verify(block, subjects, workers=2, **more)  # type: ignore[arg-type]


def words(found: VerifiedPairs) -> list[str]:
    return [STATUSES[status].value for status in found.status]


def test_every_edit_of_a_photo_is_confirmed_and_no_edit_of_another_one() -> None:
    originals = [photo(1), photo(2)]
    edited = [edit(originals[0]) for edit in EDITS.values()]
    pictures = originals + edited
    own, other = [(0, 2 + k) for k in range(len(edited))], [(1, 2 + k) for k in range(len(edited))]
    found = check(pictures, own + other + [(0, 1)])
    assert dict(zip(EDITS, words(found), strict=False)) == dict.fromkeys(EDITS, "copy")
    assert set(words(found)[len(own) :]) == {"different"}


def test_the_transform_says_what_was_done() -> None:
    original = photo(3)
    found = check([original, original[90:300, 150:430][:, ::-1], np.rot90(original), original[::2, ::2]],
                  [(0, 1), (0, 2), (0, 3)])  # fmt: skip
    crop, turn, half = (found.transforms[place] for place in range(3))
    assert crop.mirrored
    assert crop.share_right == pytest.approx(1, abs=0.02)
    assert crop.share_left == pytest.approx(210 * 280 / (360 * 480), abs=0.02)
    assert np.abs(np.subtract(crop.rectangle_left, (150, 90, 280, 210))).max() <= 3
    assert abs(turn.rotation) == pytest.approx(90, abs=1)
    assert not turn.mirrored
    assert half.scale == pytest.approx(0.5, abs=0.01)


def test_pages_of_one_layout_are_different_and_a_copy_of_one_is_a_copy() -> None:
    pages = [page(seed) for seed in range(3)]
    small = cv2.resize(compressed(pages[0], 50), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    found = check([*pages, small, captioned(pages[1])], [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (1, 4)])
    assert words(found) == ["different", "different", "different", "copy", "different", "copy"]


def test_even_pictures_are_unknown_unless_they_are_equal() -> None:
    sky = np.tile(np.linspace(200, 120, 300).astype(np.uint8)[:, None], (1, 400))
    black = np.zeros((300, 400), np.uint8)
    pictures = [sky, sky + 1, black, black.copy(), np.zeros((100, 130), np.uint8)]
    pairs = [(0, 1), (0, 2), (2, 3), (2, 4)]
    assert words(check(pictures, pairs, score=0.995)) == ["unknown", "unknown", "copy", "unknown"]


def test_byte_equal_files_are_copies_without_a_look_at_them() -> None:
    pictures = [photo(5), photo(6)]
    found = check(pictures, [(0, 1)], digests={0: b"x", 1: b"x"})
    assert words(found) == ["copy"]
    assert found.transforms[0].share_left == 1


def test_files_of_several_frames_are_unknown_even_if_the_first_ones_agree() -> None:
    picture = photo(7)
    assert words(check([picture, compressed(picture, 60)], [(0, 1)], moving=frozenset({1}))) == ["unknown"]


def test_no_pairs_are_no_trouble() -> None:
    assert len(check([], [])) == 0


def test_the_store_changes_nothing_and_survives_damage(tmp_path: Path) -> None:
    pictures = [photo(8), compressed(photo(8), 40), photo(9)]
    digests = {0: b"a" * 32, 1: b"b" * 32, 2: b"c" * 32}
    pairs = [(0, 1), (0, 2)]
    plain = check(pictures, pairs)

    def run() -> VerifiedPairs:
        return check(pictures, pairs, digests=dict(digests), cache=tmp_path)

    def same(found: VerifiedPairs) -> bool:
        return np.array_equal(found.inliers, plain.inliers) and found.transforms == plain.transforms

    assert same(run())
    assert same(run())
    with sqlite3.connect(tmp_path / store.NAME) as database:
        assert database.execute("SELECT count(*) FROM features").fetchone() == (3,)
        database.execute("UPDATE features SET data = zeroblob(length(data)) WHERE digest = ?", (digests[0],))
    database.close()
    assert same(run())
    (tmp_path / store.NAME).write_bytes(b"SQLite format 3\0" + bytes(3000))
    for part in store.files(tmp_path)[1:]:
        part.unlink(missing_ok=True)
    assert same(run())
    (tmp_path / store.NAME).unlink()
    (tmp_path / store.NAME).mkdir()
    assert same(run())


def test_the_store_drops_the_oldest_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LIMIT", 4)
    features = extract(thumbnail(photo(10)))
    kept = store.FeatureStore(tmp_path, "recipe")
    for number in range(10):
        kept.put({bytes([number]) * 32: features})
    found = kept.get([bytes([number]) * 32 for number in range(10)])
    assert [digest[0] for digest in sorted(found)] == [6, 7, 8, 9]
    assert np.array_equal(found[bytes([9]) * 32].places, features.places)
    kept.close()
    other = store.FeatureStore(tmp_path, "another recipe")
    assert other.get([bytes([9]) * 32]) == {}
    other.close()


def test_candidates_are_each_pair_once() -> None:
    index = np.array([[1, 2], [0, -1], [0, 1]])
    score = np.array([[0.9, 0.4], [0.9, 0], [0.4, 0.35]], np.float32)
    pairs = candidate_pairs(index, score)
    assert list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert pairs.score.tolist() == pytest.approx([0.9, 0.4, 0.35])
    assert Status.COPY in STATUSES
