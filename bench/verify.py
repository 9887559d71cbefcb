"""Measure what verification costs and what it confirms.

    python -m bench.verify PICTURES [--count 20] [--look 8] [--repeats 5]

Cost, in CPU milliseconds: features of an image; matching of a pair by each instruction set and by OpenCV's BFMatcher, which must
find the same neighbours. Then, of the first COUNT images: how many copies of each edit (bench/edits.py) are confirmed against
their original; and of LOOK drawn look-alikes of each kind (bench/lookalikes.py): how many pairs are, all of them wrongly.
Candidates are given here; bench.accuracy measures what retrieval loses.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.edits import EDITS
from bench.lookalikes import KINDS, draw_kind
from fastsim import _core
from fastsim.records.pairs import PairBlock, Status
from fastsim.verification import Subjects, verify
from fastsim.verification.features import extract, thumbnail
from fastsim.verification.matching import MATCH

Grey = np.ndarray


def cpu_ms(work: Callable[[], object], repeats: int) -> float:
    """Return the median CPU time of `work` in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - start))
    return statistics.median(times)


def speed(greys: Sequence[Grey], repeats: int) -> None:
    thumbs = [thumbnail(grey) for grey in greys]
    features = [extract(thumb) for thumb in thumbs]
    print(f"features: {cpu_ms(lambda: [extract(thumb) for thumb in thumbs], repeats) / len(thumbs):.2f} ms a picture")
    pairs = [(a.descriptors, b.descriptors) for a, b in itertools.combinations(features, 2) if len(a) and len(b)][:200]
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)

    def ours(isa: str) -> list[np.ndarray]:
        found = []
        for left, right in pairs:
            out = np.zeros(len(left), MATCH)
            _core.match(left, right, out, isa)
            found.append(out)
        return found

    theirs = [matcher.knnMatch(left, right, 2) for left, right in pairs]
    for isa in _core.match_isas():
        for out, expected in zip(ours(isa), theirs, strict=True):
            assert [int(one[0].distance) for one in expected] == out["best"].tolist(), isa
        print(f"matching, {isa}: {cpu_ms(lambda isa=isa: ours(isa), repeats) / len(pairs):.3f} ms a pair")
    cost = cpu_ms(lambda: [matcher.knnMatch(left, right, 2) for left, right in pairs], repeats) / len(pairs)
    print(f"matching, OpenCV's BFMatcher: {cost:.3f} ms a pair")


def confirmed(greys: Sequence[Grey], pairs: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether each pair is confirmed."""

    def load(row: int, longest: int) -> Grey:
        height, width = greys[row].shape
        factor = min(1.0, longest / max(height, width))
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        return cv2.resize(greys[row], size, interpolation=cv2.INTER_AREA)

    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    subjects = Subjects(load, lambda _a, _b: False, lambda row: greys[row].shape[::-1])
    block = PairBlock(np.ascontiguousarray(left), np.ascontiguousarray(right), np.zeros(len(left), np.float32))
    copies = set(verify(block, subjects, workers=2).having(Status.COPY).tolist())
    return [place in copies for place in range(len(pairs))]


def edits(pictures: Sequence[np.ndarray]) -> None:
    found: dict[str, list[bool]] = {name: [] for name in EDITS}
    for number, picture in enumerate(pictures):
        versions = [picture]
        for place, (_, edit) in enumerate(EDITS.values()):
            edited = edit(picture, np.random.default_rng((number, place)), pictures[number - 1])
            versions.append(
                cv2.imdecode(cv2.imencode(".jpg", edited, [cv2.IMWRITE_JPEG_QUALITY, 92])[1], cv2.IMREAD_COLOR)
            )
        greys = [cv2.cvtColor(version, cv2.COLOR_BGR2GRAY) for version in versions]
        for name, copy in zip(EDITS, confirmed(greys, [(0, k) for k in range(1, len(greys))]), strict=True):
            found[name].append(copy)
    for name, copies in found.items():
        print(f"{name}: {sum(copies)} of {len(copies)} confirmed")
    every = [copy for copies in found.values() for copy in copies]
    print(f"all edits: {sum(every)} of {len(every)} confirmed ({np.mean(every):.3f})")


def look_alikes(count: int) -> None:
    for kind in KINDS:
        greys = [
            cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2GRAY) for image in draw_kind(kind, count, 2)
        ]
        pairs = list(itertools.combinations(range(count), 2))
        print(
            f"{kind}: {sum(confirmed(greys, pairs))} of {len(pairs)} pairs of different pictures confirmed", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of distinct pictures")
    parser.add_argument("--count", type=int, default=20, help="pictures that are edited")
    parser.add_argument("--look", type=int, default=8, help="look-alikes of each kind")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    files = sorted(path for path in options.pictures.rglob("*") if path.is_file())
    order = np.random.default_rng(0).permutation(len(files))[: 2 * options.count]
    pictures = [one for k in order if (one := cv2.imread(str(files[k]))) is not None][: options.count]
    speed([cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in pictures], options.repeats)
    edits(pictures)
    look_alikes(options.look)


if __name__ == "__main__":
    main()
