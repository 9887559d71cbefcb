"""A review in memory: what is grouped, what is decided, and how both change. Every change is on disk before it is here."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fastsim import decisions
from fastsim.errors import FastsimError, UsageError, reason_of, shown
from fastsim.inputs.digest import digest_of
from fastsim.records.files import Snapshot
from fastsim.review.groups import Grouping, regroup, regroup_part
from fastsim.review.rules import Ranker, Ranking, check_rules
from fastsim.review.store import Decision, Store

_VIEWS = 8
Pair = tuple[int, int]


class Session:
    """An open review. Methods may be called from any thread; each change has a new `revision`."""

    def __init__(self, store: Store) -> None:
        self.lock = threading.RLock()
        self.store = store
        self.found = store.found()
        n = len(self.found)
        self.bytes = np.array([file.snapshot.size for file in self.found.files], np.int64)
        self.references = self.found.references()
        self.revision = 1
        self.thres = float(store.setting("thres", 0.75))
        self.rules = check_rules(store.setting("rules", []))
        self.apart: set[Pair] = store.apart()
        self.keep = np.full(n, -1, np.int8)
        """int8[n]: 1 stays, 0 goes, -1 as the rules say."""
        self.done = np.zeros(n, bool)
        self.confirmed = np.zeros(n, bool)
        self.confirmed[sorted(store.confirmed())] = True
        self._set(store.decisions())
        self.places = store.places()
        self.ranker = Ranker(self.found)
        self.ranking: Ranking = self.ranker.rank(self.rules)
        self.grouping: Grouping = regroup(self.found, self.thres, self.ranking, self.apart)
        self.orders: dict[object, list[Sequence[int]]] = {}

    def stays(self) -> NDArray[np.bool_]:
        """bool[n]: what stays, by decision or else by the rules."""
        return self.references | np.where(self.keep >= 0, self.keep == 1, self.grouping.stays())

    def gone(self) -> NDArray[np.bool_]:
        """Return bool[n]: what was moved or removed by an apply."""
        found = np.zeros(len(self.found), bool)
        found[sorted(self.places)] = True
        return found

    def losing(self) -> NDArray[np.bool_]:
        """bool[groups]: groups of which no file stays."""
        inside = self.grouping.group_of >= 0
        kept = np.bincount(self.grouping.group_of[inside & self.stays()], minlength=len(self.grouping.members))
        size = np.array([len(members) for members in self.grouping.members], np.int64)
        found: NDArray[np.bool_] = (kept == 0) & (size > 0)
        return found

    def decided(self) -> NDArray[np.bool_]:
        """bool[groups]: groups whose files are all decided."""
        inside = self.grouping.group_of >= 0
        done = np.bincount(self.grouping.group_of[inside & self.done], minlength=len(self.grouping.members))
        size = np.array([len(members) for members in self.grouping.members], np.int64)
        found: NDArray[np.bool_] = (done == size) & (size > 0)
        return found

    def blocked(self) -> list[int]:
        """Return the numbers of groups that would lose every copy, and were not confirmed one by one."""
        members = self.grouping.members
        return [g for g in np.flatnonzero(self.losing()).tolist() if not self.confirmed[members[g]].all()]

    def choose(self, keep: Mapping[int, bool], *, done: bool = False, label: str = "keep") -> None:
        """Decide whether files stay. done: their groups are decided with that."""
        with self.lock:
            self.check_ids(keep)
            for file, value in keep.items():
                if self.references[file] and not value:
                    raise FastsimError(
                        f"{shown(self.found.files[file].path)}: in a reference folder, where every file stays"
                    )
            self._commit(label, {file: Decision(value, done or bool(self.done[file])) for file, value in keep.items()})

    def finish(self, groups: Iterable[Sequence[int]], label: str = "decide") -> int:
        """Decide groups as they stand now: whatever is not decided yet stays or goes by the rules. Returns how many."""
        with self.lock:
            chosen = [list(members) for members in groups]
            files = [file for members in chosen for file in members]
            self.check_ids(files)
            stays = self.stays()
            self._commit(label, {file: Decision(bool(stays[file]), True) for file in files})
            return len(chosen)

    def reopen(self, files: Sequence[int]) -> None:
        """Take back all that was decided of files: the rules decide again."""
        with self.lock:
            self.check_ids(files)
            self._commit("reopen", dict.fromkeys(files))

    def confirm(self, files: Sequence[int], confirmed: bool) -> None:
        """Allow the files of a group to go though none of them stays, or take that back."""
        with self.lock:
            self.check_ids(files)
            changed = [file for file in files if bool(self.confirmed[file]) != confirmed]
            with self.store.change() as change:
                change.confirm(changed, confirmed=confirmed)
                change.note("confirm", {"confirmed": [[file, not confirmed] for file in changed]})
            self.confirmed[changed] = confirmed
            self.revision += 1

    def part(self, pairs: Iterable[Pair]) -> None:
        """Call pairs of files "not a duplicate", here and in later runs. Raises FastsimError for a file that has changed."""
        with self.lock:
            new = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]} - self.apart
            self.check_ids({file for pair in new for file in pair})
            known = {file: (self._digest(file), self.found.files[file].path) for pair in new for file in pair}
            records = [decisions.pair_of(known[low], known[high]) for low, high in sorted(new)]
            records = [one for one in records if one.first != one.second]  # equal bytes are one image
            decisions.remember(records)
            with self.store.change() as change:
                change.part(new, apart=True)
                change.note("not a duplicate", {"apart": sorted(new)})
            self.apart |= new
            self._regroup({file for pair in new for file in pair})

    def undo(self) -> str:
        """Take the last decision back. Returns what it was, or an empty string if there is none."""
        with self.lock:
            with self.store.change() as change:
                last = change.last()
                if last is None:
                    return ""
                label, before = last
                files = {file: None if one is None else Decision(*one) for file, one in before.get("files", [])}
                change.decide(files)
                pairs = [(low, high) for low, high in before.get("apart", [])]
                change.part(pairs, apart=False)
                for file, value in before.get("confirmed", []):
                    change.confirm([file], confirmed=value)
                self._forget(pairs)
            self._set(files)
            for file, value in before.get("confirmed", []):
                self.confirmed[file] = value
            if pairs:
                self.apart -= set(pairs)
                self._regroup({file for pair in pairs for file in pair})
            self.revision += 1
            return label

    def settle(self, thres: float | None = None, rules: Sequence[str] | None = None) -> None:
        """Set the threshold, the rules, or both, and group anew. Raises UsageError for invalid values."""
        with self.lock:
            floor = float(self.found.settings.get("floor", 0.0))
            if thres is not None and not floor <= thres <= 1.0:
                raise UsageError(f"the threshold must be between {floor:g} and 1 (got {thres:g})")
            ranking = self.ranking if rules is None else self.ranker.rank(rules)
            with self.store.change() as change:
                if thres is not None:
                    change.set("thres", thres)
                if rules is not None:
                    change.set("rules", list(rules))
            self.thres = self.thres if thres is None else thres
            self.rules = self.rules if rules is None else check_rules(rules)
            self.ranking = ranking
            self.grouping = regroup(self.found, self.thres, ranking, self.apart)
            self.revision += 1

    def check_ids(self, files: Iterable[int]) -> None:
        """Raise LookupError unless all ids are those of files of this review."""
        n = len(self.found)
        for file in files:
            if not 0 <= file < n:
                raise LookupError(file)

    def _commit(self, label: str, changes: Mapping[int, Decision | None]) -> None:
        changed = {file: one for file, one in changes.items() if one != self._of(file)}
        if not changed:
            return
        with self.store.change() as change:
            change.decide(changed)
            change.note(label, {"files": [(file, self._of(file)) for file in changed]})
        self._set(changed)
        self.revision += 1

    def _of(self, file: int) -> Decision | None:
        keep = int(self.keep[file])
        return None if keep < 0 else Decision(bool(keep), bool(self.done[file]))

    def _set(self, decided: Mapping[int, Decision | None]) -> None:
        for file, one in decided.items():
            self.keep[file] = -1 if one is None else int(one.keep)
            self.done[file] = one is not None and one.done

    def _regroup(self, files: Iterable[int]) -> None:
        regroup_part(self.grouping, self.found, self.thres, self.ranking, (self.apart, set(files)))
        self.revision += 1

    def _digest(self, file: int) -> bytes:
        """Return the digest of a file, which must still be the one that was compared. Raises FastsimError."""
        one = self.found.files[file]
        try:
            if Snapshot.of(one.path) != one.snapshot:
                raise FastsimError(f"{shown(one.path)}: it has changed since it was compared; review it again")
            return one.snapshot.digest or digest_of(one.path)
        except OSError as error:
            raise FastsimError(f"{shown(one.path)}: {reason_of(error)}; nothing was decided") from None

    def _forget(self, pairs: Iterable[Pair]) -> None:
        """Take pairs out of the decisions of all runs, as far as their digests can be had."""
        keys = []
        for low, high in pairs:
            try:
                keys.append(decisions.ordered(self._digest(low), self._digest(high)))
            except FastsimError:
                continue
        decisions.forget(keys)
