"""Make an index, or bring one up to date: only what is new or changed is embedded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastsim import pipeline
from fastsim.config import Compute, Scan
from fastsim.embed_files import Environment, to_vectors
from fastsim.errors import UsageError, shown
from fastsim.files import owned
from fastsim.inputs import equal_files
from fastsim.model import load_model
from fastsim.records.arrays import Float16Array, Int64Array
from fastsim.records.files import INTACT_STILL, LeftOut, MediaFile, Skipped, Snapshot
from fastsim.records.rows import Embeddings, Views
from fastsim.retrieval.index_file import DamagedIndexError, Entries, IndexFile, is_index, open_index, write_index
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings, stage

_CHUNK = 65536
"""Rows that are copied at a time."""


@dataclass(frozen=True, slots=True)
class Built:
    """What became of the images of an index, in numbers, and what could not be read."""

    path: str
    images: int
    """Images that the index holds now."""
    new: int
    """Images that were embedded, or whose vectors came from the embedding cache."""
    kept: int
    """Images that were taken over as they were."""
    gone: int
    """Images of the index before that were not found, or have changed."""
    skipped: tuple[Skipped, ...]
    left_out: LeftOut
    environment: Environment
    timings: Timings = field(default_factory=dict)


def network_of(compute: Compute) -> dict[str, object]:
    """Return what has to be equal for vectors to be comparable: the network, its input, and the size of images."""
    model = load_model(compute.model)
    return {"sha256": model.sha256, "card": model.card_digest, "size": compute.size or "auto"}


def check_network(index: IndexFile, compute: Compute) -> None:
    """Raise UsageError if the vectors of an index are not comparable with those that `compute` makes."""
    wanted, has = network_of(compute), index.network
    if dict(has) == wanted:
        return
    what = "--size" if has.get("sha256") == wanted["sha256"] and has.get("size") != wanted["size"] else "--model"
    made = f"{has.get('size')} px, model {str(has.get('sha256'))[:12]}"
    raise UsageError(f"{shown(index.path)}: made with another {what} ({made}); give the one that it was made with")


def build_index(what: Scan, out: str, compute: Compute, progress: Progress) -> Built:
    """Write an index of the images of `what` to `out`, in place of the one that is there; its rows are used again.

    An image is taken over if its path, size and times are those of the last time. Raises FastsimError.
    """
    timings: Timings = {}
    owned.check_target("--out", out, owned.INDEX)
    network = network_of(compute)
    before = _before(out, network, progress)
    files, unlisted, left_out = pipeline.scan(what, progress, timings)
    with stage("compare with index", timings):
        rows = _unchanged(files, before)
    new = [file for file in files if file.id not in rows]
    fresh = [replace(file, id=i) for i, file in enumerate(new)]  # of what `to_vectors` takes, files[i].id is i
    embeddings, undecoded, environment = to_vectors(fresh, compute, progress, timings)
    embeddings = replace(embeddings, digests=_digests(fresh, embeddings, compute, progress, timings))
    with stage("write", timings):
        count = _write(out, network, _Parts(files, before, rows, new, embeddings))
    gone = (0 if before is None else len(before)) - len(rows)
    return Built(out, count, len(embeddings), len(rows), gone, (*unlisted, *undecoded), left_out, environment, timings)


def _before(out: str, network: Mapping[str, object], progress: Progress) -> IndexFile | None:
    """Return the index that is there, if its rows can be used."""
    if not is_index(out):
        return None
    try:
        found = open_index(out)
    except DamagedIndexError as error:
        progress.note(f"fastsim: {out}: {error.reason}; it is made anew")
        return None
    if dict(found.network) != network:
        progress.note(f"fastsim: {out}: made with another network or --size; all images are embedded anew")
        return None
    return found


def _unchanged(files: Sequence[MediaFile], before: IndexFile | None) -> dict[int, int]:
    """Return {id: row in the index before} of the files that are still as they were."""
    if before is None:
        return {}
    by_path: dict[bytes, int] = {}
    with suppress(DamagedIndexError):  # what cannot be read is embedded anew
        by_path = {path: row for row, path in enumerate(before.raw_paths())}
    found = {}
    for file in files:
        at = by_path.get(os.fsencode(file.path))
        if at is not None and _is_same(before.snapshot(at), file.snapshot) and before.is_intact(at):
            found[file.id] = at
    return found


def _is_same(seen: Snapshot, now: Snapshot) -> bool:
    return (seen.size, seen.mtime_ns, seen.ctime_ns) == (now.size, now.mtime_ns, now.ctime_ns)


def _digests(
    files: Sequence[MediaFile], embeddings: Embeddings, compute: Compute, progress: Progress, timings: Timings
) -> dict[int, bytes]:
    """Return the digests of all new files; without an embedding cache they were not all hashed."""
    known = dict(embeddings.digests)
    missing = [file for file in files if file.id not in known]
    with stage("hash", timings), progress.bar("hash", len(missing), "files") as bar:
        return known | equal_files.digests(missing, known={}, workers=compute.workers, bar=bar)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The images of an index: `rows` of the one before, and `embeddings`, whose ids are places in `new`."""

    files: Sequence[MediaFile]
    before: IndexFile | None
    rows: Mapping[int, int]
    new: Sequence[MediaFile]
    embeddings: Embeddings


