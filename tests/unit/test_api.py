"""The Python API with what people hand to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import MEDIA, Run, tree

import fastsim

CHART = MEDIA / "photos/chart.png"


@pytest.mark.parametrize(
    "paths", [CHART, str(CHART), bytes(CHART), [CHART], (str(CHART) for _ in range(2)), [bytes(CHART)]]
)
def test_paths_come_in_any_form_and_go_out_as_text(paths: object) -> None:
    found = fastsim.embed(paths, size=64)  # type: ignore[arg-type]
    assert found.paths == [str(CHART.resolve())]
    assert found.vectors.shape == (1, 256)
    assert found.skipped == []


def test_without_a_picture_the_arrays_are_empty_and_have_their_shape(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    for paths in ([], [tmp_path / "broken.jpg"]):
        found = fastsim.embed(paths)
        assert found.vectors.shape == (0, 256)
        assert found.vectors.dtype == np.float16
        assert found.sizes.shape == (0, 2)
    assert fastsim.find_groups([]) == []
    assert [array.shape for array in fastsim.similar_pairs(found.vectors, 0.5)] == [(0,)] * 3


def test_what_is_not_there_or_empty_is_an_error_that_names_it() -> None:
    for path in ("nowhere.jpg", ""):
        with pytest.raises(fastsim.FastsimError, match="nowhere.jpg: no such file" if path else "it is empty"):
            fastsim.embed([path])


def test_a_device_that_is_unknown_or_not_there_is_no_silent_cpu() -> None:
    with pytest.raises(ValueError, match=r"device must be one of auto, cpu, cuda.*'tpu'"):
        fastsim.similar_pairs(np.eye(2, dtype=np.float32), 0.5, device="tpu")
    left, _, _ = fastsim.similar_pairs(np.ones((2, 4), np.float32), 0.5, device="auto")
    assert left.tolist() == [0]


def test_groups_take_the_words_of_the_command_line() -> None:
    photos = MEDIA / "photos"
    assert len(fastsim.find_groups(photos, 0.85)) == 4
    assert len(fastsim.find_groups(photos, 0.85, exclude=["backup"])) == 0
    assert len(fastsim.find_groups(photos, 0.85, exclude="backup", recursive=True)) == 0
    for group in fastsim.find_groups(photos, 0.2, group_by="keeper"):
        assert [member.keeper for member in group] == [True] + [False] * (len(group) - 1)
    with pytest.raises(fastsim.FastsimError, match="group_by must be one of component, keeper"):
        fastsim.find_groups(photos, group_by="pairs")


def test_find_plan_apply_and_undo_go_all_the_way_and_back(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    before = tree(photos)
    found = fastsim.find(photos, 0.9)
    assert len(found.groups) == 4
    assert [Path(item.path).name for item in found.skipped] == ["broken.jpg"]
    plan = fastsim.make_plan(found, tmp_path / "out", mode="clean_move")
    assert tree(photos) == before
    outcome = fastsim.apply_plan(plan)
    assert [result.done for result in outcome.results] == [True] * len(plan.operations) == [True] * 5
    assert len(tree(photos)) == len(before) - 5
    undone = fastsim.undo_run(tmp_path / "out")
    assert (undone.restored, undone.failed) == (5, ())
    assert tree(photos) == before


def test_a_journal_of_someone_else_is_followed_only_where_it_is_trusted(photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    fastsim.apply_plan(fastsim.make_plan(fastsim.find(photos, 0.85), tmp_path / "out", mode="clean_move"))
    (tmp_path / "out/fastsim_plan.jsonl").unlink()
    moved = tree(photos)
    with pytest.raises(fastsim.FastsimError, match=r"may be someone else's: .*moves back 5 files; pass trust=True"):
        fastsim.undo_run(tmp_path / "out")
    assert tree(photos) == moved != before
    assert fastsim.undo_run(tmp_path / "out", trust=True).restored == 5
    assert tree(photos) == before


def test_a_plan_from_python_is_one_for_the_command_line(photos: Path, run: Run) -> None:
    plan = fastsim.make_plan(fastsim.find([photos], 0.9), photos.parent / "out")
    fastsim.write_plan(plan, str(photos.parent / "plan.jsonl"))
    assert fastsim.read_plan(str(photos.parent / "plan.jsonl")) == plan
    assert "Copied 9 files" in run("apply", "plan.jsonl").stdout


def test_plans_refuse_what_the_command_line_refuses(tmp_path: Path) -> None:
    found = fastsim.find(MEDIA / "photos", 0.85)
    for more, said in (
        ({"mode": "clean_delete"}, "needs thres 0.9 or more"),
        ({"mode": "burn"}, "mode must be one of group_copy"),
        ({"trash": True}, "trash goes with mode 'clean_delete'"),
    ):
        with pytest.raises(fastsim.FastsimError, match=said):
            fastsim.make_plan(found, tmp_path / "out", **more)  # type: ignore[arg-type]
    assert fastsim.make_plan(found, tmp_path / "out", mode="clean_delete", force=True).operations
    (tmp_path / "mine.txt").touch()
    with pytest.raises(fastsim.FastsimError, match="not empty"):
        fastsim.make_plan(found, tmp_path)


def test_the_cache_is_used_as_by_the_command_line(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTSIM_CACHE_DIR", str(tmp_path / "cache"))
    fastsim.find(photos, cache=None)
    assert not (tmp_path / "cache").exists()
    fastsim.find(photos)
    assert fastsim.find(photos).findings.environment.cached == 10
    assert fastsim.find(photos, cache=tmp_path / "other").findings.environment.cached == 0
    assert (tmp_path / "other").is_dir()


def test_progress_comes_as_calls(photos: Path) -> None:
    calls: list[tuple[str, int, int | None]] = []
    fastsim.find(photos, progress=lambda *call: calls.append(call), cache=None)
    assert ("embed", 10, 10) in calls
    assert {"scan", "embed", "compare"} <= {stage for stage, _, _ in calls}


def test_an_option_that_there_is_not_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'sise'"):
        fastsim.embed([], sise=64)  # type: ignore[call-arg]


def test_every_public_name_is_there_and_documented() -> None:
    for name in set(fastsim.__all__) - {"__version__"}:
        assert getattr(fastsim, name).__doc__, name
