"""The splits of a data set and the classes of their images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from fastsim.errors import UsageError, shown
from fastsim.records.arrays import Int64Array
from fastsim.records.files import MediaFile
from fastsim.records.rows import Embeddings


@dataclass(frozen=True, slots=True)
class Split:
    """One input. name: the last part of its path, or the path as it was given where another split has that name."""

    name: str
    path: str
    files: int
    """Images that were found in it."""


def split_roots(inputs: Sequence[str]) -> list[str]:
    """Return the real path of each split. Raises UsageError."""
    if len(inputs) < 2:
        raise UsageError(f"{len(inputs)} split given; name two or more: fastsim leakage TRAIN VAL")
    roots = [os.path.realpath(path) for path in inputs]
    for (a, one), (b, other) in combinations(zip(roots, inputs, strict=True), 2):
        inner, outer = (one, other) if len(a) >= len(b) else (other, one)
        if a == b or os.path.commonpath([a, b]) in (a, b):
            raise UsageError(f"{shown(inner)}: it lies in the split {shown(outer)}; splits must not share files")
    return roots


def split_names(inputs: Sequence[str], roots: Sequence[str]) -> list[str]:
    """Return the last part of each path, or the path as it was given where two splits share that."""
    last = Counter(os.path.basename(root) for root in roots)
    return [
        name if (name := os.path.basename(root)) and last[name] == 1 else path
        for path, root in zip(inputs, roots, strict=True)
    ]


def find_classes(
    embeddings: Embeddings, files: Sequence[MediaFile], split_of: Int64Array, splits: int
) -> tuple[tuple[str, ...], Int64Array]:
    """Return the names of folders right below splits that two splits share, and the place of each row's in them or -1."""
    folders = [_first_folder(files[i]) for i in embeddings.ids.tolist()]
    of_split: list[set[str]] = [set() for _ in range(splits)]
    for split, folder in zip(split_of.tolist(), folders, strict=True):
        of_split[split].add(folder)
    shared = Counter(folder for one in of_split for folder in one if folder)
    classes = tuple(sorted(name for name, count in shared.items() if count > 1))
    number = {name: place for place, name in enumerate(classes)}
    return classes, np.array([number.get(folder, -1) for folder in folders], np.int64)


def _first_folder(file: MediaFile) -> str:
    folder, _, rest = file.relative.partition(os.sep)
    return folder if rest else ""
