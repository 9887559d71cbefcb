"""Ordered keep rules: which file of a group stays, decided by the first rule that tells two files apart.

Each rule gives int64[n], one key a file; the lowest is kept first. Two rules stand before all that a person chooses: an
intact file before a damaged one, and one outside trash, snapshot and thumbnail folders before one inside.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastsim.errors import UsageError
from fastsim.grouping.keep_order import REASONS
from fastsim.grouping.keep_rules import RULES, Candidates
from fastsim.inputs import formats
from fastsim.inputs.system_folders import is_passing
from fastsim.records.arrays import Int32Array, Int64Array
from fastsim.records.files import MediaFile
from fastsim.review.found import Found

DEFAULT_FORMATS = "raw>tiff>psd>png>heic>jpeg"
_TIES = ("largest", "resolution", "name:original", "oldest", "shortest-path", "path")
"""What decides between files that the chosen rules take for equal."""
_ALIASES = {"jpg": "jpeg", "heif": "heic", "tif": "tiff"}
NAMES = ("largest", "resolution", "newest", "oldest", "name:original", "shortest-path", "path")
"""The rules without a value; `format:A>B>C` and `folder:GLOB` take one."""
PLANNED = "plan"
"""Of a review of a plan: what the plan keeps."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The order of all files.

    rank: int64[n], a permutation, 0 is kept before all others; keys: what decided, first to last.
    """

    rank: Int64Array
    keys: tuple[tuple[str, Int64Array], ...]

    def why(self, kept: int, other: int) -> str:
        """Return the rule, in words, that puts file `kept` before file `other`; empty if none does."""
        for name, keys in self.keys:
            if keys[kept] != keys[other]:
                return in_words(name) if keys[kept] < keys[other] else ""
        return ""


def check_rules(rules: Sequence[object]) -> list[str]:
    """Return `rules` if each can be used, without repetitions. Raises UsageError."""
    found: list[str] = []
    for rule in rules:
        name, _, value = str(rule).partition(":")
        if str(rule) not in (*NAMES, PLANNED) and not (name in ("format", "folder") and value.strip(" >")):
            allowed = ", ".join((*NAMES, "format:A>B>C", "folder:GLOB"))
            raise UsageError(f"a keep rule must be one of {allowed} (got {rule!r})")
        if str(rule) not in found:
            found.append(str(rule))
    return found


class Ranker:
    """Ranks the files of a review by rules. What a rule says of the files is kept: the same rules come again and again."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._known: dict[str, Int64Array] = {}

    def rank(self, rules: Sequence[object]) -> Ranking:
        """Return the order in which `rules` keep the files. Raises UsageError for an invalid rule."""
        names = dict.fromkeys(["intact", "reference", "live", *check_rules(rules), *_TIES])
        keys = [(name, self._keys(name)) for name in names]
        keys = [(name, key) for name, key in keys if len(key) and key.min() != key.max()]
        n = len(self._found)
        order = np.lexsort([np.arange(n), *(key for _, key in reversed(keys))])
        rank = np.empty(n, np.int64)
        rank[order] = np.arange(n)
        return Ranking(rank, tuple(keys))

    def _keys(self, name: str) -> Int64Array:
        if name not in self._known:
            self._known[name] = self._fixed(name)
        return self._known[name]

    def _fixed(self, name: str) -> Int64Array:
        found, files = self._found, self._found.files
        if name == "intact":
            return np.array([file.id in found.damage for file in files], np.int64)
        if name == "reference":
            return 1 - found.references().astype(np.int64)
        if name == "live":
            return np.array([is_passing(file.path) for file in files], np.int64)
        if name == PLANNED:
            return np.isin(np.arange(len(files)), found.settings.get("removed", [])).astype(np.int64)
        return _keys(name, files, found.sizes)


def in_words(rule: str) -> str:
    """Return why a file stays, by the rule that decided."""
    name, _, value = rule.partition(":")
    if name == "format":
        return "preferred format"
    if name == "folder":
        return f"in {value}"
    if name == PLANNED:
        return "as planned"
    return REASONS[name]


def _keys(rule: str, files: Sequence[MediaFile], sizes: Int32Array) -> Int64Array:
    name, _, value = rule.partition(":")
    if name == "format":
        order = {_format(one): place for place, one in enumerate(value.split(">"))}
        return np.array([order.get(format_of(file.path).lower(), len(order)) for file in files], np.int64)
    if name == "folder":
        return np.array([not _is_in(file.path, value) for file in files], np.int64)
    return RULES[name](Candidates(files, sizes), "")


def _format(word: str) -> str:
    word = word.strip().lower().lstrip(".")
    return _ALIASES.get(word, word)


def format_of(path: str) -> str:
    """Return the name of a file's format by its suffix, or the suffix itself."""
    known = formats.by_suffix(path)
    return known.name if known is not None else os.path.splitext(path)[1].lstrip(".").upper()


def _is_in(path: str, pattern: str) -> bool:
    """Whether a file is in the folder `pattern` (a path, or a glob of folder names or paths), at any depth."""
    pattern = pattern.rstrip(os.sep) or os.sep
    folder = os.path.dirname(path)
    while True:
        if fnmatch.fnmatch(folder, pattern) or fnmatch.fnmatch(os.path.basename(folder), pattern):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent
