"""Applies and undos of a review, one at a time, beside the server, with progress."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from fastsim.errors import FastsimError, UsageError, shown
from fastsim.files import plan_file
from fastsim.files.apply import Outcome, apply_plan
from fastsim.files.journal import JOURNAL_NAME, read_run
from fastsim.files.output_folder import check_outs
from fastsim.files.undo import Undone, undo
from fastsim.records.plans import Op, Plan
from fastsim.review.planning import Action, Scope, plan_review, ready
from fastsim.review.session import Session
from fastsim.review.store import Place, Run
from fastsim.run.progress import Bar

_MOST_REASONS = 200
_REMOVES = (Op.MOVE, Op.DELETE, Op.TRASH)


class _Count:
    """A bar that the page asks for."""

    def __init__(self, total: int) -> None:
        self.done, self.total = 0, total

    def advance(self, n: int = 1) -> None:
        self.done += n


class Runs:
    """What is being applied or taken back."""

    def __init__(self, session: Session, outs: str) -> None:
        self.session, self.outs = session, outs
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._bar = _Count(0)
        self._what = ""
        self._problem = ""
        self._take_stock()

    def progress(self) -> dict[str, Any]:
        """Return what is under way: `what` is apply, undo or empty."""
        return {"what": self._what, "done": self._bar.done, "total": self._bar.total, "problem": self._problem}

    def told(self) -> list[dict[str, Any]]:
        """Return the applies so far, the last one first."""
        runs = reversed(self.session.store.runs())
        return [
            {"id": run.id, "outs": shown(run.outs), "state": run.state, "time": run.time, **run.told} for run in runs
        ]

    def free_outs(self) -> str:
        """Return the output folder that the next apply takes: the first free one of `outs`, `outs_2`, ..."""
        for number in count(1):
            path = self.outs if number == 1 else f"{self.outs}_{number}"
            with suppress(UsageError):
                check_outs(path)
                return path
            if number > 999:
                break
        raise UsageError(f"{shown(self.outs)}: no free folder of that name; start again with another --outs")

    def apply(self, action: Action, scope: Scope, expected: str) -> None:
        """Carry out what the review says. expected: the digest of the plan that a person has seen.

        Raises UsageError where that is not what would happen now, or something else is under way.
        """
        outs = self.free_outs()
        planned = plan_review(self.session, action, scope, outs)
        if plan_file.plan_digest(planned.plan) != expected:
            raise UsageError("something was decided or changed since this was shown; look at it again")
        if not planned.plan.operations:
            raise UsageError("there is nothing to do")
        plan = ready(planned, action)
        run = self._recorded(outs)
        self._begin("apply", len(plan.operations), lambda: self._apply(run, plan, self._bar))

    def carry_out(self, plan: Plan, bar: Bar) -> Outcome:
        """Carry out a plan of this review at once, and record it."""
        return self._apply(self._recorded(plan.outs), plan, bar)

    def resume(self, number: int) -> None:
        """Finish an apply that was interrupted."""
        run = self._run(number)
        plan = plan_file.read_plan(run.outs)
        self._begin("apply", len(plan.operations), lambda: self._apply(run.id, plan, self._bar))

    def undo(self, number: int) -> None:
        """Take an apply back."""
        run = self._run(number)
        total = int(run.told.get("operations", 0))
        self._begin("undo", total, lambda: self._undo(run))

    def stop(self) -> None:
        """End what is under way between two files, and wait for that."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, number: int) -> Run:
        return next(run for run in self.session.store.runs() if run.id == number)

    def _begin(self, what: str, total: int, work: Callable[[], object]) -> None:
        with self._lock:
            if self._what:
                raise UsageError("another apply or undo is under way")
            self._what, self._problem, self._bar = what, "", _Count(total)

        def carry_out() -> None:
            try:
                work()
            except FastsimError as error:
                self._problem = str(error)
            except Exception as error:  # the page has to hear of it, whatever it is
                self._problem = f"internal error, {type(error).__name__}: {error}"
            finally:
                self.session.revision += 1
                self._what = ""

        self._thread = threading.Thread(target=carry_out, name=f"fastsim-{what}", daemon=False)
        self._thread.start()

    def _recorded(self, outs: str) -> int:
        with self.session.store.change() as change:
            return change.begin_run(outs)

    def _apply(self, run: int, plan: Plan, bar: Bar) -> Outcome:
        try:
            outcome = apply_plan(plan, bar=bar, stop=self._stop.is_set)
        except FastsimError as error:
            self._end(run, "undone", {"words": [str(error)]})
            raise
        state = "stopped" if outcome.stopped or outcome.interrupted else "done"
        self._problem = outcome.stopped
        self._end(run, state, _told(plan, outcome), _places(run, outcome))
        return outcome

    def _undo(self, run: Run) -> None:
        undone = undo(os.path.join(run.outs, JOURNAL_NAME), bar=self._bar, stop=self._stop.is_set)
        back = [
            file for file, place in self.session.store.places().items()
            if place.run == run.id and os.path.lexists(self.session.found.files[file].path)
        ]  # fmt: skip
        told = {**run.told, "undone": _told_undone(undone)}
        with self.session.store.change() as change:
            change.unplace(back)
        self._end(run.id, "undone" if undone.complete else run.state, told)

    def _end(self, run: int, state: str, told: Mapping[str, Any], places: Mapping[str, Place] | None = None) -> None:
        session = self.session
        by_path = {file.path: file.id for file in session.found.files} if places else {}
        with session.lock:
            with session.store.change() as change:
                change.end_run(run, state, told)
                change.place({by_path[path]: place for path, place in (places or {}).items() if path in by_path})
            session.places = session.store.places()
            session.revision += 1

    def _take_stock(self) -> None:
        """Settle the runs that were under way when an earlier server was killed: their journals know what was done."""
        for run in self.session.store.runs():
            if run.state != "running":
                continue
            journal, plan = (os.path.join(run.outs, name) for name in (JOURNAL_NAME, plan_file.PLAN_NAME))
            if not (os.path.exists(journal) and os.path.exists(plan)):
                self._end(run.id, "undone", {"words": ["It was ended before it moved a file."]})
                continue
            _, entries = read_run(journal)
            places = {
                entry.operation.source: Place(run.id, entry.operation.op.value, entry.operation.target)
                for entry in entries
                if entry.operation.op in _REMOVES and not os.path.lexists(entry.operation.source)
            }
            told = {"operations": len(entries), "done": len(places), "words": ["It was interrupted."]}
            self._end(run.id, "stopped", told, places)


def _places(run: int, outcome: Outcome) -> dict[str, Place]:
    return {
        one.operation.source: Place(run, one.operation.op.value, one.operation.target)
        for one in outcome.results
        if one.done and one.operation.op in _REMOVES
    }


def _told(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    failed = [one for one in outcome.results if one.reason]
    return {
        "operations": len(plan.operations),
        "done": sum(one.done for one in outcome.results),
        "bytes": sum(one.operation.snapshot.size for one in outcome.results if one.done),
        "op": plan.operations[0].op.value,
        "failed": [[shown(one.operation.source), one.reason] for one in failed[:_MOST_REASONS]],
        "failures": len(failed),
    }


def _told_undone(undone: Undone) -> dict[str, Any]:
    return {
        "restored": undone.restored,
        "gone": undone.gone,
        "trashed": undone.trashed,
        "failed": [[shown(one.path), one.reason] for one in undone.failed[:_MOST_REASONS]],
        "complete": undone.complete,
    }
