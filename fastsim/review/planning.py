"""From decisions to a plan: the same operations, sidecars and checks as those of `fastsim images`."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from fastsim import __version__, config, pipeline
from fastsim.choices import GroupBy, Mode
from fastsim.embed_files import Environment
from fastsim.embedding import RanOn
from fastsim.errors import UsageError
from fastsim.files.plan import make_plan
from fastsim.files.unchanged import with_digests
from fastsim.grouping.keep_order import Reason
from fastsim.inputs import formats, raw_pairs
from fastsim.inputs.references import References
from fastsim.inputs.sidecars import Sidecars
from fastsim.planning import Settled, settle_units
from fastsim.records.files import LeftOut, MediaFile, Snapshot
from fastsim.records.pairs import Group
from fastsim.records.plans import Operation, Plan
from fastsim.records.rows import Embeddings
from fastsim.review.session import Session

NO_COPY = "fastsim_no_copy_kept"
"""Folder in the output folder for groups that lose every copy: they are moved, never deleted."""


class Action(StrEnum):
    """What becomes of the files that go."""

    MOVE = "move"
    TRASH = "trash"
    DELETE = "delete"


class Scope(StrEnum):
    """Which groups are carried out."""

    DECIDED = "decided"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what it leaves out. blocked: groups (ids) that would lose every copy and were not confirmed."""

    plan: Plan
    settled: Settled
    groups: int
    blocked: list[Sequence[int]]
    losing: int
    """Files of confirmed groups that lose every copy."""


