"""Store a plan on disk as JSON lines in ASCII, so that names with newlines or bytes that are not UTF-8 survive.

The first line is the header, the last one the end mark; between them is one operation per line. A person may delete
whole lines between the two, and nothing else: those operations are then not run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from fastsim.errors import UsageError, shown
from fastsim.files.owned import is_writable_folder
from fastsim.files.provenance import here
from fastsim.records.files import Snapshot
from fastsim.records.plans import LINKS, MOVES, Op, Operation, Plan

_LONGEST = 300
"""Letters of a path or reason in an error line."""
_HEAD = 1 << 20
"""Most bytes of the first line of a plan."""
PLAN_NAME = "fastsim_plan.jsonl"
_FORMAT = "fastsim-plan"
_VERSION = 2
_READS = (1, 2)
"""Version 2 adds `part_of`, ctime and digest; everything that version 1 holds means the same."""
_NOTE = (
    "Whole lines between the first and the last may be deleted; those operations are then not run, and neither are "
    "those of the sidecars that go with a deleted picture (part_of). Edit nothing else."
)


def write_plan(plan: Plan, path: str) -> None:
    """Write `plan` to a temporary file beside `path`, and rename it. An older plan of that name is replaced.

    Raises UsageError if `path` cannot be written, or is not a plan: such a file is never overwritten.
    """
    check_plan_target(path)
    head = {"format": _FORMAT, "version": _VERSION, "note": _NOTE, "outs": plan.outs, **here(), "header": plan.header}
    temporary = f"{path}.{os.getpid()}.part"
    try:
        with open(temporary, "x", encoding="ascii", newline="\n") as file:
            file.write(json.dumps(head) + "\n")
            file.writelines(json.dumps(operation_to_json(one)) + "\n" for one in plan.operations)
            file.write(json.dumps({"end": len(plan.operations)}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise UsageError(f"{shown(path)}: the plan can't be written ({error.strerror}); give another path") from None


def check_plan_target(path: str) -> None:
    """Raise UsageError if `write_plan` will not be able to write `path`: before hours of work, not after."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.islink(path):
        raise UsageError(f"{shown(path)}: it is a symbolic link, which is never replaced; give another name")
    if os.path.lexists(path) and not _is_plan(path):
        raise UsageError(f"{shown(path)}: it exists and is not a fastsim plan; give another name")
    if not is_writable_folder(folder):
        raise UsageError(f"{shown(path)}: the plan can't be written there; give another path")


def read_plan(path: str) -> Plan:
    """Return the plan in `path`, or in the output folder `path`. Raises UsageError if it is incomplete or edited."""
    if os.path.isdir(path):
        path = os.path.join(path, PLAN_NAME)
    name = shown(path)
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")
    except OSError as error:
        raise UsageError(
            f"{name}: can't be read ({error.strerror}); give the FILE of --plan, or OUTS/{PLAN_NAME}"
        ) from None
    head = _parsed(lines[0])
    if head is None or head.get("format") != _FORMAT:
        raise UsageError(f"{name}: not a fastsim plan; give the FILE of --plan, or OUTS/{PLAN_NAME}")
    if head.get("version") not in _READS:
        raise UsageError(
            f"{name}: plan version {shown(str(head.get('version')))[:40]}, and this fastsim reads up to {_VERSION}; "
            "plan again with it"
        )
    end = _parsed(lines[-2]) if len(lines) > 2 else None
    outs, header = head.get("outs"), head.get("header")
    if end is None or "end" not in end or lines[-1] or not isinstance(outs, str) or not isinstance(header, dict):
        raise UsageError(f"{name}: its last line is missing, so the plan is cut short; plan again")
    operations = []
    for number, line in enumerate(lines[1:-2], 2):
        try:
            operations.append(_checked(operation_from_json(json.loads(line)), outs))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise UsageError(
                f"{name} line {number}: not an operation ({_brief(reason)}); delete the whole line, or plan again"
            ) from None
    _check_unique(operations, name)
    _check_keepers(operations, name)
    return Plan(outs, tuple(_with_their_pictures(operations)), header)


