"""Equal bytes: found whatever the names, decoded once, and given the same row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastsim.inputs.equal_files import digests, find_copies, spread_rows, spread_skips
from fastsim.records.files import MediaFile, Skipped, Snapshot
from fastsim.records.rows import Embeddings
from fastsim.run.progress import NullProgress


def copies_of(folder: Path, contents: list[bytes]) -> tuple[list[MediaFile], dict[int, int]]:
    files = []
    for i, content in enumerate(contents):
        path = folder / f"{i:03}"
        path.write_bytes(content)
        files.append(MediaFile(i, str(path), str(folder), Snapshot.of(str(path))))
    return files, find_copies(files, hashed(files))


def hashed(files: list[MediaFile], known: dict[int, bytes] | None = None) -> dict[int, bytes]:
    with NullProgress().bar("hash", None, "files") as bar:
        return digests(files, known=known, workers=2, bar=bar)


def test_copies_point_to_the_first_file_with_the_same_bytes(tmp_path: Path) -> None:
    _, copies = copies_of(tmp_path, [b"one", b"two", b"one", b"six", b"two", b"longer", b"one"])
    assert copies == {2: 0, 4: 1, 6: 0}


def test_empty_and_unreadable_files_are_copies_of_nothing(tmp_path: Path) -> None:
    files, copies = copies_of(tmp_path, [b"", b"", b"ab", b"ab"])
    assert copies == {3: 2}
    (tmp_path / "002").unlink()
    assert find_copies(files, hashed(files)) == {}


def test_without_a_cache_only_files_of_equal_size_are_read(tmp_path: Path) -> None:
    files, _ = copies_of(tmp_path, [b"one", b"two", b"longer"])
    assert set(hashed(files)) == {0, 1}


def test_with_a_cache_every_unknown_file_is_read_and_no_known_one(tmp_path: Path) -> None:
    files, _ = copies_of(tmp_path, [b"one", b"longer", b"longest"])
    found = hashed(files, known={0: b"from the cache"})
    assert set(found) == {0, 1, 2}
    assert found[0] == b"from the cache"


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_every_file_ends_with_the_row_of_its_content(kinds: list[int]) -> None:
    first: dict[int, int] = {}
    copies = {i: first[kind] for i, kind in enumerate(kinds) if first.setdefault(kind, i) != i}
    ids = np.array(sorted(first.values()), np.int64)
    rows = np.array([[kinds[i]] for i in ids], np.float16)
    spread = spread_rows(Embeddings(ids, rows, np.repeat(rows.astype(np.int32), 2, axis=1)), copies)
    assert spread.ids.tolist() == list(range(len(kinds)))
    assert spread.vectors[:, 0].tolist() == kinds
    assert spread.sizes[:, 0].tolist() == kinds


def test_copies_of_a_skipped_file_are_skipped_for_the_same_reason(tmp_path: Path) -> None:
    files, copies = copies_of(tmp_path, [b"bad", b"good", b"bad"])
    skipped = spread_skips([Skipped(files[0].path, "broken", 0)], copies, files)
    assert [(item.id, item.reason) for item in skipped] == [(0, "broken"), (2, "broken")]
    assert skipped[1].path == files[2].path
