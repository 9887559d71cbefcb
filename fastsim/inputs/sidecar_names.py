"""Match sidecars to files by the names that cameras, phones, photo programs and exports give them."""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from fastsim.inputs.copy_names import without_edit
from fastsim.inputs.formats import by_suffix, suffix_of
from fastsim.inputs.names import folded_name

EDITS = frozenset(
    (
        *(".xmp", ".aae", ".pp3", ".arp", ".dop", ".on1", ".onphoto", ".acr", ".vrd", ".dr4", ".cos", ".nks", ".nksc"),
        *(".exv", ".mie", ".photo-edit"),
    )
)
"""Suffixes of files that photo programs write beside an image: edits, ratings, keywords."""
SOUND = frozenset((".wav",))
DATA = frozenset((".json", ".thm"))
FILMS = frozenset((".mov", ".mp4", ".mp"))
RAW = "RAW"

_STILLS = frozenset(("JPEG", "HEIC"))
_PHONE = re.compile(r"(mvimg|pxl|img_e?\d{4,5}\b)|.*\.mp(~\d+)?$")
"""Stems of images whose .mp4 is their moving part; another camera's DSC_1.MP4 may be a film of its own."""
_PIXEL_RAW = re.compile(r"\.raw-\d\d(\.mp)?\.(cover|original)$")
_DARKTABLE = re.compile(r"(.+)_\d\d(\.[^.]+)$")
_APPLE_ORIGINAL = re.compile(r"(img_)o(\d+)$")
_NUMBER = re.compile(r"(.*?)(\(\d+\))?$", re.DOTALL)
_TAKEOUT = "supplemental-metadata"
_TAKEOUT_LENGTH = 46
"""Characters that Google Takeout keeps of a name before `.json`."""


class FolderNames:
    """The names of one folder's files, and what belongs to what."""

    def __init__(self, names: Iterable[str], pictures: Iterable[str] = ()) -> None:
        """Index the names. pictures: names of files that are images, although their suffix does not say so."""
        names = [name for name in names if not name.startswith("._")]
        known = set(pictures)
        self.candidates = [name for name in names if may_belong(name)]
        """The files that may belong to others."""
        self._folded: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for name in names if self.candidates else ():
            folded = folded_name(name)
            self._folded.setdefault(folded, []).append(name)
            if by_suffix(name) is not None or name in known:
                self._stems.setdefault(os.path.splitext(folded)[0], []).append(name)
        self._sorted = sorted(self._folded)

    def owners(self, name: str, *, pairs: bool, sidecars: bool) -> list[str]:
        """Return the files to which `name` belongs, the closest first; empty if it stands for itself.

        pairs: a RAW file belongs to the JPEG or HEIC of its shot; sidecars: all other rules of this module apply.
        """
        if name.startswith("._"):
            return []
        suffix = suffix_of(name)
        if is_raw(name):
            return self._stills_of(_PIXEL_RAW.sub("", os.path.splitext(folded_name(name))[0])) if pairs else []
        if not sidecars:
            return []
        if suffix in FILMS:
            found = self._pictures_of_film(name, suffix)
        elif suffix == ".json":
            found = self._takeout(os.path.splitext(folded_name(name))[0]) or self._of_sidecar(name)
        elif suffix in EDITS or suffix in SOUND or suffix in DATA:
            found = self._of_sidecar(name)
        else:
            found = []
        return [owner for owner in found if owner != name]

    def _of_sidecar(self, name: str) -> list[str]:
        """Return the owners of a sidecar: `a.jpg.xmp` belongs to a.jpg, else `a.xmp` to all files called a."""
        base = os.path.splitext(folded_name(name))[0]
        if found := self._media(base):
            return found
        if (version := _DARKTABLE.match(base)) is not None and (found := self._media(version[1] + version[2])):
            return found
        if base in self._stems:
            return self._stems[base]
        apple = _APPLE_ORIGINAL.match(base)
        return self._stems.get(apple[1] + apple[2], []) if apple is not None else []

    def _stills_of(self, stem: str) -> list[str]:
        """Return the JPEG and HEIC files of a shot."""
        found = self._stems.get(stem, [])
        if not found:
            found = [
                name
                for full in self._from(stem + ".raw-")
                if _PIXEL_RAW.sub("", os.path.splitext(full)[0]) == stem
                for name in self._folded[full]
            ]
        return [name for name in found if (form := by_suffix(name)) is not None and form.name in _STILLS]

    def _pictures_of_film(self, name: str, suffix: str) -> list[str]:
        stem = os.path.splitext(folded_name(name))[0]
        found = self._stills_of(stem)
        if suffix == ".mp" and not found:
            found = self._stills_of(folded_name(name))
        if suffix == ".mp4" and found:
            heic = any((form := by_suffix(one)) is not None and form.name == "HEIC" for one in found)
            own = next(self._from(folded_name(name) + "."), "").endswith(".json")
            if own or not (heic or _PHONE.match(stem)):
                return []
        return found

    def _takeout(self, base: str) -> list[str]:
        """Return the images of `base`.json.

        Google shortens the name, puts an image's number behind its suffix, and gives an edited image the file of its
        original.
        """
        whole, number = _NUMBER.match(base).groups(default="")  # type: ignore[union-attr]
        head, dot, tail = whole.rpartition(".")
        title = head if dot and _TAKEOUT.startswith(tail) else whole
        stem, suffix = os.path.splitext(title)
        found = self._media(stem + number + suffix)
        if not found and _TAKEOUT_LENGTH in _lengths(whole):
            found = [
                name
                for full in self._from(os.path.splitext(whole)[0] if number else whole)
                if (_NUMBER.match(os.path.splitext(full)[0]) or [""] * 3)[2] == (number or None)
                for name in self._media(full)
            ]
        if not found and not suffix:
            return []
        return [*found, *self._edited.get(stem + number + suffix, [])]

    @cached_property
    def _edited(self) -> dict[str, list[str]]:
        """Return edited images by the name of their original."""
        found: dict[str, list[str]] = {}
        for stem, names in self._stems.items():
            if (original := without_edit(stem)) is not None:
                for name in names:
                    found.setdefault(original + os.path.splitext(folded_name(name))[1], []).append(name)
        return found

    def _media(self, folded: str) -> list[str]:
        """Return the images and videos of this name."""
        return [
            name for name in self._folded.get(folded, ()) if name in self._stems.get(os.path.splitext(folded)[0], ())
        ]

    def _from(self, prefix: str) -> Iterator[str]:
        """Yield all folded names that begin with `prefix`."""
        at = bisect.bisect_left(self._sorted, prefix)
        while at < len(self._sorted) and self._sorted[at].startswith(prefix):
            yield self._sorted[at]
            at += 1


def may_belong(name: str) -> bool:
    """Return whether a file of this name may be a sidecar, a film or a RAW file that belongs to an image."""
    suffix = suffix_of(name)
    return suffix in FILMS or suffix in EDITS or suffix in SOUND or suffix in DATA or is_raw(name)


def is_raw(name: str) -> bool:
    """Return whether `name` is that of a camera's RAW file."""
    form = by_suffix(name)
    return form is not None and form.name == RAW


def _lengths(text: str) -> tuple[int, int, int]:
    """Return the length as people, Java and disks count it."""
    return len(text), len(text.encode("utf-16-le", "surrogatepass")) // 2, len(text.encode("utf-8", "surrogateescape"))