def planned_outs(folder: str) -> str | None:
    """Return the output folder of the plan in `folder`, if there is a plan: another one if it was moved."""
    outs = (read_head(os.path.join(folder, PLAN_NAME)) or {}).get("outs")
    return outs if isinstance(outs, str) else None


def read_head(path: str) -> dict[str, object] | None:
    """Return the first line of the plan `path`; None if it cannot be read, or is no plan."""
    try:
        with open(path, "rb") as file:
            head = _parsed(file.readline(_HEAD))
    except OSError:
        return None
    return head if head is not None and head.get("format") == _FORMAT else None


def remove_plan(folder: str) -> None:
    """Remove the plan of an output folder, and what a run that was killed while writing it has left."""
    for name in os.listdir(folder):
        if name == PLAN_NAME or (name.startswith(PLAN_NAME + ".") and name.endswith(".part")):
            os.unlink(os.path.join(folder, name))


def plan_digest(plan: Plan) -> str:
    """Return the SHA-256 (hex) of the operations, independent of the header and of the output folder."""
    digest = hashlib.sha256()
    for one in plan.operations:
        found = _first_version(one)
        if one.target is not None:
            found["target"] = os.path.relpath(one.target, plan.outs)
        digest.update(json.dumps(found).encode())
    return digest.hexdigest()


def is_plan_of(plan: Plan, digest: object) -> bool:
    """Return whether a journal with this digest is of `plan`; journals of version 1 hold a digest of another kind."""
    if digest == plan_digest(plan):
        return True
    old = hashlib.sha256(json.dumps(plan.outs).encode())
    for one in plan.operations:
        old.update(json.dumps(_first_version(one)).encode())
    return digest == old.hexdigest()


def relocated(plan: Plan, outs: str) -> Plan:
    """Return `plan` for the output folder `outs`, to which that of the plan was moved or renamed."""
    if plan.outs == outs:
        return plan
    operations = (
        one if one.target is None else replace(one, target=os.path.join(outs, os.path.relpath(one.target, plan.outs)))
        for one in plan.operations
    )
    return replace(plan, outs=outs, operations=tuple(operations))


def _first_version(one: Operation) -> dict[str, object]:
    """Return the same as `operation_to_json`, without what the run itself changes or finds out."""
    found = operation_to_json(one)
    for key in ("snapshot", "keeper_snapshot"):
        if isinstance(shot := found.get(key), list):
            found[key] = shot[:3]
    return found


def operation_to_json(one: Operation) -> dict[str, object]:
    """Return a dict that json can write; None is left out."""
    found: dict[str, object] = {"op": one.op.value, "source": one.source}
    if one.target is not None:
        found["target"] = one.target
    found["snapshot"] = snapshot_to_json(one.snapshot)
    if one.keeper is not None:
        found |= {"keeper": one.keeper, "score": one.score}
    if one.keeper_snapshot is not None:
        found["keeper_snapshot"] = snapshot_to_json(one.keeper_snapshot)
    if one.part_of is not None:
        found["part_of"] = one.part_of
    if one.why is not None:
        found["why"] = one.why
    return found


def operation_from_json(found: dict[str, object]) -> Operation:
    """Return the operation of a dict. Raises ValueError, TypeError or KeyError for anything else."""
    if not isinstance(found, dict):
        raise TypeError("it is no JSON object")
    keeper_snapshot = found.get("keeper_snapshot")
    score = found.get("score")
    if score is not None and not isinstance(score, float):
        raise ValueError("its score is not a number")
    return Operation(
        Op(str(found["op"])),
        _path(found["source"]),
        None if found.get("target") is None else _path(found["target"]),
        snapshot_from_json(found["snapshot"]),
        None if found.get("keeper") is None else _path(found["keeper"]),
        score,
        None if keeper_snapshot is None else snapshot_from_json(keeper_snapshot),
        None if found.get("part_of") is None else _path(found["part_of"]),
        None if found.get("why") is None else str(found["why"])[:200],
    )


