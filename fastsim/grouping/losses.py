"""Find what would be lost with the files that go, although the requested rule keeps the right ones."""

from __future__ import annotations

import filecmp
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastsim.records.files import Companion, Role
from fastsim.records.pairs import Group
from fastsim.records.rows import Embeddings

_KINDS = (Role.RAW, Role.FILM, Role.EDITS, Role.SOUND)
"""Kinds that are reported; data such as a Takeout .json is not."""

Belongings = Mapping[int, Sequence[Companion]]
"""What belongs to files, by id."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Groups in which a file that goes has something that has no equal in its keeper."""

    fewer_pixels: int
    """Groups whose keeper has fewer pixels than a file that goes."""
    example: tuple[int, int] | None
    """(the id that is kept, the id that goes) of the first of them."""
    companions: Mapping[Role, int]
    """Groups in which a file that goes takes a companion of this kind along, and the keeper has none, or another RAW
    file.
    """

    def __bool__(self) -> bool:
        return bool(self.fewer_pixels or self.companions)


def find_losses(
    groups: Sequence[Group], embeddings: Embeddings, going: Belongings, staying: Belongings, held: Mapping[int, str]
) -> Losses:
    """Compare each file that goes with its keeper.

    going: what goes with each file that goes; staying: what belongs to each keeper; held: files that are kept after
    all. A damaged file is worth nothing beside its intact keeper.
    """
    pixels = dict(zip(embeddings.ids.tolist(), embeddings.sizes.prod(axis=1, dtype="int64").tolist(), strict=True))
    fewer, example = 0, None
    companions: Counter[Role] = Counter()
    for group in groups:
        pairs = [(m, k) for m, k, _ in group.members() if m != k and m not in held]
        smaller = [(k, m) for m, k in pairs if pixels[k] < pixels[m] and m not in embeddings.damage]
        fewer += bool(smaller)
        example = example or next(iter(smaller), None)
        lost = {role for m, k in pairs for role in _lost(going.get(m, ()), staying.get(k, ()))}
        companions.update(lost)
    return Losses(fewer, example, {role: companions[role] for role in _KINDS if companions[role]})


def has_equal_raws(going: Sequence[Companion], staying: Sequence[Companion]) -> bool:
    """Return whether each RAW file of `going` has a copy of the same bytes in `staying`. Reads both."""
    raws = [one for one in staying if one.role == Role.RAW]
    return all(any(_same_bytes(one, raw) for raw in raws) for one in going if one.role == Role.RAW)


def _lost(going: Sequence[Companion], staying: Sequence[Companion]) -> set[Role]:
    kept = {one.role for one in staying}
    lost = {one.role for one in going if one.role in _KINDS} - kept
    if Role.RAW in kept and not has_equal_raws(going, staying):
        lost.add(Role.RAW)
    return lost


def _same_bytes(a: Companion, b: Companion) -> bool:
    try:
        return a.snapshot.size == b.snapshot.size and filecmp.cmp(a.path, b.path, shallow=False)
    except OSError:
        return False
