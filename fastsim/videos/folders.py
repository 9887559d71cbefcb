"""A folder for each video, named after it."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Mapping

from fastsim.records import MediaFile


def folders(videos: Iterable[MediaFile], given: Mapping[int, str], reserved: Collection[str]) -> dict[int, str]:
    """For each video (by id) a path below the output folder, parts joined by `/`: its path below the input, without the
    suffix. No two are the same on any file system, and none is a folder that another one's path leads through.

    given: folders that an earlier run has chosen; reserved: names that are taken in the output folder.
    """
    videos = list(videos)
    chosen = dict(given)
    used = {_key(folder) for folder in chosen.values()} | {_key(name) for name in reserved}
    passed = {part for video in videos for part in _above(_key(_parts(video)))}
    passed |= {part for folder in chosen.values() for part in _above(_key(folder))}
    for video in videos:
        if video.id in chosen:
            continue
        wanted, number = _parts(video), 1
        folder = wanted
        while _key(folder) in used or _key(folder) in passed or any(part in used for part in _above(_key(folder))):
            number += 1
            folder = f"{_short(wanted)}_{number}"
        used.add(_key(folder))
        chosen[video.id] = folder
    return chosen


def _parts(video: MediaFile) -> str:
    head, name = os.path.split(video.relative)
    stem = (name.rpartition(".")[0] or name.lstrip(".")).rstrip(". ") or "video"
    parts = [part for part in head.split(os.sep) if part not in ("", os.curdir)]
    return "/".join([*parts, stem])


def _short(folder: str) -> str:
    """Room for a number: names have at most 255 bytes."""
    head, slash, name = folder.rpartition("/")
    while len(os.fsencode(name)) > 245:
        name = name[:-1]
    return head + slash + name


def _above(key: str) -> list[str]:
    parts = key.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _key(folder: str) -> str:
    """Equal where a file system that ignores case, or that normalises letters, may see one name."""
    return unicodedata.normalize("NFC", folder).casefold()