@dataclass(frozen=True, slots=True)
class _Row:
    """Where a row comes from: the index before, or the new embeddings."""

    file: MediaFile
    old: int | None
    new: int | None


def _write(out: str, network: Mapping[str, object], parts: _Parts) -> int:
    """Write the index; return how many images it holds."""
    of_new = {parts.new[file_id].id: row for row, file_id in enumerate(parts.embeddings.ids.tolist())}
    order = [
        _Row(file, parts.rows.get(file.id), of_new.get(file.id))
        for file in parts.files
        if file.id in parts.rows or file.id in of_new
    ]
    order.sort(key=lambda row: os.fsencode(row.file.path))
    entries, views = _entries(parts, order)
    with owned.whole_file("--out", out, owned.INDEX) as stream:
        write_index(stream, network, entries, _vectors(parts, order), views)
    return len(order)


def _vectors(parts: _Parts, order: Sequence[_Row]) -> Iterator[Float16Array]:
    """Yield the vectors in order, a chunk at a time."""
    for start in range(0, len(order), _CHUNK):
        part = order[start : start + _CHUNK]
        chunk = np.empty((len(part), _width(parts)), np.float16)
        for sources, vectors in (
            ([row.old for row in part], None if parts.before is None else parts.before.vectors),
            ([row.new for row in part], parts.embeddings.vectors),
        ):
            at = np.array([place for place, source in enumerate(sources) if source is not None], np.int64)
            if vectors is not None and len(at):
                chunk[at] = vectors[np.array([source for source in sources if source is not None], np.int64)]
        yield chunk


def _width(parts: _Parts) -> int:
    if len(parts.embeddings) or parts.before is None:
        return int(parts.embeddings.vectors.shape[1])
    return int(parts.before.vectors.shape[1])


def _entries(parts: _Parts, order: Sequence[_Row]) -> tuple[Entries, Float16Array]:
    n, before, embeddings = len(order), parts.before, parts.embeddings
    entries = Entries(
        [os.fsencode(row.file.path) for row in order], np.empty((n, 4), np.int64), np.zeros((n, 32), np.uint8),
        np.empty((n, 2), np.int32), np.empty((n, 4), np.int32), {},
    )  # fmt: skip
    damage: dict[int, str] = {}
    views: list[Any] = [np.empty((0, _width(parts)), np.float16)]
    new_views = embeddings.views or Views.none(embeddings)
    old_starts: Int64Array = np.zeros(1, np.int64) if before is None else before.view_starts()
    for at, row in enumerate(order):
        if row.old is not None and before is not None:
            stored = before.entry(row.old)
            views.append(before.view_rows(row.old, old_starts))
            text = before.damage.get(row.old, "")
        else:
            place = row.new or 0
            mine = new_views.vectors[new_views.start[place] : new_views.start[place + 1]]
            views.append(mine)
            stored = _stored(row.file, embeddings, place, 1 + len(mine), int(new_views.kind[place]))
            text = embeddings.damage.get(int(embeddings.ids[place]), "")
        entries.snapshots[at], entries.digests[at], entries.sizes[at], entries.contents[at] = stored
        if text:
            damage[at] = text
    return replace(entries, damage=damage), np.concatenate([one for one in views if len(one)] or views[:1])


def _stored(file: MediaFile, embeddings: Embeddings, place: int, views: int, kind: int) -> tuple[Any, ...]:
    """Return snapshot, digest, size and content of a new image, as an index holds them."""
    file_id, seen = int(embeddings.ids[place]), file.snapshot
    digest = embeddings.digests.get(file_id)
    frames, total = embeddings.frames.get(file_id, (INTACT_STILL.frames, INTACT_STILL.frames_total))
    return (
        (seen.size, seen.mtime_ns, -1 if seen.ctime_ns is None else seen.ctime_ns, seen.inode),
        np.frombuffer(digest or bytes(32), np.uint8),
        embeddings.sizes[place],
        (views, frames, total, kind),
    )
