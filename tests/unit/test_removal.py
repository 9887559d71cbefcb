"""Nothing is removed for good before its keeper was seen to survive it, whatever paths and inode numbers say."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from disk import fill, listed, reasons, run, state

from fastsim.choices import LINK_MODES, GroupBy, Mode
from fastsim.files import removal
from fastsim.files.plan import make_plan
from fastsim.files.unchanged import Checker, with_digests
from fastsim.files.undo import undo
from fastsim.inputs.digest import digest_of
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.pairs import Group
from fastsim.records.plans import Op, Operation, Plan

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX file system")
REMOVING = [Mode.CLEAN_DELETE, Mode.CLEAN_MOVE, Mode.GROUP_MOVE, "trash"]


@contextmanager
def mounted(command: list[str], at: Path) -> Iterator[None]:
    """Return a FUSE mount; skips the test where its program is missing or may not mount."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    if subprocess.run(command, capture_output=True, check=False).returncode or not os.path.ismount(at):
        pytest.skip(f"{command[0]} can't mount here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)


def pairs_plan(disk: Path, pool: Path, outs: Path, mode: str) -> Plan:
    """Each file of `disk` goes for the file of the same name in `pool`."""
    names = sorted(os.listdir(disk))
    files = {}
    for i, name in enumerate(names):
        for k, folder in enumerate((pool, disk)):
            path = str(folder / name)
            files[2 * i + k] = MediaFile(2 * i + k, path, str(folder), Snapshot.of(path))
    one = np.ones(2, np.float32)
    groups = [Group(np.array([2 * i, 2 * i + 1]), np.array([2 * i, 2 * i]), one) for i in range(len(names))]
    plan = make_plan(
        groups, files, mode=Mode.CLEAN_DELETE if mode == "trash" else Mode(mode), group_by=GroupBy.COMPONENT,
        trash=mode == "trash", outs=str(outs), header={},
    )  # fmt: skip
    return with_digests(plan)


@pytest.fixture
def trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import send2trash

    folder = tmp_path / "trash"
    folder.mkdir()
    monkeypatch.setattr(send2trash, "send2trash", lambda path: os.rename(path, folder / os.path.basename(path)))
    return folder


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return fill(tmp_path / "disk", 4, names=("a.jpg", "b.jpg", "c.jpg", "d.jpg")) / "sub 0"


def assert_stopped_and_untouched(plan: Plan, disk: Path, trash: Path) -> None:
    before = state(disk)
    outcome = run(plan)
    assert "are one file (a folder that is mounted or shared twice?), so it was put back" in outcome.stopped
    assert outcome.stopped.endswith(f"0 of {len(plan.operations)} operations are done")
    assert not any(one.done for one in outcome.results)
    assert state(disk) == before
    assert not os.listdir(trash)
    assert run(plan).stopped == outcome.stopped  # again: as harmless
    assert undo(plan.outs, bar=None).complete
    assert state(disk) == before


@posix
@pytest.mark.parametrize("mode", REMOVING)
@pytest.mark.parametrize(
    "mount",
    [
        ["bindfs"],
        ["bindfs", "-o", "attr_timeout=60,entry_timeout=60,kernel_cache"],
        ["mergerfs"],
        ["mergerfs", "-o", "cache.files=full,cache.entry=60,cache.attr=60,inodecalc=path-hash"],
        ["unionfs"],
    ],
)
def test_a_pool_and_the_disk_under_it_lose_nothing(
    tmp_path: Path, disk: Path, trash: Path, mode: str, mount: list[str]
) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    lower = f"{disk}=RW" if mount[0] == "unionfs" else str(disk)
    with mounted([*mount, lower, str(pool)], pool):
        assert_stopped_and_untouched(pairs_plan(disk, pool, tmp_path / "out", mode), disk, trash)


@posix
@pytest.mark.parametrize("mode", [*REMOVING, *LINK_MODES])
def test_a_pool_of_disks_keeps_each_file_on_its_disk(tmp_path: Path, disk: Path, trash: Path, mode: str) -> None:
    """A file that was moved out of the pool and back might come to lie on the other disk."""
    pool, other = tmp_path / "pool", tmp_path / "other"
    pool.mkdir()
    other.mkdir()
    with mounted(["mergerfs", "-o", "category.create=lus", f"{disk}:{other}", str(pool)], pool):
        assert_stopped_and_untouched(pairs_plan(pool, disk, tmp_path / "out", mode), disk, trash)
        assert os.listdir(other) == []


@posix
@pytest.mark.parametrize("mode", REMOVING)
def test_the_same_holds_where_inode_numbers_are_equal(
    tmp_path: Path, disk: Path, trash: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder behind a link stands for a second mount; what looks at real paths is switched off."""
    monkeypatch.setattr(removal, "objection", lambda one, checker: "")
    (tmp_path / "pool").symlink_to(disk)
    assert_stopped_and_untouched(pairs_plan(disk, tmp_path / "pool", tmp_path / "out", mode), disk, trash)


@posix
@pytest.mark.parametrize("mode", [Mode.CLEAN_DELETE, "trash"])
def test_a_mount_that_goes_on_showing_a_renamed_file_is_seen_through(
    tmp_path: Path, disk: Path, trash: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {name: os.stat(disk / name) for name in os.listdir(disk)}
    monkeypatch.setattr(removal, "objection", lambda one, checker: "")
    monkeypatch.setattr(removal, "_look", lambda path: first[os.path.basename(path)])
    (tmp_path / "pool").symlink_to(disk)
    assert_stopped_and_untouched(pairs_plan(disk, tmp_path / "pool", tmp_path / "out", mode), disk, trash)


@posix
def test_a_folder_that_became_a_link_to_its_keepers_folder_loses_nothing(tmp_path: Path) -> None:
    """Hard links in two folders, of which one is then replaced by a link to the other."""
    keep, gone = fill(tmp_path / "keep", 3, names=()), tmp_path / "gone"
    shutil.copytree(keep, gone, copy_function=os.link)
    plan = pairs_plan(gone / "sub 0", keep / "sub 0", tmp_path / "out", Mode.CLEAN_DELETE)
    shutil.rmtree(gone)
    gone.symlink_to(keep)
    before = state(keep)
    assert all(" leads to this very file" in reason for reason in reasons(run(plan)).values())
    assert state(keep) == before


@posix
def test_copies_in_two_folders_still_go(tmp_path: Path, disk: Path) -> None:
    copy = Path(shutil.copytree(disk, tmp_path / "copy"))
    plan = pairs_plan(disk, copy, tmp_path / "out", Mode.CLEAN_DELETE)
    assert not reasons(run(plan))
    assert not os.listdir(disk)
    assert len(os.listdir(copy)) == len(plan.operations)


@posix
def test_a_pool_with_the_copy_of_another_disk_under_the_same_name_is_left_alone_rather_than_trusted(
    tmp_path: Path,
) -> None:
    """The pool shows disk 1 before, and disk 2 after; the copy on disk 2 is another picture."""
    one, two, pool = tmp_path / "1", tmp_path / "2", tmp_path / "pool"
    for folder, content in ((one, b"precious"), (two, b"anything")):
        folder.mkdir()
        (folder / "a.jpg").write_bytes(content)
        os.utime(folder / "a.jpg", ns=(10**18, 10**18))
    pool.mkdir()
    with mounted(["mergerfs", "-o", "category.search=ff", f"{one}:{two}", str(pool)], pool):
        plan = pairs_plan(one, pool, tmp_path / "out", Mode.CLEAN_DELETE)
        assert not any(result.done for result in run(plan).results)
    assert (one / "a.jpg").read_bytes() == b"precious"


class TestEqualFiles:
    """Digests may be stale; what goes as an equal file is compared with its keeper first."""

    @pytest.mark.parametrize("rotten", ["source", "keeper"])
    @pytest.mark.parametrize("mode", [Mode.CLEAN_DELETE, "trash"])
    def test_bits_that_rotted_without_a_trace_are_seen(
        self, tmp_path: Path, disk: Path, trash: Path, mode: str, rotten: str
    ) -> None:
        copy = Path(shutil.copytree(disk, tmp_path / "copy"))
        plan = pairs_plan(disk, copy, tmp_path / "out", mode)
        one = plan.operations[0]
        victim = Path(one.source if rotten == "source" else str(one.keeper))
        status = victim.stat()
        victim.write_bytes(b"#" * status.st_size)
        os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
        seen, kept = Snapshot.of(one.source), Snapshot.of(str(one.keeper))  # the ctime, too: a disk that lost bits
        stale = replace(
            one,
            snapshot=replace(seen, digest=one.snapshot.digest),
            keeper_snapshot=replace(kept, digest=one.snapshot.digest),
        )
        before = state(tmp_path / "disk")
        outcome = run(replace(plan, operations=(stale, *plan.operations[1:])))
        assert list(reasons(outcome).values()) == [
            f"it is not equal to its keeper {one.keeper} any more, byte for byte"
        ]
        assert state(tmp_path / "disk")[f"sub 0/{Path(one.source).name}"] == before[f"sub 0/{Path(one.source).name}"]


class TestChecker:
    """Size and mtime decide at once, inode number and ctime raise doubts, the content settles them."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        (tmp_path / "a").write_bytes(b"content")
        os.utime(tmp_path / "a", ns=(10**18, 10**18))
        return str(tmp_path / "a")

    @pytest.mark.parametrize("final", [False, True])
    @pytest.mark.parametrize(
        "case",
        [  # hashed, what was different, whether the content is what was hashed, the verdicts
            (False, {}, True, ("", "")),
            (False, {"size": 1}, True, ("has changed", "has changed")),
            (False, {"mtime_ns": 1}, True, ("has changed", "has changed")),
            (False, {"inode": 1}, True, ("", "has changed")),
            (False, {"ctime_ns": 1}, True, ("", "may have changed")),
            (False, {"inode": 1, "ctime_ns": 1}, True, ("has changed", "has changed")),
            (False, {"inode": 1, "ctime_ns": None}, True, ("has changed", "has changed")),
            (False, {"ctime_ns": None}, True, ("", "")),
            (True, {"inode": 1}, True, ("", "")),
            (True, {"ctime_ns": 1}, True, ("", "")),
            (True, {"inode": 1, "ctime_ns": 1}, True, ("", "")),
            (True, {"ctime_ns": 1}, False, ("has changed", "has changed")),
            (True, {"inode": 1}, False, ("has changed", "has changed")),
            (True, {"ctime_ns": None}, False, ("", "has changed")),
        ],
    )
    def test_verdicts(self, path: str, case: tuple[bool, dict[str, int], bool, tuple[str, str]], final: bool) -> None:
        hashed, other, same_content, verdicts = case
        seen = replace(Snapshot.of(path), **other)
        if hashed:
            seen = replace(seen, digest=digest_of(path) if same_content else b"\0" * 32)
        change = Checker().change(path, os.stat(path), seen, final=final)
        assert change[:16].startswith(verdicts[final]) if verdicts[final] else change == ""

    def test_a_file_system_whose_ctime_is_the_mtime_is_not_believed_before_a_removal(self, path: str) -> None:
        status = os.stat(path)
        os.utime(path, ns=(status.st_ctime_ns, status.st_ctime_ns))
        now = Snapshot.of(path)
        alike = replace(now, mtime_ns=now.ctime_ns or 0, digest=b"\0" * 32)

        class Status:
            st_size, st_ino = now.size, now.inode
            st_mtime_ns = st_ctime_ns = now.ctime_ns

        for final, change in ((False, ""), (True, "has changed since it was looked at")):
            assert Checker().change(path, Status(), alike, final=final) == change  # type: ignore[arg-type]

    def test_the_content_of_one_keeper_is_read_once(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = replace(Snapshot.of(path), inode=1, digest=digest_of(path))
        read: list[str] = []
        monkeypatch.setattr("fastsim.files.unchanged.digest_of", lambda name: (read.append(name), digest_of(name))[1])
        checker = Checker()
        for _ in range(3):
            assert checker.change(path, os.stat(path), seen, final=True) == ""
        assert read == [path]


@posix
@pytest.mark.parametrize("mode", [Mode.CLEAN_MOVE, Mode.CLEAN_DELETE, Mode.GROUP_COPY, Mode.GROUP_MOVE])
def test_inode_numbers_that_change_hold_nothing_up(tmp_path: Path, mode: Mode) -> None:
    """The file system unionfs gives a file another number each time that the kernel has forgotten it."""
    real, mount = fill(tmp_path / "real", 8, names=()), tmp_path / "mount"
    mount.mkdir()
    with mounted(["unionfs", f"{real}=RW", str(mount)], mount):
        files = listed(mount)
        group = Group(np.arange(8), np.zeros(8, np.int64), np.ones(8, np.float32))
        plan = make_plan(
            [group], {file.id: file for file in files}, mode=mode, group_by=GroupBy.COMPONENT, trash=False,
            outs=str(tmp_path / "out"), header={},
        )  # fmt: skip
        plan = with_digests(plan)
        shaken = tuple(
            replace(one, snapshot=replace(one.snapshot, inode=one.snapshot.inode + 1)) for one in plan.operations
        )
        before = state(real)
        assert not reasons(run(replace(plan, operations=shaken)))
        undone = undo(plan.outs, bar=None)
        assert undone.complete or mode == Mode.CLEAN_DELETE
        if undone.complete:
            assert state(real) == before


def test_hard_links_of_one_file_go_one_after_the_other(tmp_path: Path) -> None:
    """Each removal changes the ctime of those that are left."""
    (tmp_path / "in").mkdir()
    for name in "abcd":
        (tmp_path / "in" / name).write_bytes(b"x") if name == "a" else os.link(
            tmp_path / "in" / "a", tmp_path / "in" / name
        )
    paths = [str(tmp_path / "in" / name) for name in "abcd"]
    shots = [Snapshot.of(path) for path in paths]
    operations = tuple(
        Operation(Op.DELETE, path, None, shot, paths[0], 1.0, shots[0])
        for path, shot in zip(paths[1:], shots[1:], strict=True)
    )
    plan = with_digests(Plan(str(tmp_path / "out"), operations))
    assert not reasons(run(plan))
    assert os.listdir(tmp_path / "in") == ["a"]
