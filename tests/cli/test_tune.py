"""`fastsim tune`: advice from the user's own pictures, true to what `fastsim images` then does."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import Run, tree

from fastsim import similarity
from fastsim.records.pairs import PairBlock
from fastsim.records.rows import Embeddings
from fastsim.tuning.thresholds import LOWEST, THRESHOLDS, advise


def tuned(run: Run, photos: Path, *more: str) -> dict[str, Any]:
    run("tune", photos, "--outs", "advice", "--json", "t.json", *more)
    result: dict[str, Any] = json.loads((photos.parent / "t.json").read_text())
    return result


def test_it_says_what_images_then_finds(run: Run, photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    advice = tuned(run, photos)
    for thres in (0.75, 0.9):
        run("images", photos, "--thres", str(thres), "--dry-run", "--json", "r.json")
        counts = json.loads((tmp_path / "r.json").read_text())["counts"]
        [at] = [at for at in advice["curve"] if at["thres"] == thres]
        assert (at["groups"], at["grouped"], at["removable"]) == (
            counts["groups"],
            counts["grouped"],
            counts["redundant"],
        )
    assert tree(photos) == before


def test_it_writes_a_page_a_chart_and_a_table(run: Run, photos: Path, tmp_path: Path) -> None:
    advice = tuned(run, photos)
    page = (tmp_path / "advice/tune.html").read_text()
    shown = [pair["a"] for pair in advice["borderline"]]
    assert shown and all(Path(path).as_uri() in page for path in shown), "borderline pairs are shown as pictures"
    assert "<svg" in page
    assert (tmp_path / "advice/scores.svg").read_text().splitlines()[1].startswith("<svg")
    with open(tmp_path / "advice/thresholds.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["thres"]) for row in rows] == [at["thres"] for at in advice["curve"]]


def test_trying_again_embeds_nothing(run: Run, photos: Path) -> None:
    tuned(run, photos)
    assert tuned(run, photos)["environment"]["cached"] == 10


def test_one_picture_is_too_few(run: Run, photos: Path) -> None:
    failed = run("tune", photos / "chart.png", code=1)
    assert "at least 2" in failed.stderr


def rows(n: int) -> Embeddings:
    rng = np.random.default_rng(1)
    wide = rng.standard_normal((n, 32))
    wide[n // 2 :] = wide[: n - n // 2] + 0.2 * rng.standard_normal((n - n // 2, 32))
    unit = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float16)
    return Embeddings(np.arange(n, dtype=np.int64), unit, np.zeros((n, 2), np.int32))


@pytest.mark.parametrize("parts", [1, 7])
def test_counts_are_those_of_all_scores_however_the_pairs_come(parts: int) -> None:
    embeddings = rows(200)
    left, right, score = similarity.similar_pairs(embeddings.vectors, LOWEST)
    blocks = [
        PairBlock(*part) for part in zip(*(np.array_split(each, parts) for each in (left, right, score)), strict=True)
    ]
    advice = advise(blocks, embeddings, np.arange(200), near=(0.9,), workers=2)
    assert int(advice.histogram.sum()) == len(score)
    for at, thres in zip(advice.curve, THRESHOLDS, strict=True):
        assert at.thres == thres
        assert at.pairs == int((score >= thres).sum())
        assert at.removable <= at.grouped
    assert all(abs(pair.score - pair.thres) < 0.02 for pair in advice.borderline)
    assert 0.8 <= advice.suggested <= 0.975


def test_no_similar_pair_at_all_gets_a_careful_default() -> None:
    embeddings = Embeddings(np.arange(4), np.eye(4, dtype=np.float16), np.zeros((4, 2), np.int32))
    advice = advise([], embeddings, np.arange(4), near=(0.9,), workers=1)
    assert advice.suggested == 0.9
    assert advice.borderline == ()


def test_files_of_the_user_are_not_replaced(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "thresholds.csv").write_text("mine")
    assert "thresholds.csv: it exists and was not" in run("tune", photos, "--outs", tmp_path, code=2).stderr
    assert (tmp_path / "thresholds.csv").read_text() == "mine"
    assert "not a folder" in run("tune", photos, "--outs", tmp_path / "thresholds.csv", code=2).stderr
    run("tune", photos, "--outs", tmp_path / "page")
    run("tune", photos, "--outs", tmp_path / "page")


def test_in_a_small_folder_the_copies_are_not_taken_for_unrelated_pairs(run: Run, photos: Path, tmp_path: Path) -> None:
    done = run("tune", photos, "--json", "t.json")
    told = json.loads((tmp_path / "t.json").read_text())
    assert told["unrelated"]["p99_9"] < 0.9
    assert "fewest pairs lie around it" in told["reason"]
    [marked] = [line.split()[0] for line in done.stdout.splitlines() if line.endswith("<- suggested")]
    assert f"Suggested: --thres {marked}: " in done.stdout
    assert float(marked) == told["suggested"]
    assert "-0.00" not in done.stdout


@pytest.mark.parametrize("seed", range(12))
def test_the_suggestion_is_a_row_of_the_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wide = rng.standard_normal((60, 16))
    wide[30:] = wide[:30] + rng.choice([0.02, 0.2, 0.6]) * rng.standard_normal((30, 16))
    unit = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float16)
    embeddings = Embeddings(np.arange(60, dtype=np.int64), unit, np.zeros((60, 2), np.int32))
    blocks = [PairBlock(*similarity.similar_pairs(unit, LOWEST))]
    assert advise(blocks, embeddings, np.arange(60), near=(0.9,), workers=1).suggested in THRESHOLDS
