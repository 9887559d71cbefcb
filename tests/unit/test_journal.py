"""The journal: what is in it survives a kill at any byte, and no one else writes to it meanwhile."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from fastsim.errors import FastsimError, UsageError
from fastsim.files.journal import Journal, journal_in, read_header
from fastsim.files.undo import undo
from fastsim.records.files import Snapshot
from fastsim.records.plans import Op, Operation

ONE = Operation(Op.MOVE, os.path.abspath("a\udcff\n"), os.path.abspath("b"), Snapshot(1, 2, 3))
TWO = Operation(Op.COPY, os.path.abspath("c"), os.path.abspath("d"), Snapshot(4, 5, 6))
SHOT = Snapshot(7, 8, 9)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a journal of four operations: pending, done, failed, undone."""
    path = str(tmp_path / "fastsim_journal.jsonl")
    with Journal(path, create=True) as log:
        assert log.header is None
        log.start({"digest": "abc"})
        log.intend([(0, ONE), (1, ONE), (2, TWO), (3, TWO)], ["/x", "/x/y"])
        log.retarget(0, "/elsewhere")
        log.done(1, SHOT, 0o644)
        log.failed(2, "no")
        log.done(3, None, None)
        log.undone(3)
    return path


def states(log: Journal) -> list[str]:
    words = []
    for _, one in sorted(log.entries.items()):
        words.append("undone" if one.undone else next(w for w in ("pending", "done", "failed") if getattr(one, w)))
    return words


def test_what_was_written_comes_back(path: str) -> None:
    with Journal(path) as log:
        assert log.header is not None
        assert log.header["digest"] == "abc"
        assert log.folders == ["/x", "/x/y"]
        assert states(log) == ["pending", "done", "failed", "undone"]
        assert log.entries[0].operation.target == "/elsewhere"
        assert log.entries[1].operation == ONE
        assert (log.entries[1].result, log.entries[1].mode) == (SHOT, 0o644)


def test_a_new_intent_starts_an_operation_anew(path: str) -> None:
    with Journal(path) as log:
        log.intend([(3, TWO)], [])
    with Journal(path) as log:
        assert log.entries[3].pending


def test_cut_at_any_byte_it_can_be_read_and_written_on(path: str) -> None:
    whole = Path(path).read_bytes()
    for end in range(len(whole)):
        Path(path).write_bytes(whole[:end])
        with Journal(path) as log:
            if log.header is None:
                log.start({"digest": "abc"})
            log.intend([(9, TWO)], [])
        with Journal(path) as log:
            assert log.entries[9].operation == TWO
            assert set(log.entries) <= {0, 1, 2, 3, 9}


def test_rubbish_at_the_end_is_dropped(path: str) -> None:
    with open(path, "ab") as file:
        file.write(b"\0" * 100 + b"\n\xff\xfe\n\0\0")
    with Journal(path) as log:
        assert len(log.entries) == 4
        log.done(0, SHOT, None)
    with Journal(path) as log:
        assert log.entries[0].done


def test_damage_in_the_middle_is_an_error(path: str) -> None:
    lines = Path(path).read_bytes().splitlines(keepends=True)
    lines[3] = b"{]\n"
    Path(path).write_bytes(b"".join(lines))
    with pytest.raises(FastsimError, match="line 4: damaged"):
        Journal(path)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"i": ' + "[" * 100_000, '{"i": 1, "done": "x", "mode": 1}', '{"of": 1}']
)
def test_a_hostile_line_is_damage(path: str, line: str) -> None:
    lines = Path(path).read_text().splitlines(keepends=True)
    Path(path).write_text("".join([*lines[:4], line + "\n", *lines[4:]]))
    with pytest.raises(FastsimError, match="line 5: damaged"):
        Journal(path)


def test_it_is_locked_until_it_is_closed(path: str) -> None:
    log = Journal(path)
    with pytest.raises(UsageError, match="another fastsim is at work with it; wait"):
        Journal(path)
    log.close()
    log.close()
    Journal(path).close()


@pytest.mark.parametrize("content", [b"no newline", b"\xff\xd8\n", b"[]\n", b'{"format": "fastsim-plan"}\n'])
def test_another_file_is_refused_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    for create in (False, True):
        with pytest.raises(
            UsageError, match=r"not a fastsim journal; give OUTS/fastsim_journal.jsonl of a run, or OUTS"
        ):
            Journal(str(tmp_path / "photo.jpg"), create=create)
    assert (tmp_path / "photo.jpg").read_bytes() == content


def test_another_version_is_refused(path: str) -> None:
    text = Path(path).read_text().replace('"version": 2', '"version": 3', 1)
    Path(path).write_text(text)
    with pytest.raises(UsageError, match="journal version 3, and this fastsim reads up to 2"):
        Journal(path)


def test_a_journal_of_the_first_version_is_read(path: str) -> None:
    text = Path(path).read_text().replace('"version": 2', '"version": 1', 1)
    Path(path).write_text(text)
    with Journal(path) as log:
        assert states(log) == ["pending", "done", "failed", "undone"]


def test_what_was_put_back_after_it_was_done_is_not_done(path: str) -> None:
    with Journal(path) as log:
        log.failed(1, "put back")
        assert states(log)[1] == "failed"
    with Journal(path) as log:
        assert states(log)[1] == "failed"


def test_a_missing_journal_is_named_and_not_made(tmp_path: Path) -> None:
    for ask in (Journal, read_header):
        with pytest.raises(UsageError, match=r"nope: can't be .*; give OUTS"):
            ask(str(tmp_path / "nope"))
    assert not os.listdir(tmp_path)


def test_what_could_not_be_written_whole_is_taken_off_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Path(path).read_bytes()
    write, room = os.write, [10]

    def full(fd: int, data: memoryview) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[: room.pop()])

    with Journal(path) as log:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            log.intend([(9, TWO)], [])
        monkeypatch.undo()
        assert Path(path).read_bytes() == before
        assert 9 not in log.entries


def test_intents_are_on_the_disk_before_it_goes_on(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_size), fsync(fd)))
    with Journal(path) as log:
        log.intend([(9, TWO)], [])
        assert synced == [os.path.getsize(path)]
        log.retarget(9, "/new")
        assert synced[1:] == [os.path.getsize(path)]


def test_it_is_found_in_its_folder(path: str, tmp_path: Path) -> None:
    assert journal_in(str(tmp_path)) == path
    assert all(json.loads(line) for line in Path(path).read_text("ascii").splitlines())


def test_an_empty_file_of_another_name_is_no_journal_and_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(UsageError, match="not a fastsim journal"):
        undo(str(tmp_path / "mine"), bar=None)
    assert (tmp_path / "mine").exists()
