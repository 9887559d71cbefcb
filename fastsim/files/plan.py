"""Make a plan from groups: which file goes where. No file is touched, and equal input gives an equal plan."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fastsim.choices import LINK_MODES, GroupBy, Mode
from fastsim.errors import shown
from fastsim.inputs.names import folded_name
from fastsim.records.files import Companion, MediaFile
from fastsim.records.pairs import Group, by_keeper
from fastsim.records.plans import MOVES, Op, Operation, Plan, numbered

_OWN_NAMES = ("fastsim_plan.jsonl", "fastsim_journal.jsonl")
"""Names that apply writes into the output folder (a test compares them with those of plan_file and journal)."""


@dataclass(frozen=True, slots=True)
class Units:
    """What a plan knows besides the groups."""

    companions: Mapping[str, Sequence[Companion]] = field(default_factory=dict)
    """What goes with each image, by the image's path."""
    held: Mapping[int, str] = field(default_factory=dict)
    """Files that are kept although a keeper covers them, by id, with the reason."""
    reasons: Mapping[int, str] = field(default_factory=dict)
    """Why each keeper is kept, by id."""


def make_plan(
    groups: Sequence[Group],
    files: Mapping[int, MediaFile],
    *,
    mode: Mode,
    group_by: GroupBy,
    trash: bool,
    outs: str,
    header: dict[str, object],
    units: Units | None = None,
) -> Plan:
    """Return what `mode` does to the files of `groups`, largest group first; `files` maps ids to files.

    Group modes: each group goes to `outs/group_00001` ..., under its files' own names; with `GroupBy.KEEPER` each
    keeper makes a group with the files that it covers, if any. Clean modes: every file except the keepers goes to its
    path below its input in `outs`, or is deleted, or with `trash` moved to the desktop's trash. Link modes: as
    `clean_move`, and a link to its keeper takes the place of each file. What goes with an image (`units`) comes right
    after it, to the same place, under a name that still belongs to the image's.

    No two operations share a source or a target, on file systems that ignore case too: a name that is taken gets a
    suffix. In clean modes no keeper is a source, and each operation names its keeper and their score.
    """
    outs, units = os.path.abspath(outs), units or Units()
    if mode in (Mode.GROUP_COPY, Mode.GROUP_MOVE):
        op = Op.COPY if mode == Mode.GROUP_COPY else Op.MOVE
        operations = _group(_sets(groups, files, mode, group_by), files, op, outs, units)
    elif mode in (Mode.CLEAN_MOVE, Mode.LIST):
        operations = _clean(groups, files, Op.MOVE, outs, units)
    elif mode in LINK_MODES:
        operations = _clean(groups, files, Op(mode.value), outs, units)
    else:
        operations = _clean(groups, files, Op.TRASH if trash else Op.DELETE, outs, units)
    return Plan(outs, tuple(operations), header)


def describe(plan: Plan) -> Iterator[str]:
    """Yield the plan in words, one operation per line, in the order in which apply runs them."""
    for one in plan.operations:
        line = f"{one.op:<6} {shown(one.source)}"
        if one.target is not None:
            line += f" -> {shown(one.target)}"
        if one.keeper is not None:
            why = f", {one.why}" if one.why else ""
            score = f", score {one.score:.4f}" if one.score is not None else ""
            line += f"  (kept: {shown(one.keeper)}{score}{why})"
        if one.part_of is not None:
            line += f"  (goes with {shown(_name(one.part_of))})"
        yield line


def leaving(groups: Sequence[Group], files: Mapping[int, MediaFile], mode: Mode, group_by: GroupBy) -> list[int]:
    """Return the ids of the files that `mode` copies or removes, in the order of the plan."""
    if mode in (Mode.GROUP_COPY, Mode.GROUP_MOVE):
        return [member for members in _sets(groups, files, mode, group_by) for member in members]
    return [
        member for group in groups for member, keeper, _ in group.members()
        if member != keeper and not files[member].reference
    ]  # fmt: skip


