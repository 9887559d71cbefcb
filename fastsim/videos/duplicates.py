"""Find videos that show the same thing: sample frames by time, compare all, align matches in time, and group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastsim import embedding, similarity
from fastsim.cache.frames import CachedFrames
from fastsim.config import FRAME_THRES, Compute
from fastsim.decode.video.sampling import Sampling
from fastsim.embed_files import Environment, network_key
from fastsim.grouping.components import Components
from fastsim.model import load_model
from fastsim.records.arrays import Float32Array, Int32Array, Uint8Array
from fastsim.records.files import MediaFile, Skipped
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import Embeddings
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings, stage
from fastsim.run.traffic import Traffic
from fastsim.videos import frames
from fastsim.videos.align import Part, Track, align
from fastsim.videos.bars import Bars
from fastsim.videos.embed_frames import Row, with_rows
from fastsim.videos.known import Known

FLAT = 6.0
"""Grey levels (standard deviation): a frame with less is black, blank or a fade, and similar to every other such
frame.
"""
STILL = 0.95
"""A part whose frames are all this similar to its first one is a still scene: it fits at any offset."""
MOST_PAIRS = 20_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a search: seconds between frames, and the shortest part in seconds."""

    compute: Compute
    every: float = 0.5
    least: float = 5.0
    crop: float = 0.85
    thres: float = FRAME_THRES


@dataclass(slots=True)
class Sampled:
    """The rows of one video. times: seconds; `end`: about where it ends."""

    video: MediaFile
    times: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    flat: int = 0
    end: float = 0.0
    problem: str = ""
    """Why reading ended early, or what was damaged; empty for a good video."""


@dataclass(frozen=True, slots=True)
class Match:
    """A part that the videos a < b (numbers in `Duplicates.videos`) share."""

    a: int
    b: int
    part: Part
    still: bool


@dataclass(slots=True)
class Duplicates:
    """The result. groups: videos (numbers) that share parts, directly or through others, largest first."""

    videos: list[Sampled]
    matches: list[Match]
    groups: list[list[int]]
    skipped: list[Skipped]
    """Videos of which nothing could be read."""
    environment: Environment
    crowded: int = 0
    """Frames that were left out because they are similar to very many others."""


def find_duplicates(files: Sequence[MediaFile], asked: Asked, progress: Progress, timings: Timings) -> Duplicates:
    """Find which of `files` share parts of at least `asked.least` seconds. No file is changed. Raises FastsimError."""
    sampled, skipped, environment = sample(files, asked, progress, timings)
    with stage("compare", timings):
        pairs = _Pairs(sampled)
        pairs.find(asked, progress, environment.traffic)
    with stage("align", timings):
        matches = list(_matches(sampled, pairs, asked))
        groups = _groups(len(sampled), matches)
    return Duplicates(sampled, matches, groups, skipped, environment, pairs.crowded)


def sample(
    files: Sequence[MediaFile], asked: Asked, progress: Progress, timings: Timings
) -> tuple[list[Sampled], list[Skipped], Environment]:
    """Return the rows of each video that can be read, without flat frames. Cached videos are not read again."""
    compute, traffic = asked.compute, Traffic()
    with stage("load", timings):
        model = load_model(compute.model)
    with stage("hash", timings):
        known = Known(files, compute, f"{network_key(model, compute)} {asked.every} {asked.crop}", progress)
    sampled = {file.id: _of_cache(file, found) for file, found in known.found}
    todo = [file for file in files if file.id not in sampled]
    skipped: list[Skipped] = []
    ran_on = known.ran_on
    if todo or ran_on is None:
        with stage("load", timings):
            network = embedding.open_network(
                model, runtime=compute.runtime, device=compute.device, batch=compute.batch, threads=compute.workers,
                size=compute.size, traffic=traffic,
            )  # fmt: skip
        ran_on = network.ran_on
        with stage("embed", timings):
            for one in _embed(todo, asked, network, _Seeing(progress, len(files), traffic, skipped)):
                sampled[one.video.id] = one
                known.remember(one.video, _for_cache(one, ran_on))
    readable = [sampled[file.id] for file in files if file.id in sampled]
    cached = sum(len(found.rows) for _, found in known.found)
    environment = Environment(ran_on, str(model.path), model.sha256, compute.size, cached, traffic)
    return readable, skipped, environment


