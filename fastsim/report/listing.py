"""List groups as text: which file is kept, how similar the others are, and what a plan does with each."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

from fastsim.errors import shown
from fastsim.files.plan import describe
from fastsim.records.files import MediaFile
from fastsim.records.plans import Operation, Plan
from fastsim.report.results import Member, in_bytes, plural

LEGEND = "* stays; a score is the similarity to the file that stays"
_FEW = 4
"""Members of a group that a summary shows."""


class Names:
    """Shorten paths to those below the folder that all inputs have in common."""

    def __init__(self, files: Iterable[MediaFile]) -> None:
        folders = {os.path.dirname(file.path) if file.root == file.path else file.root for file in files}
        try:
            common = os.path.commonpath(folders)
        except ValueError:  # no file at all, or several drives
            common = ""
        self.folder = "" if os.path.dirname(common) == common else common
        """Empty if only the root is common: paths are absolute then."""

    def __call__(self, path: str) -> str:
        """Return `path` below the common folder, ready to be printed."""
        return shown(_below(path, self.folder))

    def legend(self) -> str:
        """Return one line that explains the listing."""
        return LEGEND + (f"; paths are below {shown(self.folder)}" if self.folder else "")


def summary_groups(groups: Sequence[Sequence[Member]], limit: int, names: Names) -> Iterator[str]:
    """Yield the first `limit` groups as short lists, with a legend."""
    for number, group in enumerate(groups[:limit], start=1):
        yield f"  {number}. {plural(len(group), 'file')}:"
        for member in _by_score(group)[:_FEW]:
            yield f"     {_facts(member)}  {names(member.path)}{_notes(member)}"
        if len(group) > _FEW:
            yield f"       and {len(group) - _FEW} more"
    if len(groups) > limit:
        yield f"  and {plural(len(groups) - limit, 'more group')}"
    if groups:
        yield f"  {names.legend()}"


def planned_groups(groups: Sequence[Sequence[Member]], plan: Plan, names: Names) -> Iterator[str]:
    """Yield all groups with what `plan` does to each file, and its other operations: exactly what apply would run."""
    if not plan.operations:
        return
    steps = {one.source: one for one in plan.operations if one.part_of is None}
    parts: dict[str, list[Operation]] = {}
    for one in plan.operations:
        if one.part_of is not None:
            parts.setdefault(one.part_of, []).append(one)
    where = f"; targets are below {shown(plan.outs)}" if any(one.target for one in plan.operations) else ""
    yield f"{names.legend()}{where}"
    for number, group in enumerate(groups, start=1):
        yield f"Group {number}, {plural(len(group), 'file')}:"
        several = sum(member.keeper for member in group) > 1
        for member in _by_score(group):
            step = steps.pop(member.path, None)
            keeper = f"for {names(step.keeper)}" if several and step is not None and step.keeper else ""
            yield f"  {_facts(member)}  {_step(step, names(member.path), plan.outs)}{_notes(member, keeper)}"
            for part in parts.pop(member.path, ()) if step else ():
                yield f"  {'':<37} {_step(part, names(part.source), plan.outs)}"
    rest = [*steps.values(), *(one for several in parts.values() for one in several)]
    yield from describe(Plan(plan.outs, tuple(rest)))


def _by_score(group: Sequence[Member]) -> list[Member]:
    """Return the files that are kept, in keep order, then the others, the most similar first."""
    return sorted(group, key=lambda member: (not member.keeper, 0.0 if member.keeper else -member.score))


def _facts(member: Member) -> str:
    """Return `* 1.000 4000x3000 2.1 MB`."""
    pixels = f"{member.width}x{member.height}"
    return f"{'*' if member.keeper else ' '} {member.score:.3f} {pixels:>11} {in_bytes(member.bytes):>9}"


def _step(step: Operation | None, name: str, outs: str) -> str:
    if step is None:
        return f"stays   {name}"
    target = f" -> {shown(_below(step.target, outs))}" if step.target is not None else ""
    return f"{step.op:<7} {name}{target}"


def _notes(member: Member, keeper: str = "") -> str:
    frames = ""
    if member.frames_total > 1:
        part = f"{member.frames:,} of " if member.frames < member.frames_total else ""
        frames = f"{part}{member.frames_total:,} frames"
    words = [
        "reference" if member.reference else "",
        member.why,
        frames,
        "damaged" if member.damage else "",
        *member.flags,
        keeper,
    ]
    return f"  ({'; '.join(filter(None, words))})" if any(words) else ""


def _below(path: str, folder: str) -> str:
    prefix = folder.rstrip(os.sep) + os.sep
    return path[len(prefix) :] if folder and path.startswith(prefix) else path
