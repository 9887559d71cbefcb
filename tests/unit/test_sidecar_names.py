"""Which files belong to which, by the names that cameras, phones, programs and exports give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsim.files.plan import matching
from fastsim.inputs.sidecar_names import EDITS, FolderNames


def owners(name: str, *others: str, pairs: bool = True, sidecars: bool = True) -> set[str]:
    return set(FolderNames([*others, name]).owners(name, pairs=pairs, sidecars=sidecars))


@pytest.mark.parametrize("suffix", sorted(EDITS | {".json", ".thm", ".wav"}))
def test_a_sidecar_belongs_to_its_full_name_or_else_to_its_stem(suffix: str) -> None:
    assert owners(f"a.jpg{suffix}", "a.jpg", "a.png") == {"a.jpg"}
    assert owners(f"a{suffix}", "a.jpg", "a.png", "b.jpg") == {"a.jpg", "a.png"}
    assert owners(f"A{suffix.upper()}", "a.JPG") == {"a.JPG"}
    assert owners(f"b{suffix}", "a.jpg") == set()
    assert owners(f"a{suffix}", "a.jpg", sidecars=False) == set()


def test_films_belong_to_photos_of_phones() -> None:
    assert owners("IMG_1.MOV", "IMG_1.HEIC") == {"IMG_1.HEIC"}
    assert owners("IMG_1.mov", "IMG_1.JPG") == {"IMG_1.JPG"}
    assert owners("IMG_1.MP4", "IMG_1.HEIC") == {"IMG_1.HEIC"}
    assert owners("PXL_2.MP", "PXL_2.MP.jpg") == {"PXL_2.MP.jpg"}
    assert owners("PXL_2.MP.mp4", "PXL_2.MP.jpg") == {"PXL_2.MP.jpg"}
    assert owners("MVIMG_5.mp4", "MVIMG_5.jpg") == {"MVIMG_5.jpg"}
    assert owners("DSC_1.MP4", "DSC_1.JPG") == set(), "another camera's film stands for itself"
    assert owners("IMG_1.MP4", "IMG_1.JPG", "IMG_1.MP4.json") == set(), "Takeout knows it as an item of its own"
    assert owners("IMG_1.MOV", "IMG_1.png") == set()


def test_a_raw_file_belongs_to_its_jpeg_unless_pairs_are_split() -> None:
    for raw in ("IMG_1.CR2", "IMG_1.dng", "img_1.NEF"):
        assert owners(raw, "IMG_1.JPG", "IMG_1.png", "IMG_2.JPG") == {"IMG_1.JPG"}
        assert owners(raw, "IMG_1.HIF") == {"IMG_1.HIF"}
        assert owners(raw, "IMG_1.JPG", pairs=False) == set()
    assert owners("PXL_1.RAW-02.ORIGINAL.dng", "PXL_1.RAW-01.COVER.jpg") == {"PXL_1.RAW-01.COVER.jpg"}
    assert owners("a.xmp", "a.CR2", "a.jpg") == {"a.CR2", "a.jpg"}
    assert owners("a_01.CR2.xmp", "a.CR2", "a.jpg") == {"a.CR2"}


def test_apple_edits_belong_to_the_photo() -> None:
    assert owners("IMG_1.AAE", "IMG_1.HEIC", "IMG_E1.HEIC") == {"IMG_1.HEIC"}
    assert owners("IMG_O1234.AAE", "IMG_1234.HEIC") == {"IMG_1234.HEIC"}


def test_takeout_puts_numbers_behind_the_suffix_and_shares_with_edits() -> None:
    names = ["IMG.jpg", "IMG(1).jpg", "IMG-edited.jpg", "IMG(1)-bearbeitet.jpg"]
    for tail in ("", ".supplemental-metadata", ".supplemental-me", ".s"):
        assert owners(f"IMG.jpg{tail}.json", *names) == {"IMG.jpg", "IMG-edited.jpg"}
        assert owners(f"IMG.jpg{tail}(1).json", *names) == {"IMG(1).jpg", "IMG(1)-bearbeitet.jpg"}
    assert owners("IMG(1).jpg.json", *names) == {"IMG(1).jpg", "IMG(1)-bearbeitet.jpg"}


@given(st.integers(1, 47), st.sampled_from([".jpg", ".jpeg", ".HEIC", ".png"]), st.sampled_from(["y", "ä", "画"]))
def test_takeout_shortens_names_to_46_characters(length: int, suffix: str, letter: str) -> None:
    stem = letter * length
    name = (stem + suffix) if len(stem + suffix) <= 51 else stem[: 51 - len(suffix)] + suffix
    shortened = (name + ".supplemental-metadata")[:46]
    assert owners(f"{shortened}.json", name, "other.jpg") == {name}
    assert owners(f"{name[:46]}.json", name, "other.jpg") == {name}


@given(st.integers(1, 60), st.sampled_from([".xmp", ".jpg.xmp", ".AAE", ".jpg.json", ".jpg(1).json", ".MOV"]))
def test_a_file_still_belongs_to_its_picture_when_both_got_another_name(number: int, tail: str) -> None:
    picture = "IMG_7(1).jpg" if "(1)" in tail else "IMG_7.jpg"
    name = "IMG_7" + tail
    assert owners(name, picture) == {picture}
    renamed = picture.replace(".jpg", f"_{number}.jpg")
    assert owners(matching(name, picture, renamed), renamed, picture, "IMG_8.jpg") == {renamed}


def test_shadow_files_belong_to_nobody() -> None:
    assert owners("._a.xmp", "._a.jpg", "a.jpg") == set()


@given(st.lists(st.text("ab1()._-EDITed", max_size=8).map(lambda stem: stem + ".json"), max_size=6), st.booleans())
def test_no_name_belongs_to_itself(names: list[str], pairs: bool) -> None:
    made = FolderNames([*names, "a.jpg", "a.CR2"])
    for name in names:
        assert name not in made.owners(name, pairs=pairs, sidecars=True)
