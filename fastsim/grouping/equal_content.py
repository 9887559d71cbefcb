"""Groups of files that are equal byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastsim.records.pairs import Group


def of_equal_files(groups: Sequence[Group], digest_of: Callable[[int], bytes | None]) -> list[Group]:
    """Divide `groups` into groups of files with equal digests; what is equal to no other file is left out.

    digest_of: of a file, by id; None where it can't be read. The first file of each part, in the order of its group, is
    the keeper of all others.
    """
    found: list[Group] = []
    for group in groups:
        parts: dict[bytes, list[int]] = {}
        for file_id in group.ids.tolist():
            if (digest := digest_of(file_id)) is not None:
                parts.setdefault(digest, []).append(file_id)
        found += [
            Group(np.array(ids, np.int64), np.full(len(ids), ids[0], np.int64), np.ones(len(ids), np.float32))
            for ids in parts.values()
            if len(ids) > 1
        ]
    return sorted(found, key=len, reverse=True)