@dataclass(frozen=True, slots=True)
class _Seeing:
    """What is reported while videos are read."""

    progress: Progress
    videos: int
    traffic: Traffic
    skipped: list[Skipped]


def _embed(todo: Sequence[MediaFile], asked: Asked, network: embedding.Network, seeing: _Seeing) -> Iterator[Sampled]:
    """Yield each video that can be read, when it is over; the others go to `seeing.skipped`."""
    compute = asked.compute
    with ExitStack() as stack:
        bars = stack.enter_context(Bars(seeing.progress, seeing.videos))
        bars.pass_over(seeing.videos - len(todo))
        source = stack.enter_context(
            closing(
                frames.events(
                    todo, Sampling(every=asked.every), crop=asked.crop, size=compute.size, threads=compute.workers,
                    with_frames=False, where=frames.Where(compute.device, seeing.progress.note, seeing.traffic),
                )
            )
        )  # fmt: skip
        plain = (_without_colour(event) for event in source)
        now: Sampled | None = None
        for event, row in stack.enter_context(closing(with_rows(plain, network, compute.batch))):
            bars.see(event)
            if isinstance(event, frames.VideoOpened):
                now = Sampled(event.video)
            elif isinstance(event, frames.Taken):
                assert row is not None and now is not None
                _add(now, event, row, asked.every)
            else:
                reason = event.reason if isinstance(event, frames.Unreadable) else event.problem
                if now is not None and now.video.id == event.video.id and (now.times or now.flat):
                    now.problem = reason
                    yield now
                elif reason:
                    seeing.skipped.append(Skipped(event.video.path, reason, event.video.id))
                now = None


def _of_cache(video: MediaFile, found: CachedFrames) -> Sampled:
    return Sampled(video, found.times.tolist(), list(found.rows), found.flat, found.end, found.problem)


def _for_cache(one: Sampled, ran_on: embedding.RanOn) -> CachedFrames:
    ran = (ran_on.device, ran_on.runtime, ran_on.precision)
    rows = np.stack(one.rows) if one.rows else np.empty((0, 1), np.float16)
    return CachedFrames(np.array(one.times), rows, one.end, one.flat, one.problem, ran)


def is_flat(pixels: Uint8Array) -> bool:
    """Return whether uint8[h, w, 3] has hardly any structure: black, of one colour, or nearly so."""
    return float(pixels[::2, ::2].mean(2).std()) < FLAT


def _without_colour(event: frames.Event) -> frames.Event:
    """Convert frames to grey: then a tint, or a copy in black and white, changes little."""
    if not isinstance(event, frames.Taken):
        return event
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    pixels: Any = event.pixels
    if isinstance(pixels, np.ndarray):
        grey = pixels @ weights
    else:  # on a device, which takes no array of the host's
        wide = pixels.astype(np.float32)
        grey = sum(wide[..., k] * float(weights[k]) for k in range(3))
    return replace(event, pixels=grey.astype(np.uint8)[..., None].repeat(3, axis=2))


def _add(video: Sampled, frame: frames.Taken, row: Row, every: float) -> None:
    video.end = frame.seconds + every
    if is_flat(frame.pixels):
        video.flat += 1
        return
    video.times.append(frame.seconds)
    video.rows.append(row)


