"""Pass embeddings to the compiled core."""

from __future__ import annotations

import numpy as np

from fastsim import _core
from fastsim.records.arrays import Float16Array
from fastsim.records.rows import Views


def core_rows(vectors: Float16Array, views: Views | None = None, isa: str | None = None) -> _core.Rows:
    """Return `vectors` with their views, ready to be compared. `isa` forces a kernel."""
    rows = _core.Rows(np.ascontiguousarray(vectors), isa or "")
    if views is not None:
        rows.views(
            np.ascontiguousarray(views.kind, np.int32),
            np.ascontiguousarray(views.start, np.int64),
            np.ascontiguousarray(views.vectors),
        )
    return rows
