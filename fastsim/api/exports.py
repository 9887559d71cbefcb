"""Write what was found as tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from fastsim.api.images import Found
from fastsim.api.options import StrPath
from fastsim.choices import GroupBy
from fastsim.records.pairs import by_keeper
from fastsim.report.exports import image_rows, write_export
from fastsim.report.tables import check_table, write_table


def export_groups(found: Found, path: StrPath) -> None:
    """Write every image of `found` with its group to a file.

    path: `.csv`, `.json`, `.npz` or `.parquet` (needs pyarrow), or `samples.json`, which FiftyOne reads. A file that fastsim
    did not write is never replaced. Raises FastsimError.
    """
    name, findings = os.fsdecode(path), found.findings
    check_table("path", name)
    groups = findings.groups if found.group_by == GroupBy.COMPONENT else by_keeper(findings.groups)
    write_export("path", name, list(image_rows(groups, found.groups, findings.files, findings.embeddings)))


def export_pairs(pairs: Sequence[Mapping[str, Any]], path: StrPath) -> None:
    """Write what `find_pairs` returned to a file: `.csv`, `.json`, `.npz` or `.parquet` (needs pyarrow).

    A file that fastsim did not write is never replaced. Raises FastsimError.
    """
    from fastsim.report.pairs import COLUMNS

    check_table("path", os.fsdecode(path))
    write_table("path", os.fsdecode(path), pairs, COLUMNS, name="pairs")
