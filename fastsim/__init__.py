"""fastsim: find near-duplicate images and video frames, group or clean them.

>>> import fastsim
>>> found = fastsim.embed(["a.jpg", "b.jpg"])
>>> left, right, score = fastsim.similar_pairs(found.vectors, thres=0.85)
>>> groups = fastsim.find_groups(["photos"], thres=0.85)

Nothing here changes a file. Importing the package loads nothing heavy; the functions are loaded when they are used.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As typing has it, whose import would be the slowest part of this file."""

__version__ = "0.2.0"
__all__ = ["Embedded", "FastsimError", "Member", "__version__", "embed", "find_groups", "nearest", "similar_pairs"]

if TYPE_CHECKING:
    from fastsim.api import Embedded, embed, find_groups
    from fastsim.errors import FastsimError
    from fastsim.report import Member
    from fastsim.similarity import nearest, similar_pairs

_HOMES = {
    "Embedded": "fastsim.api",
    "embed": "fastsim.api",
    "find_groups": "fastsim.api",
    "FastsimError": "fastsim.errors",
    "Member": "fastsim.report",
    "nearest": "fastsim.similarity",
    "similar_pairs": "fastsim.similarity",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fastsim' has no attribute {name!r}")
    import importlib

    found: object = getattr(importlib.import_module(_HOMES[name]), name)
    return found
