"""Plans: pure, deterministic, without clashes, and whole on disk."""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from disk import ODD_NAMES
from hypothesis import given
from hypothesis import strategies as st

from fastsim.choices import GroupBy, Mode
from fastsim.errors import UsageError
from fastsim.files.journal import JOURNAL_NAME
from fastsim.files.plan import describe, make_plan
from fastsim.files.plan_file import PLAN_NAME, plan_digest, read_plan, write_plan
from fastsim.records.files import MediaFile, Snapshot
from fastsim.records.pairs import Group
from fastsim.records.plans import Op, Operation, Plan, numbered

ROOT, OUTS = os.path.abspath(os.sep + "in"), os.path.abspath(os.sep + "out")


def file(i: int, relative: str, root: str = ROOT) -> MediaFile:
    return MediaFile(i, os.path.join(root, relative), root, Snapshot(10 + i, 20 + i, 30 + i))


def group(*pairs: tuple[int, int]) -> Group:
    """(id, keeper) of each member."""
    ids, keepers = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    return Group(ids, keepers, np.where(ids == keepers, 1, 0.9).astype(np.float32))


def plan(groups: list[Group], files: list[MediaFile], mode: Mode, **options: object) -> Plan:
    settings = {"group_by": GroupBy.COMPONENT, "trash": False, "outs": OUTS, "header": {"argv": ["fastsim"]}, **options}
    return make_plan(groups, {one.id: one for one in files}, mode=mode, **settings)  # type: ignore[arg-type]


def targets(made: Plan) -> list[str]:
    return [os.path.relpath(one.target, OUTS).replace(os.sep, "/") for one in made.operations if one.target]


FILES = [file(i, name) for i, name in enumerate(["a.jpg", "sub/a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"])]
GROUPS = [group((0, 0), (4, 4), (1, 0), (5, 4)), group((2, 2), (3, 2))]


@pytest.mark.parametrize(("mode", "op"), [(Mode.GROUP_COPY, Op.COPY), (Mode.GROUP_MOVE, Op.MOVE)])
def test_each_group_gets_a_folder_and_keeps_its_names(mode: Mode, op: Op) -> None:
    made = plan(GROUPS, FILES, mode)
    assert {one.op for one in made.operations} == {op}
    assert targets(made) == [
        "group_00001/a.jpg", "group_00001/d.jpg", "group_00001/a_2.jpg", "group_00001/e.jpg",
        "group_00002/b.jpg", "group_00002/c.jpg",
    ]  # fmt: skip


def test_by_keeper_each_keeper_that_covers_a_file_makes_a_group() -> None:
    groups = [group((0, 0), (2, 2), (1, 0)), group((3, 3), (4, 3), (5, 3))]  # 2 covers no one
    made = plan(groups, FILES, Mode.GROUP_COPY, group_by=GroupBy.KEEPER)
    assert targets(made) == [
        "group_00001/c.jpg", "group_00001/d.jpg", "group_00001/e.jpg", "group_00002/a.jpg", "group_00002/a_2.jpg",
    ]  # fmt: skip


def test_cleaning_moves_all_but_the_keepers_to_their_paths_below_their_input() -> None:
    made = plan(GROUPS, FILES, Mode.CLEAN_MOVE)
    assert targets(made) == ["sub/a.jpg", "e.jpg", "c.jpg"]
    first = made.operations[0]
    assert (first.keeper, first.keeper_snapshot) == (FILES[0].path, FILES[0].snapshot)
    assert first.score == pytest.approx(0.9)


@pytest.mark.parametrize(("trash", "op"), [(False, Op.DELETE), (True, Op.TRASH)])
def test_cleaning_can_delete_or_trash(trash: bool, op: Op) -> None:
    made = plan(GROUPS, FILES, Mode.CLEAN_DELETE, trash=trash)
    assert [(one.op, one.source, one.target) for one in made.operations] == [
        (op, FILES[i].path, None) for i in (1, 5, 3)
    ]


def test_a_folder_of_one_input_is_no_file_of_another() -> None:
    other = os.path.abspath(os.sep + "other")
    files = [file(0, "k"), file(1, "x.jpg", other), file(2, "x.jpg/deep/y.jpg"), file(3, "X.JPG", os.sep + "third")]
    assert targets(plan([group((0, 0), (1, 0), (2, 0), (3, 0))], files, Mode.CLEAN_MOVE)) == [
        "x_2.jpg", "x.jpg/deep/y.jpg", "X_2.JPG".replace("_2", "_3"),
    ]  # fmt: skip