def _sets(groups: Sequence[Group], files: Mapping[int, MediaFile], mode: Mode, group_by: GroupBy) -> list[list[int]]:
    """Return the files of each folder of a group mode. References are copied, and never moved."""
    sets = groups if group_by == GroupBy.COMPONENT else by_keeper(groups)
    stays = {i for i, file in files.items() if file.reference} if mode == Mode.GROUP_MOVE else set()
    return [[member for member in group.ids.tolist() if member not in stays] for group in sets]


def _group(
    sets: Iterable[list[int]], files: Mapping[int, MediaFile], op: Op, outs: str, units: Units
) -> Iterator[Operation]:
    names = _Names(())
    for number, ids in enumerate(sets, 1):
        for member in ids:
            file = files[member]
            relative = os.path.join(f"group_{number:05d}", _name(file.path))
            yield from _unit(Operation(op, file.path, relative, file.snapshot), names, outs, units)


def _clean(
    groups: Sequence[Group], files: Mapping[int, MediaFile], op: Op, outs: str, units: Units
) -> Iterator[Operation]:
    parts = [
        (files[member], files[keeper], score)
        for group in groups
        for member, keeper, score in group.members()
        if member != keeper and member not in units.held and not files[member].reference
    ]
    names = _Names(file.relative for file, _, _ in parts) if op in MOVES else _Names(())
    for file, keeper, score in parts:
        target = file.relative if op in MOVES else None
        one = Operation(op, file.path, target, file.snapshot, keeper.path, score, keeper.snapshot)
        yield from _unit(replace(one, why=units.reasons.get(keeper.id)), names, outs, units)


def _unit(picture: Operation, names: _Names, outs: str, units: Units) -> Iterator[Operation]:
    """Yield the operation of an image, its target still below `outs`, and those of the files that go with it."""
    companions = units.companions.get(picture.source, ())
    beside = [_name(one.path) for one in companions]
    targets: list[str | None] = [None] * (1 + len(beside))
    if picture.target is not None:
        targets = [os.path.join(outs, name) for name in names.free(picture.target, beside)]
    yield replace(picture, target=targets[0])
    for one, target in zip(companions, targets[1:], strict=True):
        yield replace(picture, source=one.path, target=target, snapshot=one.snapshot, part_of=picture.source)


class _Names:
    """Assign paths below the output folder, each once. A folder of one input may not be a file of another."""

    def __init__(self, relatives: Iterable[str]) -> None:
        self._taken = {folded_name(name) for name in _OWN_NAMES}
        self._next: dict[str, int] = {}
        for folder in {os.path.split(relative)[0] for relative in relatives}:
            parent = folder
            while parent and (key := folded_name(parent)) not in self._taken:
                self._taken.add(key)
                parent = os.path.split(parent)[0]

    def free(self, relative: str, beside: Sequence[str] = ()) -> list[str]:
        """Return `relative`, or the first free one of name_2, name_3, ..., and matching names for `beside`."""
        key = folded_name(relative)
        folder, name = os.path.split(relative)
        found = [relative, *(os.path.join(folder, one) for one in beside)]
        while not self._are_free(found):
            number = self._next[key] = self._next.get(key, 1) + 1
            new = numbered(name, number)
            found = [os.path.join(folder, one) for one in (new, *(matching(one, name, new) for one in beside))]
        self._taken.update(map(folded_name, found))
        return found

    def _are_free(self, names: Sequence[str]) -> bool:
        folded = {folded_name(name) for name in names}
        return len(folded) == len(names) and folded.isdisjoint(self._taken)


def matching(name: str, picture: str, renamed: str) -> str:
    """Return the name of a file that belongs to `picture` once that is called `renamed`: a.xmp becomes a_2.xmp."""
    stem, new_stem = os.path.splitext(picture)[0], os.path.splitext(renamed)[0]
    if not folded_name(name).startswith(folded_name(stem)):
        return renamed + os.path.splitext(name)[1]
    return new_stem + (name[len(stem) :] or os.path.splitext(name)[1])


def _name(path: str) -> str:
    return os.path.split(path)[1]