def plan_review(session: Session, action: Action, scope: Scope, outs: str) -> Planned:
    """Return what applying the review would do now. No file is changed.

    Raises UsageError for a deletion of undecided groups below the threshold that deletions need.
    """
    with session.lock:
        if action == Action.DELETE and scope == Scope.ALL and session.thres < config.DELETE_THRES:
            raise UsageError(
                f"groups that nobody has looked at are not deleted below a threshold of {config.DELETE_THRES:g} "
                f"(got {session.thres:g}); decide them first, or move the files"
            )
        chosen, losing, blocked = _sorted_out(session, scope)
        clean = _findings(session, [_group(session, *parts) for parts in chosen])
        lost = _findings(session, [Group(*_alone(session, files)) for files in losing])
    mode = Mode.CLEAN_MOVE if action == Action.MOVE else Mode.CLEAN_DELETE
    settled, kept = settle_units(clean, mode, GroupBy.COMPONENT), settle_units(lost, Mode.GROUP_MOVE, GroupBy.COMPONENT)
    header: dict[str, object] = {
        "version": __version__, "argv": _argv(session), "mode": mode.value, "thres": session.thres, "review": True,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    files = dict(enumerate(session.found.files))
    plan = make_plan(
        clean.groups, files, mode=mode, group_by=GroupBy.COMPONENT, trash=action == Action.TRASH, outs=outs,
        header=header, units=settled.units,
    )  # fmt: skip
    moved = make_plan(
        lost.groups, files, mode=Mode.GROUP_MOVE, group_by=GroupBy.COMPONENT, trash=False,
        outs=os.path.join(outs, NO_COPY), header=header, units=kept.units,
    )  # fmt: skip
    steps = (*(_without_nan(one) for one in plan.operations), *moved.operations)
    return Planned(replace(plan, operations=steps), settled, len(chosen), blocked, sum(map(len, losing)))


def ready(planned: Planned, action: Action) -> Plan:
    """Return the plan as apply needs it: with digests where files are deleted."""
    return with_digests(planned.plan) if action == Action.DELETE else planned.plan


def _argv(session: Session) -> list[str]:
    """Return the command line that found what is reviewed."""
    argv = session.found.settings.get("argv")
    return [str(word) for word in argv] if isinstance(argv, list) else list(sys.argv)


_Parts = tuple[list[int], list[int]]


def _sorted_out(session: Session, scope: Scope) -> tuple[list[_Parts], list[list[int]], list[Sequence[int]]]:
    """((kept, gone) of groups that keep a file, files of confirmed groups that keep none, the members of blocked ones)."""
    stays, decided = session.stays(), session.decided()
    chosen: list[_Parts] = []
    losing: list[list[int]] = []
    blocked: list[Sequence[int]] = []
    for number, members in enumerate(session.grouping.members):
        here = [file for file in members if file not in session.places]
        if not members or (scope == Scope.DECIDED and not decided[number]):
            continue
        kept, gone = [file for file in here if stays[file]], [file for file in here if not stays[file]]
        if any(stays[file] for file in members):
            if kept and gone:
                chosen.append((kept, gone))
        elif session.confirmed[list(members)].all():
            losing.append(gone)
        else:
            blocked.append(members)
    return chosen, [files for files in losing if files], blocked


def _group(session: Session, kept: list[int], gone: list[int]) -> Group:
    """Return a group with the keeper of each file that goes: that of the rules, or else the most similar one that stays."""
    keeper, score = session.grouping.keeper, session.grouping.score
    kept = sorted(kept, key=lambda file: int(session.ranking.rank[file]))
    staying = set(kept)
    pairs_of = [
        (int(keeper[file]), float(score[file])) if int(keeper[file]) in staying else _nearest(session, file, kept)
        for file in gone
    ]
    return Group(
        np.array([*kept, *gone], np.int64),
        np.array([*kept, *(one for one, _ in pairs_of)], np.int64),
        np.array([*(1.0 for _ in kept), *(value for _, value in pairs_of)], np.float32),
    )


def _nearest(session: Session, file: int, kept: Sequence[int]) -> tuple[int, float]:
    """Return the file of `kept` that is most similar to `file`, and its score; NaN if no score is known."""
    found, n = session.found, len(session.found)
    codes = np.array([min(file, other) * n + max(file, other) for other in kept], np.int64)
    places = found.places_of(codes)
    scores = np.where(places >= 0, found.score[np.maximum(places, 0)], -1.0)
    best = int(np.argmax(scores))
    if places[best] >= 0:
        return kept[best], float(scores[best])
    vectors = session.store.vectors()
    if vectors is None:
        return kept[0], math.nan
    rows = vectors[[file, *kept]].astype(np.float32)
    scores = rows[1:] @ rows[0] / np.maximum(np.linalg.norm(rows[1:], axis=1) * np.linalg.norm(rows[0]), 1e-9)
    best = int(np.argmax(scores))
    return kept[best], float(scores[best])


def _alone(session: Session, files: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    del session
    ids = np.array(files, np.int64)
    return ids, ids, np.ones(len(ids), np.float32)


def _without_nan(one: Operation) -> Operation:
    """Return an operation without its score if that is not known."""
    unknown = one.score is not None and math.isnan(one.score)
    return replace(one, score=None if unknown else one.score, why=one.why or "chosen in review")


def _findings(session: Session, groups: list[Group]) -> pipeline.Findings:
    """Return a review as the findings of a run."""
    found = session.found
    bare = Embeddings(
        np.arange(len(found)), np.zeros((len(found), 1), np.float16), found.sizes, damage=found.damage,
    )  # fmt: skip
    whole = {int(one.keeper[0]) for one in groups if len(one)}
    reasons = {
        keeper: session.ranking.why(keeper, int(one.ids[-1])) or "chosen in review"
        for one in groups
        if (keeper := int(one.keeper[0])) in whole
    }
    ran = Environment(RanOn("cpu", "", "not run"), "", "", None, 0)
    kept = {place: Reason(why, "") for place, why in reasons.items() if why}
    return pipeline.Findings(
        found.files,
        (),
        bare,
        groups,
        ran,
        LeftOut(),
        _sidecars(session),
        kept,
        0,
        references=References(session.found.settings.get("references", ()), session.found.settings.get("inputs", ())),
    )


def _sidecars(session: Session) -> Sidecars:
    """Return what belongs to the images of the review. Images beside them that are similar to nothing own files, too."""
    settings = session.found.settings
    keep_pairs, sidecars = bool(settings.get("pairs", True)), bool(settings.get("sidecars", True))
    known = [file.path for file in session.found.files]
    if not (keep_pairs or sidecars):
        return Sidecars(known, pairs=False, sidecars=False)
    paths = dict.fromkeys([*known, *_pictures({os.path.dirname(path) for path in known})])
    if keep_pairs:
        nothing = Snapshot(0, 0, 0)
        files = tuple(MediaFile(i, path, os.path.dirname(path), nothing) for i, path in enumerate(paths))
        paths = dict.fromkeys([*known, *(file.path for file in raw_pairs.without_paired_raws(files)[0])])
    return Sidecars(paths, pairs=keep_pairs, sidecars=sidecars)


def _pictures(folders: Iterable[str]) -> Iterable[str]:
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            known = formats.by_suffix(name)
            if known is not None and known.kind == formats.Kind.IMAGE:
                yield os.path.join(folder, name)
