"""Examples for the rule of verification: pairs of a picture and its edits, and of pictures that are alike and different."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bench.edits import EDITS
from bench.lookalikes import KINDS
from fastsim.records.pairs import PairBlock
from fastsim.verification import Examined, Subjects, examine
from fastsim.verification.features import extract, thumbnail
from fastsim.verification.matching import FeatureTable, align_pairs

Picture = np.ndarray


@dataclass(frozen=True, slots=True)
class Example:
    """A pair: its evidence (None: it did not align), whether it is a copy, of what kind, and of which picture or layout."""

    evidence: np.ndarray | None
    copy: bool
    kind: str
    family: str
    names: tuple[str, str]


def edited(picture: Picture, edit: str, rng: np.random.Generator, other: Picture) -> Picture:
    """Edit a picture, save it as a JPEG and read it again."""
    result = EDITS[edit][1](picture, rng, other)
    return cv2.imdecode(cv2.imencode(".jpg", result, [cv2.IMWRITE_JPEG_QUALITY, 92])[1], cv2.IMREAD_COLOR)


def examined(greys: Sequence[Picture], pairs: Sequence[tuple[int, int]]) -> Examined:
    """Return what verification sees of pairs of grey pictures uint8[h, w]."""

    def load(row: int, longest: int) -> Picture:
        height, width = greys[row].shape
        factor = min(1.0, longest / max(height, width))
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        return greys[row] if factor == 1 else cv2.resize(greys[row], size, interpolation=cv2.INTER_AREA)

    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    subjects = Subjects(load, lambda _a, _b: False, lambda row: greys[row].shape[::-1])
    block = PairBlock(np.ascontiguousarray(left), np.ascontiguousarray(right), np.zeros(len(left), np.float32))
    return examine(block, subjects, workers=1)


def _evidence(found: Examined, place: int) -> np.ndarray | None:
    inspection = found.inspections.get(place)
    return None if inspection is None else inspection.evidence


def grey(picture: Picture) -> Picture:
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def copies(path: Path, other: Path, seed: int, between: int = 12) -> list[Example]:
    """Pair a picture with each of its edits, and `between` pairs of edits."""
    picture, spare = cv2.imread(str(path)), cv2.imread(str(other))
    names = list(EDITS)
    versions = [edited(picture, name, np.random.default_rng((seed, k)), spare) for k, name in enumerate(names)]
    draw = np.random.default_rng((seed, 99))
    couples = [tuple(sorted(draw.choice(len(names), 2, replace=False).tolist())) for _ in range(between)]
    pairs = [(0, k + 1) for k in range(len(names))] + [(a + 1, b + 1) for a, b in couples]
    kinds = names + [f"{names[a]} / {names[b]}" for a, b in couples]
    found = examined([grey(one) for one in (picture, *versions)], pairs)
    return [Example(_evidence(found, k), True, kind, path.name, (path.name, kind)) for k, kind in enumerate(kinds)]


def look_alikes(kind: str, layout: int, count: int) -> list[Example]:
    """Pair pictures of one drawn layout, as they are and with edits: different ones, and copies of each."""
    drawn = [
        KINDS[kind](np.random.default_rng((7, layout)), np.random.default_rng((8, layout, k))) for k in range(count)
    ]
    drawn = [cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR) for image in drawn]
    rng = np.random.default_rng((9, layout))
    names = list(EDITS)
    versions, labels = list(drawn), [""] * count
    for one in drawn:
        for name in rng.choice(names, 2, replace=False).tolist():
            versions.append(edited(one, name, rng, drawn[0]))
            labels.append(name)
    source = list(range(count)) + [k for k in range(count) for _ in range(2)]
    pairs = [
        (a, b) for a, b in itertools.combinations(range(len(versions)), 2)
        if "pasted" not in (labels[a], labels[b]) and (b < count or source[a] == source[b] or rng.random() < 0.15)
    ]  # fmt: skip
    found = examined([grey(one) for one in versions], pairs)
    return [
        Example(
            _evidence(found, k),
            source[a] == source[b],
            f"{labels[a]} / {labels[b]}",
            f"{kind} {layout}",
            (f"{kind} {layout} {a}", f"{b}"),
        )
        for k, (a, b) in enumerate(pairs)
    ]


def aligned(paths: Sequence[Path], pairs: Sequence[tuple[int, int]], least: int) -> list[tuple[int, int]]:
    """Return the pairs that have at least `least` inliers."""
    rows = sorted({row for pair in pairs for row in pair})
    place = {row: k for k, row in enumerate(rows)}

    def features() -> Iterator[object]:
        for row in rows:
            yield extract(thumbnail(cv2.imread(str(paths[row]), cv2.IMREAD_GRAYSCALE)))

    table = FeatureTable(features())  # type: ignore[arg-type]
    left, right = (np.array([place[pair[side]] for pair in pairs], np.int64) for side in range(2))
    found = align_pairs(table, left, right, workers=2)
    return [pair for pair, inliers in zip(pairs, found["inliers"].tolist(), strict=True) if inliers >= least]


def strangers(paths: Sequence[Path], pair: tuple[int, int], seed: int, count: int = 6) -> list[Example]:
    """Pair two different pictures that align: as they are, and with an edit of one or both."""
    rng = np.random.default_rng((seed, *pair))
    originals = [cv2.imread(str(paths[row])) for row in pair]
    names = [name for name in EDITS if name != "pasted"]
    versions = [(originals[0], ""), (originals[1], "")]
    pairs = [(0, 1)]
    for _ in range(count):
        chosen = rng.choice(names, 2)
        for side in range(2):
            plain = rng.random() < 0.35
            versions.append(
                (originals[side], "")
                if plain
                else (edited(originals[side], str(chosen[side]), rng, originals[side]), str(chosen[side]))
            )
        pairs.append((len(versions) - 2, len(versions) - 1))
    found = examined([grey(one) for one, _ in versions], pairs)
    family = " ".join(sorted(paths[row].name for row in pair))
    return [
        Example(
            _evidence(found, k),
            False,
            f"{versions[a][1]} / {versions[b][1]}",
            family,
            (paths[pair[0]].name, paths[pair[1]].name),
        )
        for k, (a, b) in enumerate(pairs)
    ]
