"""Groups as the page shows them: plain data, with names made fit for a screen."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsim.errors import shown
from fastsim.records.files import Snapshot
from fastsim.records.pairs import STATUSES
from fastsim.report.results import plural
from fastsim.review.rules import format_of
from fastsim.review.session import Session
from fastsim.review.views import Card, View, select

_MOST_ROWS = 400
_MOST_ORDERS = 8


class Rows:
    """What the page reads of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        files = session.found.files
        self.folder = _common_folder([os.path.dirname(file.path) for file in files])
        self._dated = [file.snapshot.mtime_ns for file in files]

    @cached_property
    def forms(self) -> list[str]:
        """The format of each file, by id."""
        return [format_of(file.path) for file in self._session.found.files]

    @cached_property
    def _folded(self) -> list[str]:
        return [shown(file.path).casefold() for file in self._session.found.files]

    def order(self, view: View) -> list[Sequence[int]]:
        """Return the groups of a view, in its order: the same for each call with the same stamp."""
        session = self._session
        with session.lock:
            if view not in session.orders:
                while len(session.orders) >= _MOST_ORDERS:
                    session.orders.pop(next(iter(session.orders)))
                session.orders[view] = select(self._cards(), view)
            return session.orders[view]

    def page(self, view: View, start: int, stop: int) -> dict[str, Any]:
        """Rows `start` to `stop` of a view, and how many there are."""
        with self._session.lock:
            order = self.order(view)
            start, stop = max(0, start), min(stop, start + _MOST_ROWS, len(order))
            return {
                "revision": self._session.revision,
                "total": len(order),
                "from": start,
                "rows": [self.row(members) for members in order[start:stop]],
            }

    def row(self, members: Sequence[int]) -> dict[str, Any]:
        """One group."""
        session = self._session
        stays = session.stays()
        files = [self._file(file, bool(stays[file]), members) for file in members]
        together = [file for file in members if session.grouping.group_of[file] >= 0]
        going = [file for file in together if not stays[file] and file not in session.places]
        return {
            "files": files,
            "state": self._state(together, stays),
            "score": round(float(min((session.grouping.score[file] for file in members), default=1.0)), 4),
            "gain": int(session.bytes[going].sum()),
        }

    def _state(self, members: Sequence[int], stays: NDArray[np.bool_]) -> str:
        session = self._session
        if not members:
            return "apart"
        if not stays[members].any() and not session.confirmed[members].all():
            return "blocked"
        if not session.done[members].all():
            return "undecided"
        by_rule = session.grouping.stays()[members]
        return "changed" if (stays[members] != by_rule).any() else "decided"

    def _file(self, file: int, stays: bool, members: Sequence[int]) -> dict[str, Any]:
        session = self._session
        one, place = session.found.files[file], session.places.get(file)
        width, height = session.found.sizes[file].tolist()
        folder, name = os.path.split(one.path)
        keeper = int(session.grouping.keeper[file])
        told: dict[str, Any] = {
            "id": file, "name": shown(name), "folder": shown(self.below(folder)), "width": width, "height": height,
            "bytes": one.snapshot.size, "form": self.forms[file], "date": one.snapshot.mtime_ns // 10**9,
            "score": round(float(session.grouping.score[file]), 4), "keep": stays, "rule": keeper == file,
            "keeper": keeper, "own": int(session.keep[file]) >= 0, "done": bool(session.done[file]),
            "version": f"{one.snapshot.mtime_ns:x}{'' if place is None else f'-{place.run}'}",
        }  # fmt: skip
        if session.grouping.group_of[file] < 0:
            told["single"] = True
        if one.reference:
            told["reference"] = True
        if file in session.found.damage:
            told["damage"] = session.found.damage[file]
        if file in session.found.frames:
            told["frames"] = session.found.frames[file][1]
        if place is not None:
            told["went"] = place.op if place.target is None else f"{place.op} to {shown(place.target)}"
        elif problem := _problem(one.path, one.snapshot):
            told["problem"] = problem
        told["why"] = self._why(file, members) if keeper == file else self._relation(file, keeper)
        return told

    def _why(self, file: int, members: Sequence[int]) -> str:
        """Why the rules keep a file."""
        session = self._session
        covered = [one for one in members if one != file and int(session.grouping.keeper[one]) == file]
        if not covered:
            return ""
        return session.ranking.why(file, min(covered, key=lambda one: int(session.ranking.rank[one])))

    def _relation(self, file: int, keeper: int) -> str:
        """Return what verification says of a file and its keeper."""
        pair = self.pair(file, keeper)
        return str(pair["words"]) if pair else ""

    def pair(self, one: int, other: int) -> dict[str, Any] | None:
        """Return what is known of a pair of files: score, status, transform; None if it is not stored."""
        found = self._session.found
        low, high = min(one, other), max(one, other)
        place = int(found.places_of(np.array([low * len(found) + high]))[0])
        if place < 0:
            return None
        status = int(found.status[place])
        digest = found.files[low].snapshot.digest
        told: dict[str, Any] = {"left": low, "right": high, "score": round(float(found.score[place]), 4), "words": ""}
        if digest is not None and digest == found.files[high].snapshot.digest:
            told["words"] = "equal, byte by byte"
        if status >= 0:
            told["status"] = STATUSES[status].value
        if (transform := found.transforms.get(place)) is not None:
            from fastsim.report.pairs import in_words

            names = [shown(os.path.basename(found.files[file].path)) for file in (low, high)]
            told["words"] = told["words"] or in_words(transform, *names)
            told["transform"] = {
                "scale": transform.scale, "rotation": transform.rotation, "mirrored": transform.mirrored,
                "left": transform.rectangle_left, "right": transform.rectangle_right,
            }  # fmt: skip
        return told

    def below(self, folder: str) -> str:
        """Return a path below the folder that all files have in common."""
        if self.folder and (folder == self.folder or folder.startswith(self.folder.rstrip(os.sep) + os.sep)):
            return os.path.relpath(folder, self.folder)
        return folder

    def _cards(self) -> list[Card]:
        session = self._session
        stays, grouping = session.stays(), session.grouping
        going = np.where(stays | session.gone(), 0, session.bytes).tolist()
        scores, decided = grouping.score.tolist(), session.decided().tolist()
        blocked = set(session.blocked())
        by_hand = (stays != grouping.stays()).tolist()
        cards = []
        for number, members in enumerate(grouping.members):
            if not members:
                continue
            state = "decided" if decided[number] else "undecided"
            if state == "decided" and any(by_hand[file] for file in members):
                state = "changed"
            cards.append(
                Card(
                    members,
                    min(scores[file] for file in members),
                    sum(going[file] for file in members),
                    max(self._dated[file] for file in members),
                    [self._folded[file] for file in members],
                    frozenset(self.forms[file] for file in members),
                    "blocked" if number in blocked else state,
                )
            )
        return cards


def _problem(path: str, seen: Snapshot) -> str:
    try:
        return "" if Snapshot.of(path) == seen else "changed since it was compared; it will be left alone"
    except OSError:
        return "not there any more"


def _common_folder(folders: Sequence[str]) -> str:
    try:
        common = os.path.commonpath(set(folders))
    except ValueError:  # no file at all, or several drives
        return ""
    return "" if os.path.dirname(common) == common else common


def totals(session: Session) -> Mapping[str, Any]:
    """Return the numbers at the top of the page."""
    stays, grouping = session.stays(), session.grouping
    going = (grouping.group_of >= 0) & ~stays & ~session.gone()
    decided = session.decided()
    of_decided = going & decided[grouping.group_of] if len(decided) else going
    groups = sum(map(bool, grouping.members))
    return {
        "groups": groups,
        "decided": int(decided.sum()),
        "files": int((grouping.group_of >= 0).sum()),
        "going": int(going.sum()),
        "bytes": int(session.bytes[going].sum()),
        "decided_going": int(of_decided.sum()),
        "decided_bytes": int(session.bytes[of_decided].sum()),
        "blocked": len(session.blocked()),
        "words": f"{plural(groups, 'group')}, {plural(int(going.sum()), 'file')} could go",
    }
