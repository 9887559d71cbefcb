"""Keep the journal of a video run in its output folder: its settings, and the videos that are done.

JSON lines, ASCII. The first is the header with the settings; then {"begin": path, "folder": ...} before the first
image of a video is written, and {"done": {...}, "snapshot": [...]} when all of them exist. A torn last line is
dropped. A video that was begun and is not done is removed and done again; videos that are done are never touched.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np

from fastsim import __version__
from fastsim.errors import FastsimError, UsageError, shown
from fastsim.files.owned import is_writable_folder, nearest_folder
from fastsim.records.arrays import Float16Array
from fastsim.records.files import MediaFile, Snapshot
from fastsim.videos.pictures import TEMPORARY
from fastsim.videos.results import Extract

NAME = "fastsim_videos.jsonl"
SHEET, TABLE, TIMELINE = "contact_sheet.jpg", "index.csv", "timeline.png"
_FORMAT = "fastsim-videos"
_VERSION = 1
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_OURS = re.compile(
    r"(frame_\d{7,}_\d{2,}-\d{2}-\d{2}\.\d{3}\.(jpg|png|webp)|contact_sheet\.jpg|index\.csv|timeline\.png)"
)


class VideoJournal:
    """The open journal of the output folder `outs`, locked against other processes until `close`."""

    def __init__(self, outs: str, identity: Mapping[str, Any]) -> None:
        """Create the folder and begin, or continue what an earlier run with the same settings has done there.

        Raises UsageError if the folder cannot be used or holds anything else; it is as it was then.
        """
        self.outs = os.path.abspath(outs)
        check_outs(outs, identity)
        self.done: dict[str, tuple[Snapshot, Extract, Float16Array | None]] = {}
        """By the video's path; the rows of its kept frames are stored with --across only."""
        self._begun: dict[str, str] = {}
        self._writing = threading.Lock()
        path = os.path.join(self.outs, NAME)
        try:
            os.makedirs(self.outs, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise UsageError(f"--outs {shown(outs)}: can't be made ({error.strerror}); give another --outs") from None
        try:
            _lock(self._fd, path)
            self._load(path)
        except BaseException:
            os.close(self._fd)
            raise
        if os.fstat(self._fd).st_size == 0:
            head = {"format": _FORMAT, "version": _VERSION, "fastsim": __version__, "settings": dict(identity)}
            self._append({**head, "time": datetime.now(UTC).isoformat(timespec="seconds")})

    def __enter__(self) -> VideoJournal:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._fd)

    def finished(self, video: MediaFile) -> Extract | None:
        """Return what an earlier run found in `video`, if the file has not changed since and all images exist."""
        known = self.done.get(video.path)
        if known is None or known[0] != video.snapshot:
            return None
        folder = os.path.join(self.outs, *known[1].folder.split("/"))
        try:
            there = set(os.listdir(folder))
        except OSError:
            there = set()
        wanted = {kept.file for kept in known[1].kept} | {TABLE}
        return known[1] if wanted <= there else None

    def rows(self, video: MediaFile) -> Float16Array | None:
        """Return the rows of the kept frames of a finished video."""
        return self.done[video.path][2]

    def chosen_folders(self, videos: Iterable[MediaFile]) -> dict[int, str]:
        """Return the folders that earlier runs chose for these videos, by id.

        A file that has changed since gets a new one.
        """
        chosen = {}
        for video in videos:
            known = self.done.get(video.path)
            if known is None and video.path in self._begun:
                chosen[video.id] = self._begun[video.path]
            elif known is not None and known[0] == video.snapshot:
                chosen[video.id] = known[1].folder
        return chosen

    def taken_folders(self) -> list[str]:
        """Return all folders that earlier runs wrote to."""
        return [*self._begun.values()]

    def begin(self, video: MediaFile, folder: str) -> str:
        """Create the folder of `video`, remove what an interrupted run left there, and return its path."""
        path = os.path.join(self.outs, *folder.split("/"))
        self._append({"begin": video.path, "folder": folder})
        try:
            os.makedirs(path, exist_ok=True)
            for name in os.listdir(path):
                if _OURS.fullmatch(name.removesuffix(TEMPORARY)):
                    os.unlink(os.path.join(path, name))
        except OSError as error:
            raise FastsimError(f"{shown(path)}: can't be made ({error.strerror}); give another --outs") from None
        return path

    def end(self, video: MediaFile, extract: Extract, rows: Float16Array | None) -> None:
        """Record that all of `video` is there."""
        shot = video.snapshot
        line: dict[str, Any] = {"done": extract.to_json(), "snapshot": [shot.size, shot.mtime_ns, shot.inode]}
        if rows is not None and len(rows):
            line["rows"] = base64.b64encode(rows.tobytes()).decode("ascii")
        self._append(line)

    def _append(self, line: Mapping[str, Any]) -> None:
        data = memoryview((json.dumps(line) + "\n").encode("ascii"))
        try:
            with self._writing:
                while data:
                    data = data[os.write(self._fd, data) :]
                os.fsync(self._fd)
        except OSError as error:
            raise FastsimError(
                f"{shown(os.path.join(self.outs, NAME))}: can't be written ({error.strerror}); make room, and run the "
                "same command again to go on"
            ) from None

    def _load(self, path: str) -> None:
        with open(path, "rb") as stream:
            data = stream.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._fd, whole)
        for text in data[:whole].splitlines()[1:]:
            try:
                line = json.loads(text)
                if "begin" in line:
                    self._begun[line["begin"]] = line["folder"]
                    continue
                extract = Extract.from_json({**line["done"], "earlier": True})
                packed = np.frombuffer(base64.b64decode(line.get("rows", "")), np.float16)
                rows = packed.reshape(len(extract.kept), -1) if len(packed) else None
                self.done[extract.path] = (Snapshot(*line["snapshot"]), extract, rows)
            except (ValueError, KeyError, TypeError):
                raise UsageError(f"{shown(path)}: damaged; give another --outs") from None


