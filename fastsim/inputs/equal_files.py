"""Find files with equal bytes by hash; they are decoded once and get the same row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from fastsim.inputs.digest import digest_of
from fastsim.records.files import MediaFile, Skipped
from fastsim.records.rows import Embeddings
from fastsim.run.prefetch import prefetch_map
from fastsim.run.progress import Bar


def digests(
    files: Sequence[MediaFile], *, known: Mapping[int, bytes] | None, workers: int, bar: Bar
) -> dict[int, bytes]:
    """Return {id: BLAKE2b-256 of the file's bytes}.

    known: digests of files that need not be read; then all others are read. None: only files of equal size are read,
    which is enough to find copies. Empty files and files that cannot be read have no digest: the decoder reports what
    is wrong.
    """
    sizes = Counter(file.snapshot.size for file in files)
    found = {file.id: known[file.id] for file in files if file.id in known} if known else {}
    unread = [
        file
        for file in files
        if file.id not in found and file.snapshot.size > 0 and (known is not None or sizes[file.snapshot.size] > 1)
    ]
    bar.advance(len(files) - len(unread))
    for file, digest in prefetch_map(_digest, unread, workers=workers, ahead=workers * 16):
        bar.advance()
        if digest is not None:
            found[file.id] = digest
    return found


def find_copies(files: Sequence[MediaFile], digest_of: Mapping[int, bytes]) -> dict[int, int]:
    """Return {id of a copy: id of the first file with the same bytes}."""
    first: dict[bytes, int] = {}
    copies: dict[int, int] = {}
    for file in files:
        digest = digest_of.get(file.id)
        if digest is not None and (original := first.setdefault(digest, file.id)) != file.id:
            copies[file.id] = original
    return copies


def spread_rows(embeddings: Embeddings, copies: dict[int, int]) -> Embeddings:
    """Return `embeddings` with the row of each first file repeated for its copies, ids ascending."""
    row_of = {file_id: row for row, file_id in enumerate(embeddings.ids.tolist())}
    added = [(copy, row_of[first]) for copy, first in copies.items() if first in row_of]
    if not added:
        return embeddings
    ids = np.concatenate([embeddings.ids, np.array([copy for copy, _ in added], np.int64)])
    rows = np.concatenate([np.arange(len(embeddings)), np.array([row for _, row in added], np.int64)])
    order = np.argsort(ids)
    return embeddings.take(rows[order], ids[order])


def spread_skips(skipped: Sequence[Skipped], copies: dict[int, int], files: Sequence[MediaFile]) -> tuple[Skipped, ...]:
    """Return `skipped` with the copies of each skipped file added, for the same reason. `files[i].id` must be i."""
    reason_of = {item.id: item.reason for item in skipped if item.id is not None}
    also = (Skipped(files[copy].path, reason_of[first], copy) for copy, first in copies.items() if first in reason_of)
    return (*skipped, *also)


def _digest(file: MediaFile) -> tuple[MediaFile, bytes | None]:
    try:
        return file, digest_of(file.path)
    except OSError:
        return file, None
