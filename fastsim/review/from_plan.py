"""A review of a plan, or of the run that carried it out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastsim import config
from fastsim.config import Compute
from fastsim.embed_files import to_vectors
from fastsim.errors import UsageError, shown
from fastsim.files import plan_file
from fastsim.files.journal import JOURNAL_NAME, Entry, read_run
from fastsim.inputs.sidecars import Sidecars
from fastsim.pipeline import Findings
from fastsim.records.files import LeftOut, MediaFile, Snapshot
from fastsim.records.pairs import STATUSES, Group, Status
from fastsim.records.plans import Op, Operation, Plan
from fastsim.review import build
from fastsim.review.found import Found
from fastsim.review.store import Place, Store
from fastsim.run.progress import Progress

_GROUPED = (Op.COPY, Op.MOVE)


@dataclass(frozen=True, slots=True)
class _Members:
    """The files of a plan, and its groups as lists of places in `files`, the keeper of each first."""

    files: list[tuple[str, Snapshot]]
    groups: list[list[int]]
    scores: Mapping[tuple[int, int], float]


def create(path: str, where: Path, compute: Compute, progress: Progress) -> Store:
    """Store the plan `path` (or that of the output folder `path`) as a review at `where`. Raises UsageError."""
    plan = plan_file.read_plan(path)
    folder = os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path))
    entries = _entries(folder)
    if entries:
        plan = plan_file.relocated(plan, folder)
    members = _members(plan)
    if not members.groups:
        raise UsageError(f"{shown(path)}: the plan holds no groups; there is nothing to review")
    moved = {one.operation.source: one for one in entries if one.done and not one.undone}
    found = _scored(plan, members, moved, compute, progress)
    store = Store.create(where, found)
    if entries:
        _note_run(store, plan.outs, entries)
    return store


def _scored(plan: Plan, members: _Members, moved: Mapping[str, Entry], compute: Compute, progress: Progress) -> Found:
    """Score the files of a plan with each other; vectors come from the cache where the run has left them."""
    references = _references(plan)
    files = tuple(
        MediaFile(i, path, os.path.dirname(path), shot, reference=path.startswith(references))
        for i, (path, shot) in enumerate(members.files)
    )
    now = tuple(replace(file, path=_now(file.path, moved)) for file in files)
    embeddings, _, ran = to_vectors(now, compute, progress, {})
    there = set(embeddings.ids.tolist())
    groups = [_group([i for i in ids if i in there], members) for ids in members.groups]
    groups = [group for group in groups if len(group) > 1]
    removed = {
        one.source for one in plan.operations if one.keeper is not None and one.part_of is None
    }  # fmt: skip
    run = Findings(
        files, (), replace(embeddings, device=None), groups, ran, LeftOut(), Sidecars((), pairs=True, sidecars=True), {}, 0,
        digests=embeddings.digests,
    )  # fmt: skip
    header = plan.header
    thres = header.get("thres")
    settings: dict[str, Any] = {
        "thres": float(thres) if isinstance(thres, int | float) else config.DEFAULT_THRES, "verify": False, "pairs": True,
        "sidecars": True, "argv": header.get("argv"), "outs": plan.outs, "title": shown(plan.outs),
        "rules": ["plan"] if removed else [],
    }  # fmt: skip
    found = build.found_of(run, settings, workers=compute.workers, device=compute.device)
    gone = [file.id for file in found.files if file.path in removed]
    settings = {**found.settings, "removed": gone}
    if header.get("verify"):  # its groups are confirmed copies; a low score says nothing against them
        stars = {tuple(sorted((group.ids[0], other))) for group in groups for other in group.ids[1:].tolist()}
        paths = {tuple(sorted((files[a].path, files[b].path))) for a, b in stars}
        copy = np.array(
            [
                tuple(sorted((found.files[a].path, found.files[b].path))) in paths
                for a, b in zip(found.left.tolist(), found.right.tolist(), strict=True)
            ]
        )
        status = np.where(copy, STATUSES.index(Status.COPY), STATUSES.index(Status.UNKNOWN)).astype(np.int8)
        return replace(found, status=status, settings={**settings, "verify": True})
    return replace(found, settings=settings)


def _references(plan: Plan) -> tuple[str, ...]:
    """Return the reference folders of the run that made the plan, each with a separator at its end."""
    folders = plan.header.get("references")
    return tuple(os.path.join(one, "") for one in folders if isinstance(one, str)) if isinstance(folders, list) else ()


def _group(ids: Sequence[int], members: _Members) -> Group:
    first = ids[0] if ids else -1
    scores = [1.0 if i == first else members.scores.get((first, i), 1.0) for i in ids]
    return Group(np.array(ids, np.int64), np.full(len(ids), first, np.int64), np.array(scores, np.float32))


def _members(plan: Plan) -> _Members:
    place: dict[str, int] = {}
    files: list[tuple[str, Snapshot]] = []
    groups: dict[str, list[int]] = {}
    scores: dict[tuple[int, int], float] = {}

    def number(path: str, shot: Snapshot) -> int:
        if path not in place:
            place[path] = len(files)
            files.append((path, shot))
        return place[path]

    for one in plan.operations:
        if one.part_of is not None:
            continue
        if one.keeper is not None:
            keeper = number(one.keeper, one.keeper_snapshot or one.snapshot)
            mine = number(one.source, one.snapshot)
            groups.setdefault(one.keeper, [keeper]).append(mine)
            scores[keeper, mine] = 1.0 if one.score is None else one.score
        elif one.op in _GROUPED and one.target is not None:
            groups.setdefault(_folder(one), []).append(number(one.source, one.snapshot))
    return _Members(files, [ids for ids in groups.values() if len(ids) > 1], scores)


def _folder(one: Operation) -> str:
    return os.path.dirname(one.target or "")


def _entries(folder: str) -> list[Entry]:
    journal = os.path.join(folder, JOURNAL_NAME)
    return list(read_run(journal)[1]) if os.path.exists(journal) else []


def _now(path: str, moved: Mapping[str, Entry]) -> str:
    entry = moved.get(path)
    if entry is not None and entry.operation.op == Op.MOVE and entry.operation.target is not None:
        return entry.operation.target
    return path


def _note_run(store: Store, outs: str, entries: Sequence[Entry]) -> None:
    """Record the run that carried the plan out, so that the page can take it back."""
    ids = {file.path: file.id for file in store.found().files}
    done = [one for one in entries if one.done and not one.undone]
    with store.change() as change:
        run = change.begin_run(outs)
        state = "done" if all(not one.pending for one in entries) else "stopped"
        told: dict[str, Any] = {
            "operations": len(entries),
            "done": len(done),
            "op": entries[0].operation.op.value,
            "words": [],
        }
        change.end_run(run, state, told)
        change.place(
            {
                ids[one.operation.source]: Place(run, one.operation.op.value, one.operation.target)
                for one in done
                if one.operation.source in ids and one.operation.op != Op.COPY
            }
        )