def test_a_file_that_was_an_input_itself_goes_by_its_name() -> None:
    alone = MediaFile(1, os.path.join(ROOT, "sub", "x.jpg"), os.path.join(ROOT, "sub", "x.jpg"), Snapshot(1, 1, 1))
    assert targets(plan([group((0, 0), (1, 0))], [file(0, "k"), alone], Mode.CLEAN_MOVE)) == ["x.jpg"]


def test_names_of_the_run_itself_are_not_given_away() -> None:
    files = [file(0, "k"), file(1, PLAN_NAME), file(2, JOURNAL_NAME)]
    made = plan([group((0, 0), (1, 0), (2, 0))], files, Mode.CLEAN_MOVE)
    assert targets(made) == ["fastsim_plan_2.jsonl", "fastsim_journal_2.jsonl"]


def test_a_numbered_name_stays_within_255_bytes() -> None:
    assert numbered("a.tar.gz", 2) == "a.tar_2.gz"
    assert numbered(".hidden", 3) == ".hidden_3"
    assert len(numbered("é" * 125 + ".jpeg", 12).encode()) <= 255


@st.composite
def libraries(draw: st.DrawFn) -> tuple[list[Group], list[MediaFile]]:
    """Return groups over files with names that clash in every way, from two inputs, each member with any earlier keeper."""
    name = st.sampled_from(
        ["a.jpg", "A.jpg", "a_2.jpg", "é.jpg", "e\u0301.jpg", "ß.png", "SS.png", "a.jpg/b", "a", "a/A"]
    )
    roots = [ROOT, os.path.abspath(os.sep + "other"), os.path.abspath(os.sep + "third")]
    paths = draw(st.lists(st.tuples(st.sampled_from(roots), name), unique=True, max_size=24))
    files = [file(i, name, root) for i, (root, name) in enumerate(paths)]
    groups, start = [], 0
    while len(files) - start >= 2:
        size = draw(st.integers(2, len(files) - start))
        keepers = sorted(draw(st.sets(st.integers(start, start + size - 1), min_size=1)))
        others = [i for i in range(start, start + size) if i not in keepers]
        groups.append(group(*((i, i) for i in keepers), *((i, draw(st.sampled_from(keepers))) for i in others)))
        start += size
    return groups, files


@given(libraries(), st.sampled_from(Mode), st.sampled_from(GroupBy), st.booleans())
def test_no_plan_has_a_clash_or_removes_a_keeper(library, mode, group_by, trash) -> None:  # type: ignore[no-untyped-def]
    groups, files = library
    made = plan(groups, files, mode, group_by=group_by, trash=trash)
    sources = [one.source for one in made.operations]
    assert len(set(sources)) == len(sources)
    taken = [unicodedata.normalize("NFC", target).casefold() for target in targets(made)]
    assert len(set(taken)) == len(taken)
    folders = {os.path.dirname(one)[:end] for one in taken for end in range(len(one)) if one[end : end + 1] == "/"}
    assert not folders & set(taken)
    if mode not in (Mode.GROUP_COPY, Mode.GROUP_MOVE):
        keepers = {one.keeper for one in made.operations}
        assert not keepers & set(sources)
        assert set(sources) == {files[i].path for one in groups for i, keeper, _ in one.members() if i != keeper}
    elif group_by == GroupBy.COMPONENT:
        assert set(sources) == {files[i].path for one in groups for i in one.ids.tolist()}
    assert made == plan(groups, files, mode, group_by=group_by, trash=trash)


def test_the_dry_run_says_what_goes_where_and_why() -> None:
    lines = list(describe(plan(GROUPS, [*FILES[:5], file(5, "new\nline.jpg")], Mode.CLEAN_MOVE)))
    assert lines[1] == (
        f"move   {os.path.join(ROOT, 'new')}\\nline.jpg -> {os.path.join(OUTS, 'new')}\\nline.jpg"
        f"  (kept: {FILES[4].path}, score 0.9000)"
    )
    assert next(describe(plan(GROUPS, FILES, Mode.GROUP_COPY))).endswith("group_00001" + os.sep + "a.jpg")


