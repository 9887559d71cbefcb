"""Videos to look at: stretches that two of them share, from the report of `video-duplicates`, and the frames of `videos`.

Both are shown only; there is nothing to decide.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastsim.decode.picture import UnreadableError
from fastsim.errors import UsageError, shown
from fastsim.records.files import MediaFile, Snapshot
from fastsim.review.pictures import NO_PICTURE, SIZES, Memory, Pictures
from fastsim.review.server import Answer, Request
from fastsim.review.static_files import StaticFiles, parts_of
from fastsim.videos.results import Extract

JOURNAL = "fastsim_videos.jsonl"
STRIP = 6
"""Frames that are shown of each side of a stretch."""
_MOST_BYTES = 1 << 28
_KINDS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm", ".mkv": "video/webm",
          ".ogv": "video/ogg"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part that two videos share: (path, start, end) of each, seconds."""

    sides: tuple[tuple[str, float, float], tuple[str, float, float]]
    score: float
    still: bool
    group: int


def read_stretches(path: str) -> list[Stretch] | None:
    """Return the matches of a report of `video-duplicates --json`; None for other files. Raises UsageError."""
    try:
        if not os.path.isfile(path) or not path.endswith(".json") or os.path.getsize(path) > _MOST_BYTES:
            return None
        with open(path, "rb") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or "matches" not in found.get("counts", {}):
        return None
    try:
        return [
            Stretch(
                (
                    (str(one["a"]), float(one["a_start"]), float(one["a_end"])),
                    (str(one["b"]), float(one["b_start"]), float(one["b_end"])),
                ),
                float(one["score"]), bool(one["still"]), number,
            )
            for number, group in enumerate(found["groups"])
            for one in group["matches"]
        ]  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{shown(path)}: damaged; run fastsim video-duplicates --json again") from None


def read_frames(folder: str) -> list[tuple[Extract, str]] | None:
    """Return (what was found, its folder) of each video of an output folder of `videos`; None for other folders.

    Raises UsageError for a damaged journal.
    """
    path = os.path.join(folder, JOURNAL)
    if not os.path.isfile(path):
        return None
    found = []
    try:
        with open(path, encoding="ascii") as file:
            for text in file.readlines()[1:]:
                line = json.loads(text) if text.endswith("\n") else {}
                if "done" in line:
                    extract = Extract.from_json(line["done"])
                    found.append((extract, os.path.join(folder, *extract.folder.split("/"))))
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{shown(path)}: damaged; run fastsim videos again with another --outs") from None
    return found


class StretchRoutes:
    """Answers requests about stretches. Frame `id` is number id % 6 of side id // 6 % 2 of stretch id // 12."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        self._stretches = stretches
        self._static = StaticFiles()
        self._memory = Memory()

    def __call__(self, request: Request) -> Answer:
        """Answer a request. Raises LookupError for what is not there."""
        if request.method != "GET":
            raise LookupError(request.path)
        if request.path == "/api/summary":
            return Answer.json(
                {"kind": "stretches", "title": "", "stretches": [self._told(i) for i in range(len(self._stretches))]}
            )
        kind, name = parts_of(request.path)
        if kind == "static":
            return self._static.answer(name)
        if not name.isdecimal():
            raise LookupError(name)
        number = int(name)
        side = self._stretches[number // (2 * STRIP)].sides[number // STRIP % 2]
        if kind == "full":
            suffix = os.path.splitext(side[0])[1].lower()
            return Answer(kind=_KINDS.get(suffix, "application/octet-stream"), path=_regular(side[0]))
        return self._frame(side, number % STRIP)

    def _frame(self, side: tuple[str, float, float], place: int) -> Answer:
        from fastsim.decode.jpeg import encode
        from fastsim.decode.video.glimpse import frame_at
        from fastsim.decode.video.reader import UnreadableVideoError

        path, start, end = side
        seconds = start + (end - start) * (place + 0.5) / STRIP
        if (data := self._memory.get((path, seconds))) is None:
            try:
                data = encode(frame_at(path, seconds, SIZES[1]), 80)
            except UnreadableVideoError:
                return Answer(NO_PICTURE, "image/svg+xml")
            self._memory.put((path, seconds), data)
        return Answer(data, "image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    def _told(self, number: int) -> dict[str, Any]:
        one = self._stretches[number]
        sides = [
            {"name": shown(os.path.basename(path)), "folder": shown(os.path.dirname(path)), "start": start, "end": end,
             "playable": os.path.splitext(path)[1].lower() in _KINDS}
            for path, start, end in one.sides
        ]  # fmt: skip
        return {"first": number * 2 * STRIP, "score": one.score, "still": one.still, "group": one.group, "sides": sides}


class FrameRoutes:
    """Answers requests about the frames that were kept of videos."""

    def __init__(self, extracts: Sequence[tuple[Extract, str]]) -> None:
        self._extracts = extracts
        self._static = StaticFiles()
        self._pictures = Pictures()
        self._files = [os.path.join(folder, kept.file) for extract, folder in extracts for kept in extract.kept]

    def __call__(self, request: Request) -> Answer:
        """Answer a request. Raises LookupError for what is not there."""
        if request.method != "GET":
            raise LookupError(request.path)
        if request.path == "/api/summary":
            return Answer.json({"kind": "frames", "title": "", "videos": self._told()})
        kind, name = parts_of(request.path)
        if kind == "static":
            return self._static.answer(name)
        if not name.isdecimal():
            raise LookupError(name)
        path = self._files[int(name)]
        try:
            file = MediaFile(int(name), path, os.path.dirname(path), Snapshot(0, 0, 0))
            if kind == "full":
                whole = self._pictures.whole(file, None)
                return Answer(whole.data, whole.kind, path=whole.path)
            return Answer(self._pictures.thumbnail(file, None, SIZES[1]), "image/jpeg")
        except (OSError, UnreadableError):
            return Answer(NO_PICTURE, "image/svg+xml", HTTPStatus.OK)

    def _told(self) -> list[Mapping[str, Any]]:
        told: list[Mapping[str, Any]] = []
        first = 0
        for extract, _ in self._extracts:
            kept = [[one.seconds, one.stands_for] for one in extract.kept]
            told.append({
                "name": shown(os.path.basename(extract.path)), "folder": shown(os.path.dirname(extract.path)),
                "read": extract.frames_read, "problem": extract.problem, "first": first, "kept": kept,
            })  # fmt: skip
            first += len(kept)
        return told


def _regular(path: str) -> str:
    if not os.path.isfile(path):
        raise LookupError(path)
    return path
