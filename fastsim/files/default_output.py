"""Choose the output folder of a run: the one that was given, or the first free default name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from fastsim.errors import quoted, shown
from fastsim.files.earlier_run import EarlierRun
from fastsim.files.output_folder import OutsTakenError, check_outs, check_same_plan
from fastsim.records.plans import Plan

DEFAULT = "./fastsim_outputs"


@dataclass(frozen=True, slots=True)
class ChosenOuts:
    """An output folder that a run may use."""

    path: str
    number: int | None
    """Of the default names ./fastsim_outputs (1), ./fastsim_outputs_2, ...; None for a folder that was given."""
    before: EarlierRun | None = None
    """The finished run under the name before, which was left alone."""

    def note(self) -> str | None:
        """Return one line that explains why the folder is not ./fastsim_outputs, or None if it is."""
        if self.number in (None, 1):
            return None
        holds = f"holds {self.before}" if self.before else "is taken"
        way_back = f" ({self.before.ways_out()})" if self.before else ""
        return f"{shown(_name((self.number or 2) - 1))} {holds}{way_back}; this run goes to {quoted(self.path)}"


def choose_outs(typed: str | None, argv: Sequence[str], *, acts: bool) -> ChosenOuts:
    """Return the folder `typed`, or the first free default name if that is None.

    A folder with a run of this same `argv` is free: that run is resumed. Raises UsageError for a given folder that
    cannot be used, and for an interrupted run under a default name: it has to be finished or undone first. Without
    `acts` (a dry run) a given folder is not inspected, and interrupted runs are passed over.
    """
    if typed is None:
        return _first_free(1, argv, acts)
    if acts:
        check_outs(typed, argv)
    return ChosenOuts(typed, None)


def settle(outs: ChosenOuts, argv: Sequence[str], make: Callable[[str], Plan]) -> tuple[ChosenOuts, Plan]:
    """Return the folder and `make(its absolute path)`, for a run that acts.

    A finished run of the same `argv` but of another plan (files were added or changed since) keeps its folder: the
    next default name is used. Raises UsageError if that is not possible.
    """
    while True:
        plan = make(os.path.abspath(outs.path))
        try:
            check_same_plan(plan)
            return outs, plan
        except OutsTakenError as error:
            if outs.number is None or error.run is None or not error.run.finished:
                raise
            outs = _first_free(outs.number + 1, argv, True, error.run)


def _first_free(start: int, argv: Sequence[str], acts: bool, before: EarlierRun | None = None) -> ChosenOuts:
    for number in count(start):
        try:
            check_outs(_name(number), argv)
            return ChosenOuts(_name(number), number, before)
        except OutsTakenError as error:
            if error.run is not None and not error.run.finished and acts:
                raise
            before = error.run
    raise AssertionError


def _name(number: int) -> str:
    return DEFAULT if number == 1 else f"{DEFAULT}_{number}"
