"""Archives as inputs: listed like Python's own modules list them, and refused where they are hostile or damaged."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import MEDIA

from fastsim.inputs import archives
from fastsim.inputs.archives import members as limits
from fastsim.inputs.archives import open_source, split_member
from fastsim.inputs.archives.members import ArchiveError
from fastsim.inputs.discover import discover
from fastsim.inputs.formats import Kind

PICTURE = (MEDIA / "photos/chart.png").read_bytes()
NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), min_size=1, max_size=60)
    .filter(lambda text: text.strip(".") and not text.startswith("./"))
    .map(lambda text: f"{text}.png"),
    min_size=1, max_size=6, unique=True,
)  # fmt: skip


def make_tar(path: Path, files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=kind) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def make_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def listed(path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the images that discovery finds, by their names in the archive, and the reasons of what was refused."""
    found = discover(
        [str(path)], recursive=True, exclude=(), follow_links=False, outs=None, kind=Kind.IMAGE, bar=None
    )  # fmt: skip
    return [file.relative for file in found.files], {
        Path(one.path.rpartition("::")[2]).name: one.reason for one in found.skipped
    }


@given(NAMES, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), st.integers(0, 2000))
@settings(max_examples=40, deadline=None)
def test_a_tar_has_the_members_that_tarfile_has(names: list[str], kind: int, size: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        files = {f"deep/{'x' * 90}/{name}": bytes([i]) * (size + i) for i, name in enumerate(names)}
        path = make_tar(Path(folder) / "a.tar", files, kind)
        found = archives.list_members(str(path))
        assert {name: one.size for name, one in found.found.items()} == {
            name: len(data) for name, data in files.items()
        }
        assert found.refused == []
        for name, data in files.items():
            with open_source(f"{path}::{name}") as stream:
                assert stream.read() == data
                assert stream.seek(0, os.SEEK_END) == len(data)
                stream.seek(len(data) // 2)
                assert stream.read(3) == data[len(data) // 2 :][:3]


@given(NAMES, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), st.integers(0, 2000))
@settings(max_examples=40, deadline=None)
def test_a_zip_has_the_members_that_zipfile_has(names: list[str], method: int, size: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        files = {f"deep/{name}": os.urandom(size + i) for i, name in enumerate(names)}
        path = make_zip(Path(folder) / "a.zip", files, method)
        with zipfile.ZipFile(path) as archive:
            assert set(archives.list_members(str(path)).found) == set(archive.namelist())
            for name in archive.namelist():
                with open_source(f"{path}::{name}") as stream:
                    assert stream.read() == archive.read(name)


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_names_that_lead_out_are_refused_and_others_are_read(tmp_path: Path, make: object) -> None:
    names = ["../up.png", "/etc/root.png", "a/../../b.png", "fine..png", "a/b.png"]
    path = make(tmp_path / f"a{'.tar' if make is make_tar else '.zip'}", dict.fromkeys(names, PICTURE))  # type: ignore[operator]
    found, refused = listed(path)
    assert found == ["a/b.png", "fine..png"]
    assert set(refused) == {"up.png", "root.png", "b.png"}
    assert set(refused.values()) == {"its name leads out of the archive"}


def test_links_devices_and_sparse_files_in_a_tar_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind, name in (
            (tarfile.SYMTYPE, "sym"),
            (tarfile.LNKTYPE, "hard"),
            (tarfile.FIFOTYPE, "fifo"),
            (tarfile.CHRTYPE, "device"),
        ):
            info = tarfile.TarInfo(f"{name}.png")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("real.png")
        info.size = len(PICTURE)
        archive.addfile(info, io.BytesIO(PICTURE))
    found, refused = listed(tmp_path / "a.tar")
    assert found == ["real.png"]
    assert refused == {
        "sym.png": "a symbolic link in an archive", "hard.png": "a hard link in an archive",
        "fifo.png": "a FIFO in an archive", "device.png": "a device in an archive",
    }  # fmt: skip


def test_a_link_and_an_encrypted_file_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.create_system, link.external_attr = 3, 0xA1FF << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("secret.png", PICTURE)
        archive.writestr("odd.png", PICTURE, zipfile.ZIP_LZMA)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    at = data.rindex(b"PK\1\2", 0, data.rindex(b"secret.png"))
    data[at + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    found, refused = listed(tmp_path / "a.zip")
    assert found == []
    assert refused["link.png"] == "a symbolic link in an archive"
    assert refused["secret.png"] == "encrypted"
    assert "another method" in refused["odd.png"]


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_zip(tmp_path / "a.zip", {"bomb.png": bytes(300 * 2**20), "fine.png": PICTURE})
    tracemalloc.start()
    found, refused = listed(tmp_path / "a.zip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == ["fine.png"]
    assert "as a bomb does" in refused["bomb.png"]
    assert peak < 20 * 2**20
    with pytest.raises(OSError, match="no such file in the archive"):
        open_source(f"{tmp_path}/a.zip::bomb.png")
    monkeypatch.setattr(limits, "MOST_PACKED", 1000)
    make_zip(tmp_path / "b.zip", {"large.png": os.urandom(2000)})
    assert "MiB in a compressed archive" in listed(tmp_path / "b.zip")[1]["large.png"]


def test_members_that_lie_over_each_other_and_sizes_that_lie_are_refused(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", {"a.png": PICTURE, "b.png": PICTURE})
    whole = bytearray((tmp_path / "a.zip").read_bytes())
    second = whole.rindex(b"PK\1\2")
    over = whole.copy()
    over[second + 42 : second + 46] = (0).to_bytes(4, "little")
    (tmp_path / "over.zip").write_bytes(over)
    assert listed(tmp_path / "over.zip") == ([], {"over.zip": "its members lie over each other, as in a bomb"})
    for lie in (10, len(PICTURE) - 1, len(PICTURE) + 1, 2 * len(PICTURE)):
        lying = whole.copy()
        lying[second + 24 : second + 28] = lie.to_bytes(4, "little")
        (tmp_path / f"{lie}.zip").write_bytes(lying)
        with pytest.raises(OSError, match="damaged in the archive"):
            open_source(f"{tmp_path}/{lie}.zip::b.png")


def test_too_many_members_and_endless_headers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_MEMBERS", 100)
    make_tar(tmp_path / "a.tar", {f"{i}.png": b"" for i in range(101)})
    assert "more than 100 members" in listed(tmp_path / "a.tar")[1]["a.tar"]
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2 * 2**20
    (tmp_path / "b.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * info.size)
    assert "more than the limit" in listed(tmp_path / "b.tar")[1]["b.tar"]
    huge = tarfile.TarInfo("huge.png")
    huge.size = 2**40
    (tmp_path / "c.tar").write_bytes(huge.tobuf(tarfile.GNU_FORMAT) + PICTURE)
    assert listed(tmp_path / "c.tar") == ([], {"huge.png": "cut short: the archive ends in it"})


def test_a_long_list_of_members_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The end of a zip says where its list begins and how long it is; the file may have holes, which take no disk."""
    length = 1 << 30
    end = b"PK\5\6" + bytes(6) + (1).to_bytes(2, "little") + length.to_bytes(4, "little") + bytes(6)
    with (tmp_path / "a.zip").open("wb") as file:
        file.seek(length)
        file.write(end)
    tracemalloc.start()
    found, refused = listed(tmp_path / "a.zip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == []
    assert "its list of members says that it has 1,073,741,824 bytes" in refused["a.zip"]
    assert peak < 2**20


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    make_zip(tmp_path / "a.zip", {"a.png": PICTURE, "b": PICTURE})
    whole = (tmp_path / "a.zip").read_bytes()
    last = whole.rindex(b"PK\1\2")
    shorter = bytearray(whole[: last + 46] + whole[last + 47 :])  # the list without the letter b
    shorter[last + 28] = 0
    end = shorter.rindex(b"PK\5\6")
    shorter[end + 12] -= 1
    (tmp_path / "a.zip").write_bytes(shorter)
    members = archives.list_members(str(tmp_path / "a.zip"))
    assert (list(members.found), members.refused) == (["a.png"], [("", "it has no name")])


def test_damage_anywhere_is_a_reason_and_never_another_error(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    files = {"a/one.png": PICTURE[:3000], f"{'long' * 40}/two.png": PICTURE[:2000], "three.png": PICTURE[:1000]}
    for name, make in (("x.tar", make_tar), ("x.zip", make_zip)):
        whole = make(tmp_path / name, files).read_bytes()
        path = tmp_path / f"bad{Path(name).suffix}"
        for _ in range(300):
            bad = bytearray(whole)
            bad[int(draw.integers(len(bad)))] ^= 1 << int(draw.integers(8))
            path.write_bytes(bad[: int(draw.integers(len(bad)))] if draw.random() < 0.3 else bad)
            archives._listed.cache_clear()  # times may be equal
            try:
                found = archives.list_members(str(path)).found
            except ArchiveError as error:
                assert len(str(error).splitlines()) == 1
                continue
            for member in found:
                try:
                    with open_source(f"{path}::{member}") as stream:
                        stream.read()
                except OSError as error:
                    assert error.strerror


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    for name, reason in (
        ("a.tar", "not a tar archive"), ("a.zip", "not a zip archive"), ("a.cbz", "not a zip archive"),
        ("a.tar.gz", "cannot be read in place"), ("a.7z", "cannot be read in place"), ("a.parquet", "Parquet files are not read"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"something else, and long enough for a header" * 20)
        assert reason in listed(tmp_path / name)[1][name]
    (tmp_path / "empty.tar").write_bytes(b"")
    assert listed(tmp_path / "empty.tar")[1]["empty.tar"] == "empty"


def test_a_plain_file_with_colons_in_its_name_is_itself(tmp_path: Path) -> None:
    odd = tmp_path / "a::b" / "c::d.png"
    odd.parent.mkdir()
    odd.write_bytes(PICTURE)
    with open_source(str(odd)) as stream:
        assert stream.read() == PICTURE
    path = make_tar(tmp_path / "a::b" / "x::y.tar", {"p::q.png": PICTURE})
    assert split_member(f"{path}::p::q.png") == (str(path), "p::q.png")
    assert listed(path)[0] == ["p::q.png"]


def test_an_archive_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", {"a.png": b"first"})
    with open_source(f"{path}::a.png") as stream:
        assert stream.read() == b"first"
    make_tar(path, {"a.png": b"second, and longer", "b.png": b"more" * 5000})
    with open_source(f"{path}::a.png") as stream:
        assert stream.read() == b"second, and longer"
