"""What the tests of plans, apply and undo share: small trees of files, their exact state, and groups of them."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastsim.choices import GroupBy, Mode
from fastsim.files.apply import Outcome, apply_plan
from fastsim.files.plan import make_plan
from fastsim.inputs.discover import discover
from fastsim.inputs.formats import Kind
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.pairs import Group
from fastsim.records.plans import Plan

ODD_NAMES = ("plain.jpg", "new\nline.jpg", "tab\t and 'quotes\".jpg", "ümläut 写真.jpg", os.fsdecode(b"\xff\xfe.jpg"))
State = dict[str, tuple[object, ...]]


def fill(folder: Path, count: int, *, names: Sequence[str] = ODD_NAMES) -> Path:
    """`count` files of different content, time and mode, some in subfolders."""
    for i in range(count):
        name = names[i] if i < len(names) else f"{i:04}.jpg"
        path = folder / ("" if i % 3 else f"sub {i % 2}") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"content {i} ".encode() * (i % 7 + 1))
        path.chmod(0o640 if i % 2 else 0o604)
        os.utime(path, ns=(10**18 + i, 10**18 + 12345 * i))
    return folder


def state(folder: Path) -> State:
    """Every file and link below `folder`: its bytes, mode and modification time in nanoseconds."""
    found: State = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            status = os.lstat(path)
            link = stat.S_ISLNK(status.st_mode)
            content: object = os.readlink(path) if link else Path(path).read_bytes()
            found[os.path.relpath(path, folder)] = (content, status.st_mode, status.st_mtime_ns)
    return found


def contents(*folders: Path) -> set[object]:
    """Return the bytes of every file below `folders`, but for what fastsim writes for itself."""
    return {
        row[0]
        for folder in folders
        for name, row in state(folder).items()
        if not Path(name).name.startswith("fastsim_")
    }


def listed(*folders: Path, follow_links: bool = False) -> tuple[MediaFile, ...]:
    files, skipped, _ = discover(
        [str(folder) for folder in folders], recursive=True, exclude=(), follow_links=follow_links, outs=None,
        kind=Kind.IMAGE, bar=None,
    )  # fmt: skip
    assert not skipped
    return files


def groups_of(count: int, size: int) -> list[Group]:
    """Ids 0 .. count-1 in groups of `size`, the first of each its keeper."""
    groups = []
    for start in range(0, count - 1, size):
        ids = np.arange(start, min(start + size, count), dtype=np.int64)
        score = np.where(ids == start, 1.0, 0.95).astype(np.float32)
        groups.append(Group(ids, np.full(len(ids), start, np.int64), score))
    return groups


def plan_of(files: Sequence[MediaFile], outs: Path, mode: Mode, *, size: int = 5) -> Plan:
    """Every `size` files a group, in the order of their ids."""
    return make_plan(
        groups_of(len(files), size), {file.id: file for file in files}, mode=mode, group_by=GroupBy.COMPONENT,
        trash=False, outs=str(outs), header={"argv": ["fastsim", "test"], "mode": mode.value},
    )  # fmt: skip


def with_sidecars(plan: Plan) -> Plan:
    """`plan` with a sidecar behind each of its pictures; makes the files."""
    operations = []
    for i, one in enumerate(plan.operations):
        path = one.source + ".xmp"
        Path(path).write_bytes(b"sidecar %d" % i)
        os.utime(path, ns=(10**18, 10**18 + i))
        target = None if one.target is None else one.target + ".xmp"
        sidecar = replace(one, source=path, target=target, snapshot=Snapshot.of(path), part_of=one.source)
        operations += [one, sidecar]
    return replace(plan, operations=tuple(operations))


def run(plan: Plan) -> Outcome:
    return apply_plan(plan, bar=None)


class Halt:
    """A bar that asks to stop after some operations."""

    def __init__(self, operations: int) -> None:
        self._left = operations

    def advance(self, n: int = 1) -> None:
        self._left -= n

    def __call__(self) -> bool:
        return self._left <= 0


def run_until(operations: int, plan: Plan) -> Outcome:
    halt = Halt(operations)
    return apply_plan(plan, bar=halt, stop=halt)


def reasons(outcome: Outcome) -> dict[str, str]:
    return {Path(one.operation.source).name: one.reason for one in outcome.results if not one.done}


def no_hard_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@contextmanager
def other_file_system(here: Path) -> Iterator[Path]:
    """Return a folder on another file system than `here`; skips the test where /dev/shm is none."""
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == here.stat().st_dev or not os.access(shm, os.W_OK):
        pytest.skip("needs a second file system: /dev/shm is none")
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        yield Path(folder)


def has_reflinks(folder: Path) -> bool:
    """Return whether files of `folder` can share blocks, as on XFS and Btrfs."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    source, target = folder / "reflink source", folder / "reflink target"
    source.write_bytes(b"x" * 4096)
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            fcntl.ioctl(writer.fileno(), 0x40049409, reader.fileno())
    except OSError:
        return False
    finally:
        source.unlink()
        target.unlink(missing_ok=True)
    return True
