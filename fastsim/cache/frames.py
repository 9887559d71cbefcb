"""Cache the vectors of a video's sampled frames, so that a video is decoded and embedded once.

One file per video and way of sampling, in a folder beside the embedding cache. The cache is only an optimisation: a
damaged file counts as missing and is rewritten, and a folder that cannot be used switches the cache off, which is
noted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastsim.records.arrays import Float16Array, Int64Array

FOLDER = "videos"
_VERSION = 2
"""Increment when frames of the same key would differ: another way to decode, to crop or to resize."""
_MAGIC = b"fastsim frames\n"
_NAME = re.compile(r"[0-9a-f]{64}\.frames(\.part)?")
_MOST_BYTES = 2**30
"""Of all files; those that were not used for longest are removed. 600 hours of video at two frames per second fit."""
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class CachedFrames:
    """The sampled frames of a video.

    times: float64[n], seconds; rows: float16[n, d]; end: about where it ends; flat: frames without structure, which
    are left out; problem: why reading ended early, or what was damaged; ran_on: device, runtime and precision of the
    network; numbers: int64[n], each frame's place among all frames, or empty if that is not needed; frames_read: all
    frames up to where reading ended.
    """

    times: NDArray[np.float64]
    rows: Float16Array
    end: float
    flat: int
    problem: str
    ran_on: tuple[str, str, str]
    numbers: Int64Array = field(default_factory=lambda: np.empty(0, np.int64))
    frames_read: int = 0


class FrameCache:
    """The cache below `folder` for one network and way of sampling, named by `key`.

    No method raises an error for a problem with it: `note` is called once, and lookups find nothing from then on.
    """

    def __init__(self, folder: Path, key: str, note: Callable[[str], None], most_bytes: int = _MOST_BYTES) -> None:
        self._folder = folder / FOLDER
        self._key = f"{_VERSION} {key}".encode()
        self._note = note
        self._most_bytes = most_bytes
        self._is_on = True

    def get(self, digest: bytes) -> CachedFrames | None:
        """Return the frames of the video whose bytes have this digest; None if they are unknown or damaged."""
        path = self._path(digest)
        if not self._is_on:
            return None
        try:
            data = path.read_bytes()
            with suppress(OSError):  # a cache that can only be read
                os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._switch_off(error)
            return None
        return unpacked(data, path.name)

    def put(self, digest: bytes, frames: CachedFrames) -> None:
        """Store the frames of a video, whole or not at all."""
        if not self._is_on:
            return
        path = self._path(digest)
        temporary = path.with_name(path.name + ".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(packed(frames, path.name))
            temporary.replace(path)
            self._make_room()
        except OSError as error:
            self._switch_off(error)

    def _path(self, digest: bytes) -> Path:
        return self._folder / f"{hashlib.blake2b(digest + self._key, digest_size=32).hexdigest()}.frames"

    def _make_room(self) -> None:
        known = sorted(((path.stat(), path) for path in files(self._folder.parent)), key=lambda one: one[0].st_mtime_ns)
        excess = sum(status.st_size for status, _ in known) - self._most_bytes
        for status, path in known:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= status.st_size

    def _switch_off(self, error: OSError) -> None:
        self._is_on = False
        reason = error.strerror or str(error)
        self._note(
            f"fastsim: the cache of video frames {self._folder} can't be used: {reason}; the run goes on without it"
        )


def files(folder: Path) -> list[Path]:
    """Return the files of the cache of frames below the cache folder `folder`, and no others."""
    try:
        return [path for path in (folder / FOLDER).iterdir() if _NAME.fullmatch(path.name) and path.is_file()]
    except OSError:
        return []


def packed(frames: CachedFrames, name: str) -> bytes:
    """Return the bytes of the file `name`."""
    head = {
        "shape": frames.rows.shape, "end": frames.end, "flat": frames.flat, "problem": frames.problem,
        "ran_on": frames.ran_on, "numbers": len(frames.numbers), "frames_read": frames.frames_read,
    }  # fmt: skip
    line = json.dumps(head).encode("ascii") + b"\n"
    columns = (frames.times.astype("<f8"), frames.numbers.astype("<i8"), frames.rows.astype("<f2"))
    body = _MAGIC + line + b"".join(column.tobytes() for column in columns)
    return body + _seal(body, name)


def unpacked(data: bytes, name: str) -> CachedFrames | None:
    """Return the frames in the bytes of the file `name`; None if they are damaged, or those of another file."""
    body, seal = data[:-_DIGEST], data[-_DIGEST:]
    if not body.startswith(_MAGIC) or seal != _seal(body, name):
        return None
    line, _, columns = body[len(_MAGIC) :].partition(b"\n")
    head = json.loads(line)
    (count, width), numbered = head["shape"], head["numbers"]
    times = np.frombuffer(columns, "<f8", count)
    numbers = np.frombuffer(columns, "<i8", numbered, offset=8 * count)
    rows = np.frombuffer(columns, "<f2", count * width, offset=8 * (count + numbered)).astype(np.float16)
    device, runtime, precision = head["ran_on"]
    return CachedFrames(
        times, rows.reshape(count, width), head["end"], head["flat"], head["problem"], (device, runtime, precision),
        numbers, head["frames_read"],
    )  # fmt: skip


def _seal(body: bytes, name: str) -> bytes:
    """Return the digest of a file's bytes and of its name, which stands for the video and the way of sampling."""
    return hashlib.blake2b(name.encode("ascii") + body, digest_size=_DIGEST).digest()
