"""What the tests of plans, apply and undo share: small trees of files, their exact state, and groups of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fastsim.discover import discover
from fastsim.plan import make_plan
from fastsim.records import Group, GroupBy, MediaFile, Mode, Plan

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
    """The bytes of every file below `folders`, but for what fastsim writes for itself."""
    return {
        row[0]
        for folder in folders
        for name, row in state(folder).items()
        if not Path(name).name.startswith("fastsim_")
    }


def listed(*folders: Path, follow_links: bool = False) -> tuple[MediaFile, ...]:
    files, skipped = discover(
        [str(folder) for folder in folders], recursive=True, exclude=(), follow_links=follow_links, outs=None,
        suffixes=frozenset({".jpg"}), bar=None,
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
