"""Report everything that a run found and did, as text for people and as JSON for programs."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastsim.errors import FastsimError, shown
from fastsim.files import owned
from fastsim.grouping.keep_order import NO_REASON, Reason
from fastsim.records.files import Flagged, MediaFile, Skipped
from fastsim.records.pairs import Group
from fastsim.records.plans import OpResult, Plan
from fastsim.records.rows import Embeddings
from fastsim.run import terminal

_SHOWN_SKIPS = 10


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a group. `score` is the cosine to the keeper that covers it (1 for a keeper)."""

    path: str
    keeper: bool
    score: float
    bytes: int
    width: int
    height: int
    frames: int = 1
    """Pages or frames that were compared, of `frames_total`."""
    frames_total: int = 1
    damage: str = ""
    """The decoder's complaint; empty for an intact file."""
    why: str = ""
    """Why it is kept; empty for a file that goes."""
    rule: str = ""
    """The keep rule that decided, as it is typed; empty where none did."""
    reference: bool = False
    """Whether it is in a reference folder."""
    flags: tuple[str, ...] = ()
    """What --flag marks of it."""


def members(
    groups: Sequence[Group],
    files: Sequence[MediaFile],
    embeddings: Embeddings,
    why: Mapping[int, Reason] | None = None,
    flagged: Mapping[int, Flagged] | None = None,
) -> list[list[Member]]:
    """Return the groups with everything that is reported of a file. `files[i].id` must be i.

    why: the reason for each file that is kept, by id; flagged: what --flag marks, by id.
    """
    size_of = dict(zip(embeddings.ids.tolist(), embeddings.sizes.tolist(), strict=True))
    reason_of, marks = why or {}, flagged or {}

    def member(i: int, keeper: int, score: float) -> Member:
        (width, height), (compared, total) = size_of[i], embeddings.frames.get(i, (1, 1))
        return Member(
            files[i].path, i == keeper, round(score, 6), files[i].snapshot.size, width, height, compared, total,
            embeddings.damage.get(i, ""), *reason_of.get(i, NO_REASON), files[i].reference,
            tuple(marks[i].flags) if i in marks else (),
        )  # fmt: skip

    return [[member(*one) for one in group.members()] for group in groups]


def damaged(files: Sequence[MediaFile], embeddings: Embeddings) -> tuple[Skipped, ...]:
    """Return the damaged files that took part, and what is wrong with each. `files[i].id` must be i."""
    return tuple(Skipped(files[i].path, reason, i) for i, reason in sorted(embeddings.damage.items()))


def counts(
    files: Sequence[MediaFile], skipped: Sequence[Skipped], groups: Sequence[Sequence[Member]]
) -> dict[str, int]:
    """Return the numbers of the summary.

    `redundant` files are those that a keeper covers; their bytes are what the disk would gain: hard links of one file
    count once, and not at all beside one that is kept.
    """
    redundant = {member.path for group in groups for member in group if not member.keeper}
    stay = {file.snapshot for file in files if file.path not in redundant}
    go = {file.snapshot for file in files if file.path in redundant} - stay
    return {
        "files": len(files),
        "skipped": len(skipped),
        "compared": len(files) - sum(item.id is not None for item in skipped),
        "groups": len(groups),
        "grouped": sum(map(len, groups)),
        "redundant": len(redundant),
        "redundant_bytes": sum(snapshot.size for snapshot in go),
    }


def as_json(
    *,
    groups: Sequence[Sequence[Member]],
    skipped: Sequence[Skipped],
    plan: Plan,
    results: Sequence[OpResult],
    numbers: Mapping[str, int],
    timings: Mapping[str, float],
    environment: Mapping[str, Any],
    damaged: Sequence[Skipped] = (),
) -> dict[str, Any]:
    """Return the whole result under the documented keys. Operations that were not run (yet) have `done` false.

    results: of all operations of the plan, or none.
    """
    outcome = [*results, *(OpResult(operation, False) for operation in plan.operations[len(results) :])]
    return {
        "groups": [{"members": [asdict(member) for member in group]} for group in groups],
        "skipped": [item.as_json() for item in skipped],
        "damaged": [item.as_json() for item in damaged],
        "actions": [
            {
                "op": result.operation.op.value,
                "source": result.operation.source,
                "target": result.operation.target,
                "done": result.done,
                **({"part_of": result.operation.part_of} if result.operation.part_of else {}),
                **({"reason": result.reason} if result.reason else {}),
            }
            for result in outcome
        ],
        "counts": dict(numbers),
        "timings": {name: round(seconds, 4) for name, seconds in timings.items()},
        "environment": dict(environment),
    }


