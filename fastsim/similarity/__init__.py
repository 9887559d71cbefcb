"""Compare embeddings: find blocks of similar pairs. The backends are imported when they are first used."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastsim.device import CPU, Device
from fastsim.errors import of_device, pip_install
from fastsim.records.arrays import Float16Array, Float32Array, Int32Array, Int64Array
from fastsim.records.pairs import PairBlock, VerifiedPairs
from fastsim.records.rows import Embeddings
from fastsim.rows import core_rows
from fastsim.run.progress import Bar
from fastsim.run.traffic import Traffic

if TYPE_CHECKING:
    from fastsim.similarity.neighbours import Neighbours

Labels = Callable[[int, int], Int32Array]
"""labels(start, stop) returns int32[stop - start]: the component to which each row is known to belong so far."""


def effective(thres: float) -> float:
    """Return the threshold that is applied: capped at 1 - 1e-6, so that `--thres 1` matches identical rows."""
    return min(thres, 1.0 - 1e-6)


def pair_blocks(
    embeddings: Embeddings, thres: float, *, device: Device = CPU, workers: int, isa: str | None = None,
    labels: Labels | None = None, bar: Bar | None = None, traffic: Traffic | None = None,
) -> Iterator[PairBlock]:  # fmt: skip
    """Yield the pairs of rows with a score of at least `thres`, each once, in blocks of no particular order.

    With `labels` (see `grouping.components.Components.labels`), pairs of rows that are in one component already are
    left out: they would join nothing. That bounds time and memory if everything looks alike. `bar` counts pairs
    compared, of n * (n - 1) / 2. Scores depend neither on `workers` nor on `isa`; nor does the set of pairs, without
    labels. On a GPU, rows that are there already (`embeddings.device`) are compared in place, and `traffic` counts
    bytes; pairs that the GPU finds are rescored by the views of `embeddings` on the CPU.
    """
    thres = effective(thres)
    if device.is_cuda:
        blocks = _on_cuda(
            embeddings.vectors,
            thres,
            device=device,
            labels=labels,
            bar=bar,
            resident=embeddings.device,
            traffic=traffic,
        )
        return blocks if embeddings.views is None else _held_to_views(blocks, embeddings, thres)
    from fastsim.similarity import cpu

    return cpu.pair_blocks(
        embeddings.vectors, thres, workers=workers, isa=isa, labels=labels, bar=bar, views=embeddings.views
    )


def _on_cuda(vectors: Float16Array, thres: float, *, device: Device, **more: Any) -> Iterator[PairBlock]:
    """Yield the blocks of the CUDA backend. Raises FastsimError for what CuPy raises, such as a missing driver."""
    try:
        cuda = importlib.import_module("fastsim.similarity.cuda")
        yield from cuda.pair_blocks(vectors, thres, device=device, **more)
    except Exception as error:
        known = of_device(error, str(device))
        if known is None:
            raise
        raise known from None


def _held_to_views(blocks: Iterator[PairBlock], embeddings: Embeddings, thres: float) -> Iterator[PairBlock]:
    rows = core_rows(embeddings.vectors, embeddings.views)
    for block in blocks:
        score = block.score.copy()
        rows.lowest(block.left, block.right, score)
        good = score >= thres
        if good.any():
            yield PairBlock(block.left[good], block.right[good], score[good])


def all_scores(embeddings: Embeddings) -> Float32Array:
    """Return float32[n, n], the score of every file with every other; 0 for rows that are similar to nothing.

    Memory is O(n * n).
    """
    rows = embeddings.vectors.astype(np.float32)
    norms = np.linalg.norm(rows, axis=1)
    scores = np.clip((rows @ rows.T) / np.maximum(np.outer(norms, norms), 1e-12), -1.0, 1.0).astype(np.float32)
    if embeddings.views is not None:
        left, right = (part.astype(np.int64) for part in np.triu_indices(len(rows), 1))
        lowest = scores[left, right]
        core_rows(embeddings.vectors, embeddings.views).lowest(left, right, lowest)
        scores[left, right] = scores[right, left] = lowest
    return scores


def similar_pairs(
    vectors: NDArray[np.floating],
    thres: float,
    *,
    device: str = "cpu",
    workers: int | None = None,
    isa: str | None = None,
) -> tuple[Int64Array, Int64Array, Float32Array]:
    """Return all pairs of rows with a cosine of at least `thres`, exactly.

    Args:
        vectors: float16[n, d], or float32 or float64[n, d], which are scaled to unit length and rounded to
            float16 first. A row that is zero or not finite is similar to nothing.
        thres: Lowest score of a pair, from 0 to 1.
        device: "cpu", "cuda", "cuda:N" or "cuda:N,M".
        workers: Number of threads; None: one per usable processor.
        isa: Instruction set of the kernel; None: the best one of this CPU.

    Returns:
        left int64[k], right int64[k] and score float32[k], sorted by (left, right), with left < right. Memory is
        20 bytes per pair found, several times while they are sorted.

    Raises:
        ValueError: For a wrong shape, dtype or threshold.
        FastsimError: If the GPU cannot be used.
    """
    rows = as_rows(vectors)
    if not 0.0 <= thres <= 1.0:
        raise ValueError(f"thres: {thres!r} is not between 0 and 1")
    where = CPU if device == "auto" else Device.parse(device)
    if where.is_cuda and importlib.util.find_spec("cupy") is None:
        raise ValueError(f"device: {device!r} needs CuPy, which is not installed; {pip_install('cuda12')}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers: {workers!r} is less than 1")
    n = len(rows)
    embeddings = Embeddings(np.arange(n, dtype=np.int64), rows, np.zeros((n, 2), np.int32))
    blocks = list(pair_blocks(embeddings, thres, device=where, workers=workers or os.cpu_count() or 1, isa=isa))
    left = np.concatenate([np.empty(0, np.int64), *(block.left for block in blocks)])
    right = np.concatenate([np.empty(0, np.int64), *(block.right for block in blocks)])
    score = np.concatenate([np.empty(0, np.float32), *(block.score for block in blocks)])
    del blocks
    order = np.argsort(left * n + right)
    return left[order], right[order], score[order]


def with_first(embeddings: Embeddings, members: Sequence[Int64Array], known: VerifiedPairs) -> PairBlock:
    """Return the pairs of the first row of each of `members` with the others, without those in `known`, sorted."""
    first = np.concatenate([np.empty(0, np.int64), *(np.full(len(part) - 1, part[0]) for part in members)])
    other = np.concatenate([np.empty(0, np.int64), *(part[1:] for part in members)])
    return further(embeddings, first, other, known)


def further(embeddings: Embeddings, one: Int64Array, other: Int64Array, known: VerifiedPairs) -> PairBlock:
    """Return the pairs one[i], other[i] that are not in `known`, each once, sorted, with their scores."""
    n = len(embeddings)
    pair = np.setdiff1d(np.minimum(one, other) * n + np.maximum(one, other), known.left * n + known.right)
    left, right = np.divmod(pair, n) if n else (pair, pair)
    rows = embeddings.vectors.astype(np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    with np.errstate(all="ignore"):
        score = np.einsum("ij,ij->i", rows[left], rows[right]) / (norms[left] * norms[right])
    return PairBlock(left, right, np.clip(np.nan_to_num(score), -1, 1).astype(np.float32))


def find_neighbours(
    embeddings: Embeddings, k: int, floor: float, *, device: Device, workers: int, bar: Bar | None = None
) -> Neighbours:
    """Return the k nearest other rows of each row that score at least `floor`, exactly, on either backend.

    Rows with several views are compared on the CPU. `bar` counts rows.
    """
    if device.is_cuda and embeddings.views is None:
        try:
            cuda = importlib.import_module("fastsim.similarity.neighbours_cuda")
            found: Neighbours = cuda.find_nearest(
                embeddings.vectors, k, floor, device=device, bar=bar, resident=embeddings.device
            )
            return found
        except Exception as error:
            known = of_device(error, str(device))
            if known is None:
                raise
            raise known from None
    from fastsim.similarity.neighbours import find_nearest

    return find_nearest(embeddings.vectors, k, floor, workers=workers, bar=bar, views=embeddings.views)


def nearest(
    vectors: NDArray[np.floating],
    k: int = 24,
    floor: float = 0.3,
    *,
    workers: int | None = None,
    isa: str | None = None,
) -> tuple[Int64Array, Float32Array]:
    """Return the k nearest other rows of each row by cosine, exactly.

    Args:
        vectors: float16[n, d], or float32 or float64[n, d], which are scaled to unit length and rounded to
            float16 first. A row that is zero or not finite has no neighbours.
        k: Number of neighbours.
        floor: Lowest score that counts.
        workers: Number of threads; None: one per usable processor.
        isa: Instruction set of the kernel; None: the best one of this CPU.

    Returns:
        index int64[n, k] and score float32[n, k], each row sorted by score, highest first, equal scores by
        ascending index. If a row has fewer than k neighbours, the rest has index -1 and score 0. Memory is 12 n k
        bytes.

    Raises:
        ValueError: For a wrong shape, dtype, k, floor or number of workers.
    """
    rows = as_rows(vectors)
    if k < 1:
        raise ValueError(f"k must be at least 1 (got {k!r})")
    if not -1.0 <= floor <= 1.0:
        raise ValueError(f"floor must be between -1 and 1 (got {floor!r})")
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1 (got {workers!r})")
    from fastsim.similarity.neighbours import find_nearest

    found = find_nearest(rows, k, effective(floor), workers=workers or os.cpu_count() or 1, isa=isa)
    return found.index, found.score


def as_rows(vectors: NDArray[np.floating]) -> Float16Array:
    """Return vectors[n, d] as C-contiguous float16 rows; other types are scaled to unit length. Raises ValueError."""
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2:
        raise ValueError(f"vectors: two dimensions are needed, not {getattr(vectors, 'shape', type(vectors))}")
    if vectors.dtype == np.float16:
        return np.ascontiguousarray(vectors)
    if vectors.dtype not in (np.float32, np.float64):
        raise ValueError(f"vectors: float16, float32 or float64 is needed, not {vectors.dtype}")
    with np.errstate(all="ignore"):
        length = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
        unit = np.where((length > 0) & np.isfinite(length), vectors / length, 0.0)
        return np.ascontiguousarray(unit, dtype=np.float16)
