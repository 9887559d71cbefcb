"""The routes: what the page asks for, and what it may change. Files are named by id, never by path."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import numpy as np

from fastsim.decode.picture import UnreadableError
from fastsim.errors import UsageError, shown
from fastsim.files.plan_file import plan_digest
from fastsim.records.plans import Operation
from fastsim.report.results import in_bytes, plural
from fastsim.review.advice import Advice
from fastsim.review.groups import regroup
from fastsim.review.pictures import NO_PICTURE, SIZES, Pictures
from fastsim.review.planning import Action, Planned, Scope, plan_review
from fastsim.review.rows import Rows, totals
from fastsim.review.rules import NAMES
from fastsim.review.runs import Runs
from fastsim.review.server import Answer, Request
from fastsim.review.session import Session
from fastsim.review.static_files import StaticFiles, parts_of
from fastsim.review.views import View

_FRESH = {"Cache-Control": "private, max-age=86400"}
"""For images, whose address has the version of the file in it."""
_BINS = 40
_MOST_STEPS, _MOST_BLOCKED = 200, 60


class Routes:
    """Answers requests for one review. Raises LookupError for what is not there, FastsimError and ValueError."""

    def __init__(self, session: Session, runs: Runs, pictures: Pictures) -> None:
        self.session, self.runs, self.pictures = session, runs, pictures
        self.rows = Rows(session)
        self._advice = Advice(session, self.rows)
        self._static = StaticFiles()
        self._exact: Mapping[tuple[str, str], Callable[[Request], Answer]] = {
            ("GET", "/api/summary"): self._summary,
            ("GET", "/api/rows"): self._rows,
            ("GET", "/api/pair"): self._pair,
            ("GET", "/api/plan"): self._plan,
            ("GET", "/api/threshold"): self._threshold,
            ("POST", "/api/decide"): self._decide,
            ("POST", "/api/rules"): self._rules,
            ("POST", "/api/apply"): self._apply,
            ("POST", "/api/undo"): self._undo,
        }

    def __call__(self, request: Request) -> Answer:
        """Answer a request."""
        if (exact := self._exact.get((request.method, request.path))) is not None:
            return exact(request)
        if request.method != "GET":
            raise LookupError(request.path)
        kind, name = parts_of(request.path)
        if kind == "static":
            return self._static.answer(name)
        number = self._id(name)
        return self._thumbnail(number, request) if kind == "thumb" else self._whole(number, request)

    def _id(self, text: object) -> int:
        if not re.fullmatch(r"\d{1,12}", str(text)):
            raise LookupError(text)
        self.session.check_ids([int(str(text))])
        return int(str(text))

    def _thumbnail(self, number: int, request: Request) -> Answer:
        size = int(request.query.get("s", SIZES[0]))
        if size not in SIZES:
            raise ValueError(f"s: {', '.join(map(str, SIZES))}")
        try:
            file = self.session.found.files[number]
            data = self.pictures.thumbnail(file, self.session.places.get(number), size)
        except (OSError, UnreadableError):
            return Answer(NO_PICTURE, "image/svg+xml")
        return Answer(data, "image/jpeg", headers=_FRESH)

    def _whole(self, number: int, request: Request) -> Answer:
        file, place = self.session.found.files[number], self.session.places.get(number)
        if "about" in request.query:
            return Answer.json(self.pictures.about(file, place))
        try:
            whole = self.pictures.whole(file, place)
        except (OSError, UnreadableError):
            return Answer(NO_PICTURE, "image/svg+xml")
        return Answer(whole.data, whole.kind, headers=_FRESH, path=whole.path)

    def _summary(self, _request: Request) -> Answer:
        return Answer.json(self.summary())

    def summary(self) -> dict[str, Any]:
        """Return what the page shows besides the groups."""
        session = self.session
        with session.lock:
            settings = session.found.settings
            floor = float(settings.get("floor", 0.0))
            counts, _ = np.histogram(session.found.score, _BINS, (floor, 1.0 + 1e-6))
            return {
                "revision": session.revision, "title": settings.get("title", ""), "folder": shown(self.rows.folder),
                "thres": session.thres, "floor": floor, "verify": bool(settings.get("verify")), "rules": session.rules,
                "rule_names": NAMES, "forms": sorted(set(self.rows.forms)), "histogram": counts.tolist(),
                "scanned": settings.get("scanned", len(session.found)), "history": session.store.history(),
                "outs": shown(self.runs.outs), "runs": self.runs.told(), "progress": self.runs.progress(),
                **totals(session),
            }  # fmt: skip

    def _rows(self, request: Request) -> Answer:
        view = View.from_query(request.query)
        start, stop = (int(request.query.get(name, 0)) for name in ("from", "to"))
        page = self.rows.page(view, start, stop)
        if "sizes" in request.query:
            page["sizes"] = [len(members) for members in self.rows.order(view)]
        return Answer.json(page)

    def _pair(self, request: Request) -> Answer:
        left, right = self._id(request.query.get("left")), self._id(request.query.get("right"))
        return Answer.json(self.rows.pair(left, right) or {})

    def _threshold(self, request: Request) -> Answer:
        at = float(request.query.get("at", self.session.thres))
        return Answer.json(self._advice.around(at))

    def _plan(self, request: Request) -> Answer:
        action, scope = _words(request.query)
        planned = plan_review(self.session, action, scope, self.runs.free_outs())
        return Answer.json(self._planned(planned))

    def _planned(self, planned: Planned) -> dict[str, Any]:
        plan, settled = planned.plan, planned.settled
        pictures = [one for one in plan.operations if one.part_of is None]
        size = sum(one.snapshot.size for one in plan.operations)
        words = [f"{plural(len(pictures), 'file')} of {plural(planned.groups, 'group')} would go: {in_bytes(size)}"]
        if sidecars := len(plan.operations) - len(pictures):
            words.append(f"{plural(sidecars, 'sidecar')} would go with them")
        if settled.units.held:
            words.append(f"{plural(len(settled.units.held), 'file')} would stay for a RAW file that has no copy")
        if settled.losses.fewer_pixels:
            words.append(
                f"in {plural(settled.losses.fewer_pixels, 'group')} a file stays that has fewer pixels than one that goes"
            )
        if planned.losing:
            words.append(
                f"{plural(planned.losing, 'file')} of groups that lose every copy would be moved, as you confirmed"
            )
        return {
            "digest": plan_digest(plan), "operations": len(plan.operations), "bytes": size, "outs": _here(plan.outs),
            "words": words, "steps": [self._step(one, plan.outs) for one in plan.operations[:_MOST_STEPS]],
            "blocked": [self.rows.row(members) for members in planned.blocked[:_MOST_BLOCKED]],
            "blocked_groups": len(planned.blocked),
        }  # fmt: skip

    def _step(self, one: Operation, outs: str) -> str:
        """One operation in words, with paths below the folder of the review."""
        line = f"{one.op:<6} {shown(self.rows.below(one.source))}"
        if one.target is not None and (there := os.path.relpath(one.target, outs)) != self.rows.below(one.source):
            line += f" \u2192 {shown(there)}"
        if one.keeper is not None:
            score = "" if one.score is None else f", {one.score:.3f}"
            line += f"   (kept: {shown(self.rows.below(one.keeper))}{score}{f', {one.why}' if one.why else ''})"
        return line

    def _decide(self, request: Request) -> Answer:
        """Record decisions.

        The body has `keep` {id: bool}, `done` [ids of a group], `reopen` [ids], `apart` [[id, id], ...], `confirm` [ids],
        `unconfirm` [ids], or `accept`: a view whose groups are decided as they stand.
        """
        body, session = request.body, self.session
        with session.lock:
            if "keep" in body:
                session.choose({self._id(file): bool(value) for file, value in dict(body["keep"]).items()})
            if "apart" in body:
                session.part([(self._id(one), self._id(other)) for one, other in body["apart"]])
            if "reopen" in body:
                session.reopen(self._ids(body["reopen"]))
            for word, confirmed in (("confirm", True), ("unconfirm", False)):
                if word in body:
                    session.confirm(self._ids(body[word]), confirmed)
            if "done" in body:
                session.finish([self._ids(body["done"])])
            if "accept" in body:
                session.finish(self._groups(body["accept"]), "decide all shown")
            return self._after(body)

    def _after(self, body: Mapping[str, Any]) -> Answer:
        """Return the new numbers, and the row that was changed."""
        told: dict[str, Any] = {
            "revision": self.session.revision, "history": self.session.store.history(), **totals(self.session)
        }  # fmt: skip
        if "row" in body:
            told["row"] = self.rows.row(self._ids(body["row"]))
        return Answer.json(told)

    def _ids(self, given: object) -> list[int]:
        if not isinstance(given, list):
            raise ValueError("a list of ids is needed")
        return [self._id(one) for one in given]

    def _groups(self, query: Mapping[str, object]) -> list[Sequence[int]]:
        """Return the groups of a view as they are now."""
        group_of, members = self.session.grouping.group_of, self.session.grouping.members
        numbers = {int(group_of[file]) for group in self.rows.order(View.from_query(query)) for file in group}
        return [members[number] for number in sorted(numbers) if number >= 0]

    def _rules(self, request: Request) -> Answer:
        """`thres`, `rules` for all groups, or `rules` with a `scope`: preview, shown (with a `view`) or decided."""
        body, session = request.body, self.session
        scope = body.get("scope", "all")
        if scope not in ("all", "preview", "shown", "decided"):
            raise UsageError(f"scope must be one of all, preview, shown, decided (got {str(scope)[:40]!r})")
        with session.lock:
            if scope == "all":
                thres = body.get("thres")
                session.settle(None if thres is None else float(thres), body.get("rules"))
                return Answer.json(self.summary())
            stays = regroup(session.found, session.thres, session.ranker.rank(body["rules"]), session.apart).stays()
            if scope == "preview":
                return Answer.json(self._effect(stays))
            if scope == "shown":
                groups = self._groups(body.get("view", {}))
            else:
                groups = [session.grouping.members[g] for g in np.flatnonzero(session.decided()).tolist()]
            session.choose({file: bool(stays[file]) for group in groups for file in group}, label="keep rules")
            return Answer.json(self.summary())

    def _effect(self, stays: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, Any]:
        """Return what rules that keep `stays` would change."""
        session = self.session
        inside = session.grouping.group_of >= 0
        after = np.where(session.keep >= 0, session.keep == 1, stays)
        changed = inside & (after != session.stays())
        return {
            "changed": int(np.unique(session.grouping.group_of[changed]).size),
            "going": int((inside & ~after).sum()),
            "bytes": int(session.bytes[inside & ~after].sum()),
        }

    def _apply(self, request: Request) -> Answer:
        body = request.body
        if "resume" in body:
            self.runs.resume(int(body["resume"]))
        else:
            action, scope = _words(body)
            self.runs.apply(action, scope, str(body.get("digest")))
        return Answer.json(self.summary(), HTTPStatus.ACCEPTED)

    def _undo(self, request: Request) -> Answer:
        if "run" in request.body:
            self.runs.undo(int(request.body["run"]))
            return Answer.json(self.summary(), HTTPStatus.ACCEPTED)
        with self.session.lock:
            label = self.session.undo()
            answer = {"undone": label, "history": self.session.store.history(), "revision": self.session.revision}
            return Answer.json({**answer, **totals(self.session)})


def _here(path: str) -> str:
    """Return a path as it would be typed, where it lies below the current folder."""
    below = os.path.relpath(path)
    return shown(path if below.startswith(os.pardir) else os.path.join(os.curdir, below))


def _words(given: Mapping[str, Any]) -> tuple[Action, Scope]:
    action, scope = str(given.get("action", "move")), str(given.get("scope", "decided"))
    for name, value, allowed in (("action", action, Action), ("scope", scope, Scope)):
        if value not in tuple(allowed):
            raise UsageError(f"{name} must be one of {', '.join(allowed)} (got {value[:40]!r})")
    return Action(action), Scope(scope)