def write_json(result: Mapping[str, Any], path: str) -> None:
    """Write JSON to `path`, whole or not at all; to stdout if that is `-`. Raises FastsimError.

    Non-ASCII is escaped, so that names that are not UTF-8 survive (as lone surrogates, which `os.fsencode` converts
    back).
    """
    data = (json.dumps({"note": owned.NOTE, **result}, indent=1) + "\n").encode("ascii")
    if path == "-":
        terminal.out_for_programs(data.decode("ascii"))
        return
    with owned.whole_file("--json", path, owned.JSON) as stream:
        stream.write(data)


@contextmanager
def json_first(result: Mapping[str, Any], path: str | None) -> Iterator[None]:
    """Write JSON to `path`, if there is one; raise its errors only after the block, which reports to the user."""
    problem = None
    if path is not None:
        try:
            write_json(result, path)
        except FastsimError as error:
            problem = error
    yield
    if problem is not None:
        raise problem


def write_npz(path: str, *, paths: Sequence[str], embeddings: Embeddings) -> None:
    """Write `paths`, `vectors` (float16[n, d]) and `sizes` (int32[n, 2]) to an .npz file, whole or not at all.

    Raises FastsimError.
    """
    with owned.whole_file("--out", path, owned.NPZ) as stream:
        np.savez(stream, paths=np.array(paths, np.str_), vectors=embeddings.vectors, sizes=embeddings.sizes)
        if stream.readable():  # a pipe is not seekable, and keeps nothing that a later run could replace
            with zipfile.ZipFile(stream, "a") as archive:
                archive.comment = owned.NPZ.end


def score_table(paths: Sequence[str], scores: np.ndarray[Any, Any], thres: float) -> Iterator[str]:
    """Yield scores float[n, n] between `paths` as a numbered triangle; a star marks those of at least `thres`."""
    for number, path in enumerate(paths, start=1):
        yield f"{number:>4}  {shown(path)}"
    if len(paths) < 2:
        return
    yield ""
    yield "      " + "".join(f"{number:>8}" for number in range(1, len(paths)))
    for row in range(1, len(paths)):
        cells = (f"{scores[row, column]:>7.3f}{'*' if scores[row, column] >= thres else ' '}" for column in range(row))
        yield f"{row + 1:>4}  " + "".join(cells)
    yield f"      * at least {thres:g}"


def summary_skipped(skipped: Sequence[Skipped], everything: bool) -> Iterator[str]:
    """Yield the skipped files with their reasons: all of them, or the first few and a summary of the rest."""
    limit = len(skipped) if everything else _SHOWN_SKIPS
    for item in skipped[:limit]:
        yield f"  {shown(item.path)}: {item.reason}"
    rest = Counter(item.reason for item in skipped[limit:])
    if rest:
        yield f"  and {sum(rest.values())} more ({', '.join(f'{n} x {reason}' for reason, n in rest.most_common(3))});"
        yield "  --verbose or --json FILE lists all of them"


def summary_damaged(damaged: Sequence[Skipped], everything: bool) -> Iterator[str]:
    """Yield the damaged files that took part, with what is wrong with them."""
    if damaged:
        yield f"Damaged, compared by what is there, never kept in place of an intact file: {plural(len(damaged), 'file')}:"
        yield from summary_skipped(damaged, everything)


def summary_frames(embeddings: Embeddings) -> Iterator[str]:
    """Yield how many pages or frames were compared, for files with several."""
    if embeddings.frames:
        part = sum(compared < total for compared, total in embeddings.frames.values())
        most = max(compared for compared, _ in embeddings.frames.values())
        some = f"; of {part:,} only up to {most}, evenly spaced" if part else ""
        yield f"{plural(len(embeddings.frames), 'file')} with several pages or frames, compared by all of them{some}"


def summary_timings(timings: Mapping[str, float]) -> str:
    """Return `9.0 s (load 0.6, embed 8.2)`: the total, and the stages that took at least 0.05 s."""
    parts = [f"{name} {seconds:.1f}" for name, seconds in timings.items() if seconds >= 0.05]
    total = sum(timings.values())
    return f"{total:.1f} s" + (f" ({', '.join(parts)})" if parts else "")


def plural(n: int, noun: str) -> str:
    """Return `1 file`, `1,234 files`."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def in_bytes(n: int) -> str:
    """Return `831 B`, `1.2 MB`, `3.4 GB`: powers of 1000, as file managers show them."""
    value = float(n)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