def check_outs(outs: str, identity: Mapping[str, Any]) -> None:
    """Raise UsageError if `outs` cannot be used by a run with these settings; nothing is changed."""
    path = os.path.abspath(outs)
    if not os.path.lexists(path):
        if not is_writable_folder(parent := nearest_folder(path)):
            raise UsageError(f"--outs {shown(outs)}: no folder can be made in {shown(parent)}; give another --outs")
        return
    if not os.path.isdir(path):
        raise UsageError(f"--outs {shown(outs)}: it is not a folder; give a new or an empty folder")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise UsageError(f"--outs {shown(outs)}: it can't be written to; give another --outs")
    names = set(os.listdir(path)) - _LITTER
    if not names:
        return
    if NAME not in names:
        raise UsageError(
            f"--outs {shown(outs)}: it is not empty ({shown(min(names))} is there); give a new or an empty folder"
        )
    before = _settings(os.path.join(path, NAME))
    other = [key for key in identity if before is not None and before.get(key) != identity[key]]
    if before is not None and other:
        was, now = (", ".join(_option(key, values.get(key)) for key in other[:4]) for values in (before, identity))
        raise UsageError(
            f"--outs {shown(outs)}: it holds frames taken with other settings ({was}; now {now}); "
            "give another --outs, or the same settings to go on"
        )


def _option(key: str, value: object) -> str:
    """Return `--skip 5`, as it is typed; for a flag that is off, or a value that is not given, `no --every`."""
    if value is None or isinstance(value, bool):
        return f"--{key}" if value else f"no --{key}"
    return f"--{key} {value[:12] if isinstance(value, str) else value}"


def _settings(path: str) -> dict[str, Any] | None:
    """Return the settings in the header; None if a run was killed before writing it. Raises UsageError."""
    try:
        with open(path, "rb") as stream:
            line = stream.readline()
    except OSError as error:
        raise UsageError(f"{shown(path)}: can't be read ({error.strerror}); give another --outs") from None
    if not line.endswith(b"\n"):
        return None
    with suppress(ValueError, KeyError, TypeError):
        head = json.loads(line)
        if head["format"] == _FORMAT and head["version"] == _VERSION:
            return dict(head["settings"])
    raise UsageError(f"{shown(path)}: not a journal that this fastsim reads; give another --outs")


def _lock(fd: int, path: str) -> None:
    """Lock the file.

    Raises UsageError if another process works in this folder; file systems without locks are accepted.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"{shown(os.path.dirname(path))}: another fastsim is at work in it; wait for it, or give another --outs"
        ) from None
    except OSError:
        return
