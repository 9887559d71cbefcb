"""Choose a folder for each video, named after it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from fastsim.inputs.names import folded_name
from fastsim.records.files import MediaFile


def folders(videos: Iterable[MediaFile], given: Mapping[int, str], reserved: Collection[str]) -> dict[int, str]:
    """Return for each video (by id) a path below the output folder, its parts joined by `/`.

    It is the video's path below its input, without the suffix. No two are the same on any file system, and none is a
    folder through which another one's path leads. given: folders that an earlier run has chosen; reserved: names that
    are taken in the output folder.
    """
    videos = list(videos)
    chosen = dict(given)
    used = {folded_name(folder) for folder in chosen.values()} | {folded_name(name) for name in reserved}
    passed = {part for video in videos for part in _above(folded_name(_parts(video)))}
    passed |= {part for folder in chosen.values() for part in _above(folded_name(folder))}
    for video in videos:
        if video.id in chosen:
            continue
        wanted, number = _parts(video), 1
        folder = wanted
        while (
            folded_name(folder) in used
            or folded_name(folder) in passed
            or any(part in used for part in _above(folded_name(folder)))
        ):
            number += 1
            folder = f"{_short(wanted)}_{number}"
        used.add(folded_name(folder))
        chosen[video.id] = folder
    return chosen


def _parts(video: MediaFile) -> str:
    head, name = os.path.split(video.relative)
    stem = (name.rpartition(".")[0] or name.lstrip(".")).rstrip(". ") or "video"
    parts = [part for part in head.split(os.sep) if part not in ("", os.curdir)]
    return "/".join([*parts, stem])


def _short(folder: str) -> str:
    """Shorten a name to make room for a number: names have at most 255 bytes."""
    head, slash, name = folder.rpartition("/")
    while len(os.fsencode(name)) > 245:
        name = name[:-1]
    return head + slash + name


def _above(key: str) -> list[str]:
    parts = key.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]
