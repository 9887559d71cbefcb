"""Files with equal bytes: found by size and hash, decoded once, and given the same row."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from fastsim.prefetch import prefetch_map
from fastsim.progress import Bar
from fastsim.records import Embeddings, MediaFile, Skipped

_CHUNK = 1 << 20


def find_copies(files: Sequence[MediaFile], *, workers: int, bar: Bar) -> dict[int, int]:
    """The files whose bytes are those of an earlier one: {id of the copy: id of the first}.

    Only files of equal size are read. Empty files and files that can't be read are copies of nothing: the decoder says
    what is wrong with each.
    """
    by_size: dict[int, list[MediaFile]] = defaultdict(list)
    for file in files:
        by_size[file.snapshot.size].append(file)
    candidates = [file for size, same in by_size.items() if size > 0 and len(same) > 1 for file in same]
    bar.advance(len(files) - len(candidates))
    first: dict[tuple[int, bytes], int] = {}
    copies: dict[int, int] = {}
    for file, digest in prefetch_map(_digest, candidates, workers=workers, ahead=workers * 16):
        bar.advance()
        if digest is None:
            continue
        original = first.setdefault((file.snapshot.size, digest), file.id)
        if original != file.id:
            copies[file.id] = original
    return copies


def spread_rows(embeddings: Embeddings, copies: dict[int, int]) -> Embeddings:
    """`embeddings` with the row of each first file repeated for its copies; ids ascend again."""
    row_of = {file_id: row for row, file_id in enumerate(embeddings.ids.tolist())}
    added = [(copy, row_of[first]) for copy, first in copies.items() if first in row_of]
    if not added:
        return embeddings
    ids = np.concatenate([embeddings.ids, np.array([copy for copy, _ in added], np.int64)])
    rows = np.concatenate([np.arange(len(embeddings)), np.array([row for _, row in added], np.int64)])
    order = np.argsort(ids)
    rows = rows[order]
    return Embeddings(ids[order], np.ascontiguousarray(embeddings.vectors[rows]), embeddings.sizes[rows])


def spread_skips(skipped: Sequence[Skipped], copies: dict[int, int], files: Sequence[MediaFile]) -> tuple[Skipped, ...]:
    """`skipped` with the copies of each skipped file added, for the same reason. `files[i].id` must be i."""
    reason_of = {item.id: item.reason for item in skipped if item.id is not None}
    also = (Skipped(files[copy].path, reason_of[first], copy) for copy, first in copies.items() if first in reason_of)
    return (*skipped, *also)


def _digest(file: MediaFile) -> tuple[MediaFile, bytes | None]:
    digest = hashlib.blake2b(digest_size=32)
    try:
        with open(file.path, "rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return file, None
    return file, digest.digest()