def _checked(one: Operation, outs: str) -> Operation:
    """Return `one`, if a plan for `outs` can hold it."""
    if one.op in LINKS and one.keeper is None:
        raise ValueError(f"{one.op} needs the keeper that it links to")
    if one.op in (Op.COPY, *MOVES):
        folder = outs.rstrip(os.sep) + os.sep
        if one.target is None or os.path.normpath(one.target) != one.target or not one.target.startswith(folder):
            raise ValueError(f"its target is not in {shown(outs)}")
    elif one.target is not None:
        raise ValueError(f"{one.op} takes no target")
    elif one.keeper is None:
        raise ValueError(f"{one.op} needs the keeper that stays in its place")
    if one.keeper == one.source:
        raise ValueError("its keeper is the file itself")
    if one.part_of == one.source:
        raise ValueError("it is a sidecar of itself")
    return one


def _with_their_pictures(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Leave out sidecars whose image's line was deleted, or comes after them."""
    before = set()
    for one in operations:
        if one.part_of is None or one.part_of in before:
            before.add(one.source)
            yield one


def _check_unique(operations: Sequence[Operation], name: str) -> None:
    for words in ([one.source for one in operations], [one.target for one in operations if one.target is not None]):
        seen = set()
        for word in words:
            if word in seen:
                raise UsageError(f"{name}: {_brief(word)} is there twice; delete one of the lines, or plan again")
            seen.add(word)


def _check_keepers(operations: Sequence[Operation], name: str) -> None:
    """Raise UsageError if a keeper of another file is to go itself."""
    leaving = {os.path.normpath(one.source) for one in operations if one.op != Op.COPY}
    for one in operations:
        if one.keeper is not None and os.path.normpath(one.keeper) in leaving:
            raise UsageError(
                f"{name}: {_brief(one.keeper)} is to stay in place of {_brief(one.source)}, and another line removes it; "
                "delete one of the lines, or plan again"
            )


def _brief(text: str) -> str:
    """Shorten `text` for an error line, whatever someone has put into the file."""
    return shown(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def snapshot_to_json(snapshot: Snapshot) -> list[int | str | None]:
    """Return [size, mtime_ns, inode], and if they are known the ctime_ns and the digest as hex."""
    found: list[int | str | None] = [snapshot.size, snapshot.mtime_ns, snapshot.inode]
    if snapshot.digest is not None:
        return [*found, snapshot.ctime_ns, snapshot.digest.hex()]
    return found if snapshot.ctime_ns is None else [*found, snapshot.ctime_ns]


def snapshot_from_json(found: object) -> Snapshot:
    """Return the snapshot of a list by `snapshot_to_json`. Raises ValueError for anything else."""
    match found:
        case [int(size), int(mtime_ns), int(inode)]:
            return Snapshot(size, mtime_ns, inode)
        case [int(size), int(mtime_ns), int(inode), (int() | None) as ctime_ns]:
            return Snapshot(size, mtime_ns, inode, ctime_ns)
        case [int(size), int(mtime_ns), int(inode), (int() | None) as ctime_ns, str(digest)]:
            return Snapshot(size, mtime_ns, inode, ctime_ns, bytes.fromhex(digest))
    raise ValueError("its snapshot is not [size, mtime_ns, inode, ctime_ns, digest]")


def _path(found: object) -> str:
    if not isinstance(found, str) or not os.path.isabs(found):
        raise ValueError("its paths are not absolute")
    if b"\0" in os.fsencode(found):  # raises ValueError as well, for values that no file system can hold
        raise ValueError("a path holds a NUL")
    return found


def _parsed(line: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_plan(path: str) -> bool:
    """Return whether `path` may be replaced by a plan: it is one, or empty."""
    if not os.path.isfile(path):  # a device, or a pipe, which would wait for ever
        return False
    try:
        with open(path, "rb") as file:
            first = file.readline(_HEAD)
    except OSError:
        return False
    head = _parsed(first)
    return not first or (head is not None and head.get("format") == _FORMAT)
