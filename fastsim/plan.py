"""From groups to a plan: which file goes where. Pure: nothing is touched, and equal input gives an equal plan."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fastsim.errors import shown
from fastsim.records import Group, GroupBy, MediaFile, Mode, Op, Operation, Plan, by_keeper, numbered

_OWN_NAMES = ("fastsim_plan.jsonl", "fastsim_journal.jsonl")
"""What apply writes into the output folder (a test holds these to the names that planfile and journal use)."""


def make_plan(
    groups: Sequence[Group],
    files: Mapping[int, MediaFile],
    *,
    mode: Mode,
    group_by: GroupBy,
    trash: bool,
    outs: str,
    header: dict[str, object],
) -> Plan:
    """What `mode` does to the files of `groups`, largest group first; `files` maps ids to files.

    Group modes: each group goes to `outs/group_00001` ..., under its files' own names; with `GroupBy.KEEPER` each
    keeper makes a group with the files that it covers, if any. Clean modes: every file but the keepers goes to its path
    below its input in `outs`, or is deleted, or with `trash` put into the desktop's trash.

    No two operations share a source or a target, on file systems that ignore case too: a name that is taken gets a
    suffix. In clean modes no keeper is a source, and each operation names its keeper and their score.
    """
    outs = os.path.abspath(outs)
    if mode in (Mode.GROUP_COPY, Mode.GROUP_MOVE):
        op = Op.COPY if mode == Mode.GROUP_COPY else Op.MOVE
        sets = groups if group_by == GroupBy.COMPONENT else by_keeper(groups)
        operations = _group((group.ids.tolist() for group in sets), files, op, outs)
    elif mode == Mode.CLEAN_MOVE:
        operations = _clean(groups, files, Op.MOVE, outs)
    else:
        operations = _clean(groups, files, Op.TRASH if trash else Op.DELETE, outs)
    return Plan(outs, tuple(operations), header)


def describe(plan: Plan) -> Iterator[str]:
    """The plan in words, one operation a line, in the order in which apply runs them."""
    for one in plan.operations:
        line = f"{one.op:<6} {shown(one.source)}"
        if one.target is not None:
            line += f" -> {shown(one.target)}"
        if one.keeper is not None:
            line += f"  (kept: {shown(one.keeper)}, score {one.score:.4f})"
        yield line


def _group(sets: Iterable[list[int]], files: Mapping[int, MediaFile], op: Op, outs: str) -> Iterator[Operation]:
    names = _Names(())
    for number, ids in enumerate(sets, 1):
        for member in ids:
            file = files[member]
            target = names.free(os.path.join(f"group_{number:05d}", _name(file.path)))
            yield Operation(op, file.path, os.path.join(outs, target), file.snapshot)


def _clean(groups: Sequence[Group], files: Mapping[int, MediaFile], op: Op, outs: str) -> Iterator[Operation]:
    leaving = [
        (files[member], files[keeper], score)
        for group in groups
        for member, keeper, score in group.members()
        if member != keeper
    ]
    relatives = [file.relative if op == Op.MOVE else "" for file, _, _ in leaving]
    names = _Names(relatives)
    for (file, keeper, score), relative in zip(leaving, relatives, strict=True):
        target = os.path.join(outs, names.free(relative)) if op == Op.MOVE else None
        yield Operation(op, file.path, target, file.snapshot, keeper.path, score, keeper.snapshot)


class _Names:
    """Hands out paths below the output folder, each once. A folder of one input may not be a file of another."""

    def __init__(self, relatives: Iterable[str]) -> None:
        self._taken = {_folded(name) for name in _OWN_NAMES}
        self._next: dict[str, int] = {}
        for folder in {os.path.split(relative)[0] for relative in relatives}:
            parent = folder
            while parent and (key := _folded(parent)) not in self._taken:
                self._taken.add(key)
                parent = os.path.split(parent)[0]

    def free(self, relative: str) -> str:
        """`relative`, or the first of name_2, name_3, ... that is free."""
        key = _folded(relative)
        candidate, folded = relative, key
        folder, name = os.path.split(relative)
        while folded in self._taken:
            number = self._next[key] = self._next.get(key, 1) + 1
            candidate = os.path.join(folder, numbered(name, number))
            folded = _folded(candidate)
        self._taken.add(folded)
        return candidate


def _folded(path: str) -> str:
    """Equal for paths that macOS or Windows take for one."""
    return unicodedata.normalize("NFC", path).casefold()


def _name(path: str) -> str:
    return os.path.split(path)[1]
