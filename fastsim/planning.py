"""Join images and what belongs to them, for a plan and for its report."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastsim import pipeline
from fastsim.choices import EQUAL_MODES, LINK_MODES, GroupBy, Mode
from fastsim.config import Scan
from fastsim.errors import UsageError, shown
from fastsim.files.links import is_same_file
from fastsim.files.plan import Units, leaving
from fastsim.grouping.equal_content import of_equal_files
from fastsim.grouping.keep_order import Reason
from fastsim.grouping.losses import Losses, find_losses, has_equal_raws
from fastsim.grouping.pair_scope import freed
from fastsim.inputs.digest import digest_of
from fastsim.inputs.system_folders import SystemKind, holder
from fastsim.records.files import Companion, Role
from fastsim.report.results import plural

_HELD = "stays, as its RAW file has no copy beside the file that would be kept"
_WORDS = {
    Role.RAW: "a RAW file goes that has no copy beside the file that stays",
    Role.FILM: "the film of a Live Photo or motion photo goes, and the file that stays has none",
    Role.EDITS: "edits in a sidecar go, and the file that stays has none",
    Role.SOUND: "a voice note goes, and the file that stays has none",
}
_REMOVES = (Mode.CLEAN_MOVE, Mode.CLEAN_DELETE, Mode.LIST)
_LINKED = "is the same file as its keeper already"
_EQUAL = Reason("the others are equal to it, byte for byte", "")


@dataclass(frozen=True, slots=True)
class Settled:
    """What goes with the images of a plan, and what is lost by it."""

    units: Units
    losses: Losses

    def count(self) -> int:
        """Return the number of files that go with images."""
        return sum(map(len, self.units.companions.values()))


def groups_for(found: pipeline.Findings, mode: Mode, *, allow_different: bool = False) -> pipeline.Findings:
    """Return `found` with the groups that `mode` can work on: hard links and reflinks are for equal files only.

    allow_different: link similar files as well.
    """
    if mode not in EQUAL_MODES or allow_different:
        return found
    sizes = Counter(found.files[i].snapshot.size for group in found.groups for i in group.ids.tolist())

    def digest(file_id: int) -> bytes | None:
        file = found.files[file_id]
        if sizes[file.snapshot.size] < 2:
            return None
        if file_id not in found.digests:
            try:
                return digest_of(file.path)
            except OSError:  # it is gone, or can't be read
                return None
        return found.digests[file_id]

    groups = of_equal_files(found.groups, digest)
    groups = [freed(one, np.array([found.files[i].reference for i in one.ids.tolist()])) for one in groups]
    kept = {i for group in groups for i, keeper, _ in group.members() if i == keeper}
    return replace(found, groups=groups, reasons={i: found.reasons.get(i, _EQUAL) for i in kept})


def settle_units(found: pipeline.Findings, mode: Mode, group_by: GroupBy) -> Settled:
    """Find what goes with the files that `mode` copies or removes.

    With `clean_delete`, a shot whose RAW file has no equal beside its keeper is held back: it is not the same.
    """
    ids = leaving(found.groups, {file.id: file for file in found.files}, mode, group_by)
    reasons = {i: reason.words for i, reason in found.reasons.items()}
    if mode in LINK_MODES:  # what belongs to an image stays beside its link
        keepers = {member: keeper for group in found.groups for member, keeper, _ in group.members()}
        linked = [i for i in ids if is_same_file(found.files[i].path, found.files[keepers[i]].path)]
        return Settled(Units({}, dict.fromkeys(linked, _LINKED), reasons), Losses(0, None, {}))
    going, held = _going(found, ids, mode), {}
    staying: dict[int, Sequence[Companion]] = {}
    if mode in _REMOVES:
        keeper_of = {member: keeper for group in found.groups for member, keeper, _ in group.members()}
        staying = {keeper: found.sidecars.of(found.files[keeper].path) for keeper in set(keeper_of.values())}
        if mode == Mode.CLEAN_DELETE:
            held = {
                i: _HELD for i in ids
                if not has_equal_raws(going.get(found.files[i].path, ()), staying[keeper_of[i]])
            }  # fmt: skip
            if held:  # what they share with others stays, too
                ids = [i for i in ids if i not in held]
                going = _going(found, ids, mode)
    by_id = {i: going[path] for i in ids if (path := found.files[i].path) in going}
    losses = find_losses(found.groups, found.embeddings, by_id, staying, held)
    return Settled(Units(going, held, reasons), losses)


def _going(found: pipeline.Findings, ids: Sequence[int], mode: Mode) -> dict[str, tuple[Companion, ...]]:
    """Return what goes with the files `ids`, by their path. Files in a reference folder stay there."""
    copied = mode == Mode.GROUP_COPY
    going = found.sidecars.going_with([found.files[i].path for i in ids], copied=copied)
    if copied or not found.references:
        return going
    return {
        path: left for path, parts in going.items()
        if (left := tuple(one for one in parts if not found.references.holds(one.path)))
    }  # fmt: skip


def refuse_losses(losses: Losses, found: pipeline.Findings) -> None:
    """Stop a deletion in which the default of --keep loses something. Raises UsageError."""
    if losses.fewer_pixels and losses.example is not None:
        stays, goes = (shown(found.files[i].path) for i in losses.example)
        if found.files[losses.example[0]].reference:
            kept, advice = "a reference file", "add --keep largest if that is right, or use --mode clean_move"
        else:
            kept = "the file with the most bytes"
            advice = "add --keep resolution, or --keep largest if bytes are what counts"
        raise UsageError(
            f"--mode clean_delete stops: in {plural(losses.fewer_pixels, 'group')} {kept} has fewer pixels than one that "
            f"would go ({stays} for {goes}); {advice}; no file was changed"
        )
    if losses.companions:
        role, n = next(iter(losses.companions.items()))
        raise UsageError(
            f"--mode clean_delete stops: in {plural(n, 'group')} {_WORDS[role]}; use --mode clean_move (can be undone), "
            "or add --keep with the rule that you want if that is right; no file was changed"
        )


def unit_lines(settled: Settled, found: pipeline.Findings) -> Iterator[str]:
    """Yield how many files go with their images, which images stay for their RAW file, and what the rule loses."""
    raws = sum(one.role == Role.RAW for companions in settled.units.companions.values() for one in companions)
    for n, what, option in (
        (settled.count() - raws, "sidecar", "--no-sidecars"),
        (raws, "RAW file", "--pairs split"),
    ):
        if n:
            goes = "goes with its image" if n == 1 else "go with their images"
            yield f"{plural(n, what)} {goes} ({option} leaves {'it' if n == 1 else 'them'})"
    if found.paired:
        yield (
            f"{plural(found.paired, 'RAW file')} not compared: the JPEG or HEIC of the same shot stands for both "
            "(--pairs split compares them)"
        )
    if linked := sum(why == _LINKED for why in settled.units.held.values()):
        yield f"{plural(linked, 'file')} left alone: linked to the keeper already"
    elif settled.units.held:
        yield f"{plural(len(settled.units.held), 'file')} kept: each has a RAW file without a copy beside its keeper"
    losses = settled.losses
    if losses.fewer_pixels and losses.example is not None:
        reference = found.files[losses.example[0]].reference  # which stays whatever the rules say
        yield (
            f"In {plural(losses.fewer_pixels, 'group')} the file that stays has fewer pixels than one that goes; "
            + ("files of reference folders always stay" if reference else "--keep resolution keeps the most pixels")
        )
    for role, n in losses.companions.items():
        yield f"In {plural(n, 'group')} {_WORDS[role]}"


def check_libraries(scan: Scan) -> None:
    """Refuse to take files out of a photo library, which would miss them. Raises UsageError."""
    for path in () if scan.include_system else (*scan.inputs, *scan.listed):
        held = holder(os.path.realpath(path))
        if held is not None and held[0] == SystemKind.LIBRARY:
            raise UsageError(
                f"{shown(path)}: inside a photo library, which breaks when files are taken out of it; use --mode "
                "group_copy, or --include-system if that is what you want"
            )
