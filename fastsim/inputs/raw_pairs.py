"""Join RAW files with the JPEG or HEIC files of the same shot to one unit, of which the latter is compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from fastsim.inputs.sidecar_names import FolderNames, is_raw
from fastsim.records.files import MediaFile


def without_paired_raws(files: Sequence[MediaFile]) -> tuple[tuple[MediaFile, ...], int]:
    """Return `files`, renumbered, without RAW files whose shot has a JPEG or HEIC, and how many those were."""
    if not any(is_raw(file.path) for file in files):
        return tuple(files), 0
    folders: dict[str, list[str]] = {}
    for file in files:
        folder, name = os.path.split(file.path)
        folders.setdefault(folder, []).append(name)
    names = {folder: FolderNames(inside) for folder, inside in folders.items()}

    def is_paired(path: str) -> bool:
        folder, name = os.path.split(path)
        return is_raw(name) and bool(names[folder].owners(name, pairs=True, sidecars=False))

    left = [file for file in files if not is_paired(file.path)]
    return tuple(replace(file, id=i) for i, file in enumerate(left)), len(files) - len(left)