class TestFile:
    """A plan on disk."""

    @pytest.fixture
    def made(self) -> Plan:
        return plan(GROUPS, FILES, Mode.CLEAN_MOVE)

    @pytest.fixture
    def lines(self, made: Plan, tmp_path: Path) -> list[str]:
        write_plan(made, str(tmp_path / "plan"))
        return (tmp_path / "plan").read_text("ascii").splitlines(keepends=True)

    @pytest.mark.parametrize("mode", list(Mode))
    def test_it_comes_back_as_it_was(self, tmp_path: Path, mode: Mode) -> None:
        files = [file(i, name) for i, name in enumerate(ODD_NAMES)]
        made = plan([group((0, 0), (1, 0), (2, 0), (3, 0), (4, 0))], files, mode)
        write_plan(made, str(tmp_path / "plan"))
        back = read_plan(str(tmp_path / "plan"))
        assert back == made
        assert plan_digest(back) == plan_digest(made)
        assert os.listdir(tmp_path) == ["plan"]

    def test_the_digest_names_what_is_done_and_not_when(self, made: Plan) -> None:
        assert plan_digest(made) == plan_digest(Plan(made.outs, made.operations, {"time": "later"}))
        assert plan_digest(made) != plan_digest(Plan(made.outs, made.operations[1:], made.header))
        assert plan_digest(made) != plan_digest(Plan(made.outs + "2", made.operations, made.header))

    def test_an_older_plan_is_replaced_and_nothing_else(self, made: Plan, tmp_path: Path) -> None:
        for content in (b"", b'{"format": "fastsim-plan", "version": 1}\n'):
            (tmp_path / "old").write_bytes(content)
            write_plan(made, str(tmp_path / "old"))
        (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8 no plan")
        for path in (tmp_path / "photo.jpg", tmp_path):
            with pytest.raises(UsageError, match="exists and is not a fastsim plan; give another name"):
                write_plan(made, str(path))
        assert (tmp_path / "photo.jpg").read_bytes() == b"\xff\xd8 no plan"

    def test_a_place_that_cannot_be_written_is_named(self, made: Plan, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"can't be written .*; give another path"):
            write_plan(made, str(tmp_path / "no folder" / "plan"))

    def test_whole_lines_may_be_deleted(self, made: Plan, lines: list[str], tmp_path: Path) -> None:
        (tmp_path / "plan").write_text(lines[0] + lines[2] + lines[-1])
        assert read_plan(str(tmp_path / "plan")).operations == (made.operations[1],)

    def test_it_is_found_in_its_output_folder(self, made: Plan, tmp_path: Path) -> None:
        write_plan(made, str(tmp_path / PLAN_NAME))
        assert read_plan(str(tmp_path)) == made

    @pytest.mark.parametrize("cut", [1, 2, 20])
    def test_a_plan_cut_short_is_refused(self, lines: list[str], tmp_path: Path, cut: int) -> None:
        whole = "".join(lines)
        for text in (whole[:-cut], "".join(lines[:-cut])):
            (tmp_path / "plan").write_text(text)
            with pytest.raises(UsageError, match=r"cut short; plan again|not a fastsim plan"):
                read_plan(str(tmp_path / "plan"))

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"op": "shred"}, "line 2: not an operation"),
            ({"target": os.path.abspath(os.sep + "home")}, "line 2: not an operation .its target is not in"),
            ({"target": os.path.join(OUTS, "..", "x")}, "its target is not in"),
            ({"target": None}, "its target is not in"),
            ({"op": "delete"}, "delete takes no target"),
            ({"op": "delete", "target": None, "keeper": None}, "delete needs the keeper that stays in its place"),
            ({"keeper": FILES[1].path}, "its keeper is the file itself"),
            ({"source": os.path.join(ROOT, "a\0b")}, "a path holds a NUL"),
            ({"source": os.path.join(ROOT, "\ud800")}, "line 2: not an operation"),
            ({"source": "here.jpg"}, "its paths are not absolute"),
            ({"source": 1}, "its paths are not absolute"),
            ({"score": "high"}, "its score is not a number"),
            ({"snapshot": [1, 2]}, "its snapshot is not"),
            ({"source": FILES[5].path}, "is there twice; delete one of the lines"),
            ({"target": os.path.join(OUTS, "e.jpg")}, "is there twice; delete one of the lines"),
        ],
    )
    def test_an_edited_line_is_refused(
        self, lines: list[str], tmp_path: Path, change: dict[str, object], complaint: str
    ) -> None:
        lines[1] = json.dumps(json.loads(lines[1]) | change) + "\n"
        (tmp_path / "plan").write_text("".join(lines))
        with pytest.raises(UsageError, match=complaint):
            read_plan(str(tmp_path / "plan"))

    def test_a_plan_whose_keeper_another_line_removes_is_refused(self, made: Plan, tmp_path: Path) -> None:
        first, second = made.operations[:2]
        for keeper in (
            second.source,
            os.path.join(os.path.dirname(second.source), ".", os.path.basename(second.source)),
        ):
            write_plan(replace(made, operations=(replace(first, keeper=keeper), second)), str(tmp_path / "plan"))
            with pytest.raises(UsageError, match=r"is to stay in place of .*, and another line removes it; delete one"):
                read_plan(str(tmp_path / "plan"))

    @pytest.mark.parametrize(
        "change", [{"op": "x" * 10**6}, {"source": os.sep + "x" * 10**6}, {"target": os.sep + "x" * 10**6}]
    )
    def test_a_hostile_line_makes_no_long_error(
        self, lines: list[str], tmp_path: Path, change: dict[str, object]
    ) -> None:
        hostile = json.dumps(json.loads(lines[1]) | change) + "\n"
        (tmp_path / "plan").write_text(lines[0] + hostile + hostile + lines[-1])
        with pytest.raises(UsageError) as error:
            read_plan(str(tmp_path / "plan"))
        assert len(str(error.value)) < 2000

    @pytest.mark.parametrize("line", ["[1]", "1", "null", "{}", "[" * 100_000])
    def test_a_line_that_is_no_operation_is_refused(self, lines: list[str], tmp_path: Path, line: str) -> None:
        (tmp_path / "plan").write_text(lines[0] + line + "\n" + "".join(lines[2:]))
        with pytest.raises(UsageError, match="line 2: not an operation"):
            read_plan(str(tmp_path / "plan"))

    def test_it_does_not_take_the_place_of_a_device(self, made: Plan) -> None:
        if os.path.exists(os.devnull):
            with pytest.raises(UsageError, match="exists and is not a fastsim plan"):
                write_plan(made, os.devnull)

    @pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"{}\n{}\n", b"[1]\n", b"text\n"])
    def test_what_is_no_plan_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(UsageError, match="not a fastsim plan; give the FILE of --plan"):
            read_plan(str(tmp_path / "x"))

    def test_another_version_is_refused(self, lines: list[str], tmp_path: Path) -> None:
        (tmp_path / "plan").write_text("".join(lines).replace('"version": 2', '"version": 99', 1))
        with pytest.raises(UsageError, match="plan version 99, and this fastsim reads up to 2; plan again"):
            read_plan(str(tmp_path / "plan"))

    def test_a_plan_of_the_first_version_is_read(self, made: Plan, lines: list[str], tmp_path: Path) -> None:
        (tmp_path / "plan").write_text("".join(lines).replace('"version": 2', '"version": 1', 1))
        assert read_plan(str(tmp_path / "plan")) == made

    def test_a_sidecar_names_its_picture_and_goes_with_its_line(self, made: Plan, tmp_path: Path) -> None:
        picture, other = made.operations[:2]
        sidecar = replace(
            picture, source=picture.source + ".xmp", target=f"{picture.target}.xmp", part_of=picture.source
        )
        whole = replace(made, operations=(picture, sidecar, other))
        write_plan(whole, str(tmp_path / "plan"))
        assert read_plan(str(tmp_path / "plan")) == whole
        lines = (tmp_path / "plan").read_text().splitlines(keepends=True)
        for text in ([lines[0], *lines[2:]], [lines[0], lines[2], lines[1], *lines[3:]]):
            (tmp_path / "plan").write_text("".join(text))
            found = read_plan(str(tmp_path / "plan")).operations
            assert sidecar not in found
            assert other in found

    def test_a_missing_plan_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"nope: can't be read .*; give the FILE of --plan"):
            read_plan(str(tmp_path / "nope"))


def test_an_operation_without_a_keeper_is_short_on_disk(tmp_path: Path) -> None:
    one = Operation(Op.COPY, os.path.join(ROOT, "a"), os.path.join(OUTS, "a"), Snapshot(1, 2, 3))
    write_plan(Plan(OUTS, (one,)), str(tmp_path / "plan"))
    assert set(json.loads((tmp_path / "plan").read_text().splitlines()[1])) == {"op", "source", "target", "snapshot"}
