"""Recognise names of copies: what systems, browsers and phones add when they copy, download or edit a file."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection

from fastsim.inputs.formats import by_suffix
from fastsim.inputs.names import folded_name

_COPY = (
    r"(?:copy|copie|c[oó]pia|kopie|kopia|kopi|kopio|kopya(?:s[ıi])?|kopija|m[aá]solat|копи[яеї]|копія|αντ[ιί]γραφ[ηήο]|"
    r"duplicate|duplicata|duplicado|duplicato|duplikat|salinan|bản sao|สำเนา|نسخة|עותק)"
)
_COPY_UNSPACED = r"(?:的?副本|のコピー|コピー|拷贝|拷貝|複製|复制|复件|복사본|사본)"
_EDITED = (
    r"(?:edited|edit|bearbeitet|modifi[eé]|editado|editada|modificato|modificata|bewerkt|edytowane|redigerad|redigeret|"
    r"redigert|muokattu|upraven[oé]|düzenlendi|szerkesztett|изменено|отредактировано|編集済み|已编辑|已修改|已編輯|수정됨|effects)"
)
_OF = r"(?:of|de|di|da|do|von|van|af|av|från|fra)"

_EDIT_END = re.compile(rf"[\s_-]+{_EDITED}\Z", re.IGNORECASE)

_END = re.compile(
    rf"(?:\s*[_-]?\(\d{{1,3}}\)|\s?~\d{{1,3}}"
    rf"|\s*\([^()]*\b{_COPY}\b[^()]*\)|\s*\([^()]*conflict[^()]*\)"
    rf"|[\s._–—-]+{_COPY}(?:[\s_-]*\(?\d{{1,3}}\)?)?"
    rf"|[\s_–—-]*\(?{_COPY_UNSPACED}\)?(?:[\s_-]*\(?\d{{1,3}}\)?)?"
    rf"|[\s_-]+{_EDITED}(?:[\s_-]*\(?\d{{1,3}}\)?)?"
    r"|[\s._-]sync-conflict-\d{8}-\d{6}-\w+|-(?:desktop|laptop)-\w{5,8}(?:-\d+)?"
    r"|\s\(\d{4}_\d\d_\d\d \d\d_\d\d_\d\d utc\))\Z",
    re.IGNORECASE,
)
_BEGIN = re.compile(
    rf"(?:.*[\s_-])?{_COPY}(?:\s*\(\d{{1,3}}\))?\s+{_OF}\s+(?=.)|{_COPY}(?:\s*\(\d{{1,3}}\))?\s+(?=.)"
    rf"|{_COPY_UNSPACED}(?:\s*\(\d{{1,3}}\))?[\s～~-]+(?=.)",
    re.IGNORECASE,
)
_HINT = re.compile(
    rf"[()~]|{_COPY}|{_COPY_UNSPACED}|{_EDITED}|conflict|-(?:desktop|laptop)-|[\s_-]\d{{1,2}}$", re.IGNORECASE
)
"""Matches any name with a mark: most names need only this one search."""
_NUMBERED = re.compile(r"[\s_-]+\d{1,2}\Z")


def copy_marks(name: str, names: Collection[str]) -> int:
    """Return how many marks of a copy or an edit `name` carries.

    0 for `IMG_1.jpg`, 1 for `IMG_1 (1).jpg` or `Kopie von a.png`. names: all names of the run, as `folded_name`
    returns them: a number at the end, as in `beach_2.jpg`, counts only if there is a `beach.jpg`. A suffix that no
    format has (`.jpg_original`, `.bak`) is a mark, too.
    """
    stem, suffix = os.path.splitext(unicodedata.normalize("NFC", name))
    marks = 0
    if by_suffix(name) is None and suffix:
        marks += 1
        stem, suffix = os.path.splitext(stem)
    while _HINT.search(stem):
        shorter = _without_mark(stem, suffix, names)
        if shorter is None:
            break
        stem, marks = shorter, marks + 1
    return marks


def without_edit(stem: str) -> str | None:
    """Return `a` for `a-edited`, `a(1)` for `a-edited(1)`; None for a stem without such a word at its end."""
    number = re.search(r"\(\d+\)$", stem)
    bare = stem[: number.start()] if number else stem
    found = _at_end(_EDIT_END, bare)
    return bare[:found] + (number[0] if number else "") if found else None


def _without_mark(stem: str, suffix: str, names: Collection[str]) -> str | None:
    """Return `stem` without its last mark, or its first one; None if it has none."""
    if (found := _at_end(_END, stem)) and found > 0:
        return stem[:found]
    if (begin := _BEGIN.match(stem)) is not None:
        return stem[begin.end() :]
    found = _at_end(_NUMBERED, stem)
    if found and folded_name(stem[:found] + suffix) in names:
        return stem[:found]
    return None


def _at_end(pattern: re.Pattern[str], text: str) -> int | None:
    """Return the start of the longest end of `text` that `pattern` matches and that leaves something before it."""
    found = pattern.search(text, 1)
    return found.start() if found else None
