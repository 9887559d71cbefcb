"""Alignment of pairs by their features; csrc/ does the work without the GIL."""

from __future__ import annotations

import numpy as np

MATCH = np.dtype([("index", np.int32), ("best", np.uint16), ("second", np.uint16)])
"""`struct match` of csrc/match.h."""

ALIGNMENT = np.dtype([("matrix", np.float64, (2, 3)), ("matches", np.int32), ("inliers", np.int32)])
"""`struct alignment` of csrc/align.h: matrix takes points of the left picture to the right one."""
