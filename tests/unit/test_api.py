"""The Python API with what people hand to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import MEDIA

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
    with pytest.raises(ValueError, match="'tpu' is not auto, cpu, cuda"):
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
    with pytest.raises(fastsim.FastsimError, match="group_by 'pairs': component, keeper is allowed"):
        fastsim.find_groups(photos, group_by="pairs")