class _Pairs:
    """Similar frames of different videos: left int32[k], right int32[k], score float32[k]; at most MOST_PAIRS."""

    def __init__(self, sampled: Sequence[Sampled]) -> None:
        counts = [len(one.times) for one in sampled]
        self.owner = np.repeat(np.arange(len(sampled), dtype=np.int32), counts)
        self.first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = [row for one in sampled for row in one.rows]
        self.rows = np.stack(rows) if rows else np.empty((0, 1), np.float16)
        self._crowded = np.zeros(len(rows), bool)
        self._parts: list[tuple[Int32Array, Int32Array, Float32Array]] = []
        self._stored = 0

    @property
    def crowded(self) -> int:
        return int(self._crowded.sum())

    def find(self, asked: Asked, progress: Progress, traffic: Traffic) -> None:
        n = len(self.rows)
        embeddings = Embeddings(np.arange(n, dtype=np.int64), self.rows, np.zeros((n, 2), np.int32))
        compute = asked.compute
        with progress.bar("compare", n * (n - 1) // 2, "pairs") as bar:
            for block in similarity.pair_blocks(
                embeddings, asked.thres, device=compute.device, workers=compute.workers, bar=bar, traffic=traffic
            ):
                self._keep(block)

    def all(self) -> tuple[Int32Array, Int32Array, Float32Array]:
        empty = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
        parts = [empty, *self._parts]
        left, right, score = (np.concatenate(column) for column in zip(*parts, strict=True))
        return left, right, score

    def _keep(self, block: PairBlock) -> None:
        good = self.owner[block.left] != self.owner[block.right]
        good &= ~(self._crowded[block.left] | self._crowded[block.right])
        part = (block.left[good].astype(np.int32), block.right[good].astype(np.int32), block.score[good])
        self._parts.append(part)
        self._stored += len(part[0])
        if self._stored > MOST_PAIRS:
            self._thin()

    def _thin(self) -> None:
        """Leave out the frames with the most matches until half the room is free.

        A frame that is similar to everything carries no information about time.
        """
        left, right, score = self.all()
        n = len(self.rows)
        degree = np.bincount(left, minlength=n) + np.bincount(right, minlength=n)
        order = np.argsort(-degree, kind="stable")
        lost = np.cumsum(degree[order])
        self._crowded[order[: int(np.searchsorted(lost, MOST_PAIRS)) + 1]] = True
        good = ~(self._crowded[left] | self._crowded[right])
        self._parts = [(left[good], right[good], score[good])]
        self._stored = int(good.sum())


def _matches(sampled: Sequence[Sampled], pairs: _Pairs, asked: Asked) -> Iterator[Match]:
    left, right, _ = pairs.all()
    a, b = pairs.owner[left], pairs.owner[right]
    which = a.astype(np.int64) * len(sampled) + b
    order = np.argsort(which, kind="stable")
    starts = np.flatnonzero(np.diff(which[order], prepend=-1))
    for part in np.split(order, starts[1:]) if len(order) else []:
        one, two = int(a[part[0]]), int(b[part[0]])
        i, j = left[part] - pairs.first[one], right[part] - pairs.first[two]
        track, other = _track(sampled[one]), _track(sampled[two])
        for found in align(track, other, i, j, every=asked.every, least=asked.least, thres=asked.thres):
            yield Match(one, two, found, _is_still(track, found))


def _track(video: Sampled) -> Track:
    rows = np.stack(video.rows).astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return Track(np.array(video.times), rows, video.end)


def _is_still(track: Track, part: Part) -> bool:
    rows = track.rows[(track.times >= part.a_start) & (track.times < part.a_end)]
    return bool((rows @ rows[0]).min() >= STILL)


def _groups(count: int, matches: Sequence[Match]) -> list[list[int]]:
    components = Components(count)
    left = np.array([match.a for match in matches], np.int64)
    right = np.array([match.b for match in matches], np.int64)
    components.add(PairBlock(left, right, np.ones(len(matches), np.float32)))
    return [part.tolist() for part in components.members(np.arange(count, dtype=np.int64))]
