"""Export groups: every image with its group, as a table or as samples of FiftyOne."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fastsim.files import owned
from fastsim.records.files import MediaFile
from fastsim.records.pairs import Group
from fastsim.records.rows import Embeddings
from fastsim.report.results import Member
from fastsim.report.tables import Columns, write_table

COLUMNS: Columns = {
    "path": str, "group": int, "keeper": bool, "keeper_path": str, "score": float, "bytes": int, "width": int,
    "height": int, "frames": int, "frames_total": int, "damage": str, "why": str, "rule": str, "reference": bool,
}  # fmt: skip
"""What is told of an image. Of one without a group, `group` and `keeper_path` are empty, and `keeper` is true."""
SAMPLES = "samples.json"
"""A file of this name gets the layout of FiftyOne."""


def image_rows(
    groups: Sequence[Group], members: Sequence[Sequence[Member]], files: Sequence[MediaFile], embeddings: Embeddings
) -> Iterator[dict[str, Any]]:
    """Yield each image that was compared under COLUMNS: groups in order, then those without a group.

    members: what is told of `groups` (`results.members`). `files[i].id` must be i.
    """
    grouped: set[int] = set()
    for number, (group, told) in enumerate(zip(groups, members, strict=True), 1):
        for (i, keeper, _), member in zip(group.members(), told, strict=True):
            grouped.add(i)
            yield {**asdict(member), "group": number, "keeper_path": files[keeper].path}
    for i, (width, height) in zip(embeddings.ids.tolist(), embeddings.sizes.tolist(), strict=True):
        if i not in grouped:
            frames, total = embeddings.frames.get(i, (1, 1))
            alone = Member(
                files[i].path, True, 1.0, files[i].snapshot.size, width, height, frames, total,
                embeddings.damage.get(i, ""), reference=files[i].reference,
            )  # fmt: skip
            yield {**asdict(alone), "group": None, "keeper_path": None}


def write_export(option: str, path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of `image_rows`, whole or not at all: by suffix, or as samples of FiftyOne. Raises FastsimError."""
    if os.path.basename(path) != SAMPLES:
        write_table(option, path, rows, COLUMNS, name="images")
        return
    data = json.dumps({"note": owned.NOTE, "samples": [_sample(row) for row in rows]}, indent=1)
    with owned.whole_file(option, path, owned.JSON) as stream:
        stream.write((data + "\n").encode("ascii"))


def _sample(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sample as FiftyOne reads it: absolute path, tags, metadata, and fields of ours."""
    tags = [] if row["group"] is None else ["keeper" if row["keeper"] else "duplicate"]
    return {
        "filepath": row["path"],
        "tags": tags,
        "metadata": {
            "_cls": "ImageMetadata", "size_bytes": row["bytes"], "width": row["width"], "height": row["height"],
        },
        "duplicate_group": row["group"],
        "duplicate_score": None if row["group"] is None else row["score"],
        "duplicate_of": None if row["keeper"] else row["keeper_path"],
    }  # fmt: skip
