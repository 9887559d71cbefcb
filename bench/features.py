"""Compute unit rows of images, by fastsim and by others: the score of two images is the product of their rows."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def fastsim_vectors(paths: list[Path], model: Path | None, size: int | str | None) -> Vectors:
    """Return unit rows float32[n, 256] by fastsim at `--size size` (None: the model's own); zeros for skipped files."""
    import fastsim

    found = fastsim.embed(paths, size=size, model=None if model is None else str(model), cache=None)
    row = {path: i for i, path in enumerate(found.paths)}
    vectors = np.zeros((len(paths), found.vectors.shape[1]), np.float32)
    for i, path in enumerate(paths):
        if str(path.absolute()) in row:
            vectors[i] = found.vectors[row[str(path.absolute())]]
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def phash_vectors(paths: list[Path]) -> Vectors:
    """64 signs of pHash (as imagehash does it), scaled to unit length: cosine = 1 - 2 * share of differing bits."""
    rows = np.empty((len(paths), 64), np.float32)
    for i, path in enumerate(paths):
        grey = cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (32, 32), interpolation=cv2.INTER_AREA)
        low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
        rows[i] = np.where(low > np.median(low), 1, -1) / 8
    return rows


FASTDUP = """
import sys, numpy as np, fastdup
paths, work = [line.strip() for line in open(sys.argv[1])], sys.argv[2]
fastdup.run(paths, work_dir=work, run_mode=1, verbose=False)
names, rows = fastdup.load_binary_feature(work + "/atrain_features.dat", 576)
order = {name: i for i, name in enumerate(names)}
rows = np.asarray(rows, np.float32)
rows = np.stack([rows[order[p]] if p in order else np.zeros(576, np.float32) for p in paths])
np.save(sys.argv[3], rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))
"""


def fastdup_vectors(paths: list[Path], python: str, work: Path) -> Vectors:
    """Return fastdup's own features, made in its own environment; a picture that it skips is similar to nothing."""
    listing, result = work / "fastdup.txt", work / "fastdup.npy"
    shutil.rmtree(work / "fastdup", ignore_errors=True)  # it refuses a folder with features of an earlier run
    listing.write_text("\n".join(str(path.resolve()) for path in paths))
    run = subprocess.run(
        [python, "-c", FASTDUP, str(listing), str(work / "fastdup"), str(result)],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit(f"fastdup failed: {run.stderr[-2000:]}")
    return np.load(result)
