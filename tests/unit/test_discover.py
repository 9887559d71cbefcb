"""Discovery: each file once and in a fixed order, whatever the spelling, links, overlaps and troubles."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

import pytest

from fastsim.errors import UsageError
from fastsim.files.journal import JOURNAL_NAME
from fastsim.inputs.discover import RUN_MARK, Listing, discover, read_list
from fastsim.inputs.formats import Kind
from fastsim.records.files import ASIDE_PREFIX, PART_PREFIX, MediaFile, Skipped

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX file system")


def listing(*inputs: str | Path, **options: Any) -> Listing:
    settings: dict[str, Any] = {
        "recursive": True, "exclude": (), "follow_links": False, "outs": None, "kind": Kind.IMAGE, "bar": None,
    }  # fmt: skip
    return discover([os.fspath(one) for one in inputs], **{**settings, **options})


def scan(*inputs: str | Path, **options: Any) -> tuple[tuple[MediaFile, ...], tuple[Skipped, ...]]:
    return listing(*inputs, **options)[:2]


def names(*inputs: str | Path, **options: Any) -> list[str]:
    files, skipped = scan(*inputs, **options)
    assert not skipped
    assert [file.id for file in files] == list(range(len(files)))
    return [file.relative.replace(os.sep, "/") for file in files]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder of six pictures, one text and one empty picture."""
    top = tmp_path / "in"
    for name in ("b.JPG", "a.png", ".hidden.webp", "notes.txt", "sub/c.tiff", "sub/deep/d.heic", "sub/deep/e.gif"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(name.encode())
    (top / "empty.bmp").touch()
    return top


def test_pictures_are_listed_by_path_with_the_empty_and_the_hidden(tree: Path) -> None:
    assert names(tree) == [
        ".hidden.webp",
        "a.png",
        "b.JPG",
        "empty.bmp",
        "sub/c.tiff",
        "sub/deep/d.heic",
        "sub/deep/e.gif",
    ]
    assert names(tree, recursive=False) == [".hidden.webp", "a.png", "b.JPG", "empty.bmp"]


def test_a_name_that_is_nothing_but_a_suffix_is_taken(tmp_path: Path) -> None:
    (tmp_path / ".jpg").touch()
    (tmp_path / "jpg").touch()
    assert names(tmp_path) == [".jpg"]


def test_the_output_of_an_earlier_run_is_not_read_unless_it_is_named(tree: Path) -> None:
    assert RUN_MARK == JOURNAL_NAME
    (tree / "sub" / JOURNAL_NAME).touch()
    files, skipped = scan(tree)
    assert [file.relative for file in files] == [".hidden.webp", "a.png", "b.JPG", "empty.bmp"]
    assert skipped == ()
    assert listing(tree).left_out.earlier == (str(tree / "sub"),)
    assert len(scan(tree / "sub")[0]) == 3


def test_what_a_killed_run_left_is_no_picture_of_its_own(tree: Path) -> None:
    (tree / f"{PART_PREFIX}0123-4").write_bytes(b"\xff\xd8\xff half a copy")
    aside = tree / f"{ASIDE_PREFIX}0123-5.jpg"
    aside.write_bytes(b"\xff\xd8\xff the only copy")
    files, skipped = scan(tree)
    assert len(files) == 7
    assert [one.path for one in skipped] == [str(aside)] and "fastsim undo" in skipped[0].reason


def test_listed_files_that_are_gone_are_skipped_and_named_ones_are_an_error(tree: Path) -> None:
    files, skipped = scan(listed=[str(tree / "a.png"), str(tree / "gone.png")])
    assert [file.relative for file in files] == ["a.png"]
    assert skipped == (Skipped(str(tree / "gone.png"), "no such file or folder"),)
    with pytest.raises(UsageError, match="no such file or folder"):
        scan(tree / "gone.png")


def test_a_list_that_was_made_on_windows_is_read(tmp_path: Path) -> None:
    assert read_list(io.BytesIO(b"a.png\r\nb c.png\r\n")) == ("a.png", "b c.png")
    assert read_list(io.BytesIO(b"a.png\r\n\r\nb.png\r\n")) == ("a.png", "b.png")
    if os.name != "nt":
        assert read_list(io.BytesIO(b"odd\r\nb.png\n")) == ("odd\r", "b.png")


def test_a_file_carries_its_absolute_path_its_input_and_its_snapshot(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.parent)
    (file,), _ = scan("in/sub/", exclude=["deep"])
    status = (tree / "sub/c.tiff").stat()
    assert (file.path, file.root) == (str(tree / "sub" / "c.tiff"), str(tree / "sub"))
    assert (file.snapshot.size, file.snapshot.mtime_ns, file.snapshot.inode) == (
        status.st_size, status.st_mtime_ns, status.st_ino,
    )  # fmt: skip


def test_a_file_that_is_named_is_taken_whatever_its_suffix(tree: Path) -> None:
    assert names(tree / "notes.txt") == ["notes.txt"]
    assert names(tree / "notes.txt", exclude=["*.txt"]) == []


def test_the_order_is_that_of_the_bytes_of_the_paths(tmp_path: Path) -> None:
    for name in ("Z.jpg", "a.jpg", "ä.jpg", "a/x.jpg", "a-b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert names(tmp_path) == ["Z.jpg", "a-b.jpg", "a.jpg", "a/x.jpg", "ä.jpg"]


def test_overlapping_inputs_give_each_file_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    once = names(tree)
    assert len(names(tree, "sub", tree / "sub" / "..", ".", "a.png", "./a.png")) == len(once)
    files, _ = scan("sub", tree)
    assert {file.root for file in files} == {
        str(tree),
        str(tree / "sub"),
    }  # the first input that holds a file is its root


def test_a_child_that_the_parent_excludes_may_be_named_itself(tree: Path) -> None:
    assert names(tree, tree / "sub" / "deep", exclude=["sub/*"]) == [
        ".hidden.webp", "a.png", "b.JPG", "empty.bmp", "d.heic", "e.gif",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("deep", ["a.png", "b.JPG", "empty.bmp", ".hidden.webp", "sub/c.tiff"]),
        ("deep/", ["a.png", "b.JPG", "empty.bmp", ".hidden.webp", "sub/c.tiff"]),
        ("sub/deep", ["a.png", "b.JPG", "empty.bmp", ".hidden.webp", "sub/c.tiff"]),
        ("**/deep/*.gif", ["a.png", "b.JPG", "empty.bmp", ".hidden.webp", "sub/c.tiff", "sub/deep/d.heic"]),
        ("**/sub", ["a.png", "b.JPG", "empty.bmp", ".hidden.webp"]),
        ("sub/*", ["a.png", "b.JPG", "empty.bmp", ".hidden.webp"]),
        (".*", ["a.png", "b.JPG", "empty.bmp", "sub/c.tiff", "sub/deep/d.heic", "sub/deep/e.gif"]),
        ("*.[gt]i*", ["a.png", "b.JPG", "empty.bmp", ".hidden.webp", "sub/deep/d.heic"]),
        ("nothing", ["a.png", "b.JPG", "empty.bmp", ".hidden.webp", "sub/c.tiff", "sub/deep/d.heic", "sub/deep/e.gif"]),
    ],
)
def test_a_glob_excludes_by_name_by_part_and_by_relative_path(tree: Path, glob: str, left: list[str]) -> None:
    assert sorted(names(tree, exclude=[glob])) == sorted(left)


def test_a_glob_may_be_a_whole_path(tree: Path) -> None:
    assert "sub/c.tiff" not in names(tree, exclude=[f"{tree}/sub"])


def test_the_output_folder_is_never_entered(tree: Path) -> None:
    outs = tree / "sub"
    assert names(tree, outs=str(outs)) == [".hidden.webp", "a.png", "b.JPG", "empty.bmp"]
    assert len(names(tree, outs=str(tree / "not there yet"))) == 7


@pytest.mark.parametrize("inside", ["sub", "sub/deep", "sub/c.tiff"])
def test_an_input_in_the_output_folder_is_refused(tree: Path, inside: str) -> None:
    with pytest.raises(UsageError, match="output folder"):
        scan(tree / inside, outs=str(tree / "sub"))


def test_a_wrong_path_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        scan(tmp_path / "no\nsuch")
    assert "no\\nsuch: no such file or folder; give files or folders that exist" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    assert scan(tmp_path) == ((), ())


@posix
def test_fifos_and_sockets_are_passed_over_and_refused_as_inputs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert scan(tmp_path) == ((), ())
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        scan(tmp_path / "pipe.jpg")


@posix
def test_a_folder_that_cannot_be_read_is_reported_and_the_rest_goes_on(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)  # chmod would not stop root
    files, skipped = scan(tree)
    assert len(files) == 4
    assert skipped == (Skipped(str(tree / "sub"), "folder not read: permission denied"),)


@posix
def test_names_with_newlines_and_foreign_bytes_come_back_whole(tmp_path: Path) -> None:
    odd = [b"new\nline.jpg", b"\xff\xfe.jpg", b"back\\slash.jpg"]
    for name in odd:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    files, _ = scan(tmp_path)
    assert [os.fsencode(file.relative) for file in files] == sorted(odd)


class TestLinks:
    pytestmark = posix

    def test_links_are_passed_over_unless_asked_for(self, tree: Path, tmp_path: Path) -> None:
        (tmp_path / "away").mkdir()
        (tmp_path / "away" / "x.jpg").write_bytes(b"x")
        (tree / "folder").symlink_to(tmp_path / "away")
        (tree / "one.jpg").symlink_to(tmp_path / "away" / "x.jpg")
        assert len(names(tree)) == 7
        assert names(tree / "folder") == ["x.jpg"]  # named, it is resolved
        (file,), _ = scan(tree / "one.jpg")
        assert file.path == str(tmp_path / "away" / "x.jpg")

    def test_a_link_is_dropped_when_its_target_is_in_the_list(self, tree: Path) -> None:
        (tree / "0 link.png").symlink_to("a.png")
        (tree / "0 folder").symlink_to("sub")
        assert names(tree, follow_links=True) == names(tree)

    def test_of_two_links_to_one_file_the_first_is_listed_with_the_size_of_the_content(
        self, tree: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "blob").write_bytes(b"twelve bytes")
        (tree / "y.jpg").symlink_to(tmp_path / "blob")
        (tree / "x.jpg").symlink_to(tmp_path / "blob")
        files, _ = scan(tree, follow_links=True)
        linked = [file for file in files if file.relative in ("x.jpg", "y.jpg")]
        assert [(file.relative, file.snapshot.size) for file in linked] == [("x.jpg", 12)]

    def test_loops_end(self, tree: Path, tmp_path: Path) -> None:
        (tree / "sub" / "up").symlink_to(tree)
        (tree / "sub" / "above").symlink_to(tmp_path)
        (tree / "self").symlink_to("self")
        files, skipped = scan(tree, follow_links=True)
        assert len(files) == 7
        assert [Path(one.path).name for one in skipped] == ["self"]

    def test_a_linked_folder_is_entered_once_and_its_links_are_followed(self, tree: Path, tmp_path: Path) -> None:
        away = tmp_path / "away"
        (away / "in it").mkdir(parents=True)
        (away / "in it" / "x.jpg").write_bytes(b"x")
        (away / "y.jpg").symlink_to("in it/x.jpg")
        (tree / "l1").symlink_to(away)
        (tree / "l2").symlink_to(away / "in it")
        assert [name for name in names(tree, follow_links=True) if name.endswith(".jpg")] == ["l1/in it/x.jpg"]

    def test_a_link_into_the_output_folder_is_not_followed(self, tree: Path, tmp_path: Path) -> None:
        outs = tmp_path / "outs"
        outs.mkdir()
        (outs / "x.jpg").write_bytes(b"x")
        (tree / "folder").symlink_to(outs)
        (tree / "file.jpg").symlink_to(outs / "x.jpg")
        assert len(names(tree, follow_links=True, outs=str(outs))) == 7

    def test_a_link_that_leads_nowhere_is_reported(self, tree: Path) -> None:
        (tree / "gone.jpg").symlink_to("not there")
        (tree / "gone.txt").symlink_to("not there")
        files, skipped = scan(tree, follow_links=True)
        assert len(files) == 7
        assert skipped == (Skipped(str(tree / "gone.jpg"), "a link that can't be followed: no such file or directory"),)

    def test_hard_links_are_two_files(self, tree: Path) -> None:
        os.link(tree / "a.png", tree / "a2.png")
        assert len(names(tree, tree / "sub", tree)) == 8

    def test_hard_links_whose_names_differ_only_in_case_are_two_files(self, tree: Path) -> None:
        os.link(tree / "a.png", tree / "A.PNG")
        if len(os.listdir(tree)) == len({name.casefold() for name in os.listdir(tree)}):
            pytest.skip("needs a file system that knows case")
        os.link(tree / "sub/c.tiff", tree / "sub/C.tiff")
        once = names(tree)
        assert {"a.png", "A.PNG", "sub/c.tiff", "sub/C.tiff"} <= set(once)
        assert names(tree, tree / "A.PNG", tree / "a.png", tree / "sub") == once

    def test_hard_links_whose_names_differ_only_in_the_form_of_an_accent_are_two_files(self, tree: Path) -> None:
        os.link(tree / "a.png", tree / "\u00e9.png")
        try:
            os.link(tree / "a.png", tree / "e\u0301.png")
        except FileExistsError:
            pytest.skip("needs a file system that keeps both forms apart")
        assert {"\u00e9.png", "e\u0301.png", "a.png"} <= set(names(tree))

    def test_a_file_with_hard_links_named_in_another_case_is_listed_once_where_case_is_ignored(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        os.link(tree / "a.png", tree / "sub" / "twin.png")
        real_stat, real_path = os.stat, os.path.realpath
        other = str(tree / "A.PNG")

        def as_on_macs(path: Any, *args: Any, **options: Any) -> Any:
            return real_stat(str(tree / "a.png") if os.fspath(path) == other else path, *args, **options)

        monkeypatch.setattr(os, "stat", as_on_macs)
        monkeypatch.setattr(
            os.path, "realpath", lambda path, strict=False: other if path == other else real_path(path, strict=strict)
        )
        assert sorted(names(other, tree)) == sorted(names(tree))


def test_a_list_is_split_at_newlines_or_at_nul() -> None:
    assert read_list(io.BytesIO(b"a\nb c\n\n\xff\n")) == ("a", "b c", os.fsdecode(b"\xff"))
    assert read_list(io.BytesIO(b"a\nb\0c\0")) == ("a\nb", "c")
    assert read_list(io.BytesIO(b"")) == ()


def test_the_bar_counts_files(tree: Path) -> None:
    class Counter:
        count = 0

        def advance(self, n: int = 1) -> None:
            self.count += n

    bar = Counter()
    scan(tree, bar=bar)
    assert bar.count == 7


@pytest.mark.slow
def test_a_hundred_thousand_files_take_seconds(tmp_path: Path) -> None:
    for i in range(100):
        (tmp_path / str(i)).mkdir()
        for j in range(1000):
            os.close(os.open(f"{tmp_path}/{i}/{j}.jpg", os.O_CREAT | os.O_WRONLY))
    start = time.process_time()
    files, _ = scan(tmp_path)
    assert len(files) == 100_000
    assert time.process_time() - start < 4
