"""fastsim: find near-duplicate images and video frames, group or clean them.

>>> import fastsim
>>> found = fastsim.find(["photos"], thres=0.9)
>>> plan = fastsim.make_plan(found, "removed", mode="clean_move")
>>> outcome = fastsim.apply_plan(plan)
>>> undone = fastsim.undo_run("removed")

>>> embedded = fastsim.embed(["a.jpg", "b.jpg"])
>>> left, right, score = fastsim.similar_pairs(embedded.vectors, thres=0.85)

Only `apply_plan` and `undo_run` change files. Importing the package loads nothing heavy; the functions are loaded when
they are used.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""Same as in typing, whose import would be the slowest part of this file."""

__version__ = "0.2.0"

if TYPE_CHECKING:
    from fastsim.api.actions import apply_plan, make_plan, undo_run
    from fastsim.api.exports import export_groups, export_pairs
    from fastsim.api.images import Embedded, Found, embed, find, find_groups, find_pairs
    from fastsim.api.index import Index, make_index
    from fastsim.api.options import Options
    from fastsim.api.sets import find_leaks, plan_leaks
    from fastsim.errors import FastsimError
    from fastsim.files.apply import Outcome
    from fastsim.files.plan_file import read_plan, write_plan
    from fastsim.files.undo import Undone
    from fastsim.leakage.leaks import Between, Leaks
    from fastsim.leakage.splits import Split
    from fastsim.records.files import Skipped
    from fastsim.records.plans import Operation, Plan
    from fastsim.report.results import Member
    from fastsim.retrieval.building import Built
    from fastsim.retrieval.matching import Match
    from fastsim.similarity import nearest, similar_pairs

_HOMES = {
    "api.actions": ("apply_plan", "make_plan", "undo_run"),
    "api.exports": ("export_groups", "export_pairs"),
    "api.images": ("Embedded", "Found", "embed", "find", "find_groups", "find_pairs"),
    "api.index": ("Index", "make_index"),
    "api.options": ("Options",),
    "api.sets": ("find_leaks", "plan_leaks"),
    "files.apply": ("Outcome",),
    "errors": ("FastsimError",),
    "files.plan_file": ("read_plan", "write_plan"),
    "leakage.leaks": ("Between", "Leaks"),
    "leakage.splits": ("Split",),
    "records.files": ("Skipped",),
    "records.plans": ("Operation", "Plan"),
    "report.results": ("Member",),
    "retrieval.building": ("Built",),
    "retrieval.matching": ("Match",),
    "similarity": ("nearest", "similar_pairs"),
    "files.undo": ("Undone",),
}
"""The module of each public name."""
__all__ = [
    "Between", "Built", "Embedded", "FastsimError", "Found", "Index", "Leaks", "Match", "Member", "Operation",
    "Options", "Outcome", "Plan", "Skipped", "Split", "Undone", "__version__", "apply_plan", "embed",
    "export_groups", "export_pairs", "find", "find_groups", "find_leaks", "find_pairs", "make_index", "make_plan",
    "nearest", "plan_leaks", "read_plan", "similar_pairs", "undo_run", "write_plan",
]  # fmt: skip


def __getattr__(name: str) -> object:
    import importlib

    for home, names in _HOMES.items():
        if name in names:
            found: object = getattr(importlib.import_module(f"fastsim.{home}"), name)
            return found
    raise AttributeError(f"module 'fastsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
