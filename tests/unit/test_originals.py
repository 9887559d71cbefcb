"""Names of copies: what systems, browsers and phones make of a name, in many languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsim.inputs.copy_names import copy_marks, without_edit

COPIES = """a (1).jpg|a(2).jpg|a - Copy.jpg|a - Copy (2).jpg|zz copy of a.jpg|Copy of a.jpg|Copy (2) of a.jpg|Kopie von a.jpg|
Kopie (2) von a.jpg|a - Kopie.jpg|a - Kopie (3).jpg|a Kopie 2.jpg|a copy.jpg|a copy 2.jpg|a~2.jpg|a_edited.jpg|a-edited.jpg|
a-edited(1).jpg|a-bearbeitet.jpg|a-modifié.jpg|a (copy).jpg|a (another copy).jpg|a (3rd copy).jpg|a (weitere Kopie).jpg|
a (3. Kopie).jpg|a (autre copie).jpg|a – kopia.jpg|a — копия.jpg|a - копия (2).jpg|Копия a.jpg|Kopia a.jpg|aのコピー.jpg|
a - コピー (2).jpg|コピー ～ a.jpg|a - 副本.jpg|a的副本.jpg|a 拷贝.jpg|复件 a.jpg|a - 복사본.jpg|Copie de a.jpg|a - Copie.jpg|
Copia de a.jpg|Copia di a.jpg|a - Cópia (2).jpg|Cópia de a.jpg|Kopie van a.jpg|a - kopie.jpg|a - Kopi.jpg|a - Kopio.jpg|
a.sync-conflict-20190101-120000-ABCDEFG.jpg|a (Bob's conflicted copy 2019-01-01).jpg|a.jpg_original|a.jpg.bak|a_1.jpg|
a 2.jpg|a-1.jpg|a_copy(1).jpg|a (2019_01_01 10_00_00 UTC).jpg|A - COPY.JPG""".replace("\n", "").split("|")


@pytest.mark.parametrize("name", COPIES)
def test_the_name_of_a_copy_has_a_mark(name: str) -> None:
    assert copy_marks(name, {"a.jpg"}) >= 1


@pytest.mark.parametrize(
    "name",
    ["a.jpg", "IMG_1.jpg", "DSC 0001.jpg", "b_1.jpg", "copyright.jpg", "edit.jpg", "Photo (2019).jpg", "copy.jpg", "Kopie.jpg",
     "photocopy.jpg", "2019-05-04 10.11.12.jpg", "(1).jpg", "scopy.png", "IMG_20190504_101010.jpg", "PXL_1.MP.jpg", "", ".jpg"],
)  # fmt: skip
def test_other_names_have_none(name: str) -> None:
    assert copy_marks(name, {"a.jpg"}) == 0


def test_marks_add_up() -> None:
    assert copy_marks("Holiday (1) - Copy.jpg", ()) > copy_marks("Holiday (1).jpg", ())
    assert copy_marks("Copy of a (1).jpg", ()) == 2


def test_an_edit_leads_to_its_original() -> None:
    assert without_edit("img-edited") == "img"
    assert without_edit("img-bearbeitet(1)") == "img(1)"
    assert without_edit("img(1)") is None
    assert without_edit("-edited") is None


@given(st.text(max_size=40))
def test_any_name_has_a_number_of_marks(name: str) -> None:
    assert 0 <= copy_marks(name, {name}) <= len(name)
