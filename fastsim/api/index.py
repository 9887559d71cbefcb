"""The Python API of indexes: make one, open one, search in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self, Unpack

import numpy as np
from numpy.typing import NDArray

from fastsim import config
from fastsim.api.options import Options, StrPath, resolve_options
from fastsim.errors import FastsimError, UsageError
from fastsim.records.arrays import Float16Array, Float32Array, Int64Array
from fastsim.retrieval.building import Built, build_index, check_network
from fastsim.retrieval.index_file import open_index
from fastsim.retrieval.matching import Match, Searcher
from fastsim.retrieval.session import Session
from fastsim.retrieval.sets import Indexed
from fastsim.similarity import as_rows, effective
from fastsim.similarity.neighbours import find_nearest_among


def make_index(paths: StrPath | Iterable[StrPath], out: StrPath, **options: Unpack[Options]) -> Built:
    """Write an index of images to the file `out`, or bring the index that is there up to date.

    paths: files and folders; of what `out` holds already, only what is new or has changed is embedded, and what is gone is
    dropped. options: see `Options`. Raises FastsimError.
    """
    compute, what, progress = resolve_options(paths, options)
    return build_index(what, os.fsdecode(out), compute, progress)


class Index:
    """An open index. The network is loaded at the first search and kept, so that later ones take milliseconds.

    Used from one thread. Usable as a context manager; closing it gives up its memory.
    """

    def __init__(self, path: StrPath, **options: Unpack[Options]) -> None:
        """Open the index at `path`; options: those of `Options` that tell how images become vectors.

        `size` is that of the index by default. Raises FastsimError: no index, damaged, made with another network.
        """
        index = open_index(os.fsdecode(path))
        compute, _, progress = resolve_options((), options)
        size = index.network.get("size")
        if options.get("size") is None and (isinstance(size, int) or size == "auto"):
            compute = replace(compute, size=config.resolve_size(str(size)))
        check_network(index, compute)
        self._set: Indexed | None = Indexed(index)
        self._compute, self._progress = compute, progress
        self._session: Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self.close()

    def __len__(self) -> int:
        return len(self._open.vectors)

    @property
    def _open(self) -> Indexed:
        if self._set is None:
            raise FastsimError("the index has been closed; open it anew")
        return self._set

    @property
    def vectors(self) -> Float16Array:
        """float16[n, d], read-only, one row for each image; memory-mapped."""
        return self._open.vectors

    def path(self, row: int) -> str:
        """Return the path of an image. Raises IndexError, FastsimError if the index is damaged."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return self._open.index.file(row % len(self)).path

    def search(
        self, images: StrPath | Sequence[StrPath], k: int = 10, *, thres: float = 0.0, verify: bool = False
    ) -> list[list[Match]]:
        """Return for each image its k best matches, best first, exactly.

        thres: the lowest score, 0 to 1; verify: align each match and compare its pixels. An image is no match of itself.
        Raises FastsimError, also for an image that cannot be read.
        """
        if k < 1:
            raise UsageError(f"k must be at least 1 (got {k})")
        config.check_thres(thres)
        named = (images,) if isinstance(images, str | bytes | os.PathLike) else tuple(images)
        if not named:
            return []
        self._session = self._session or Session(self._compute)
        queries = self._session.embed([os.fsdecode(path) for path in named], hashed=verify)
        searcher = Searcher((self._open,), self._compute, self._progress, {})
        return searcher.find(queries, k=k, floor=thres, verify=verify)

    def nearest(
        self, vectors: NDArray[np.floating], k: int = 10, *, thres: float = 0.0
    ) -> tuple[Int64Array, Float32Array]:
        """Return the rows of the k best matches of vectors[m, d]: (row int64[m, k], score float32[m, k]).

        Where there are fewer than k with a score of at least `thres`, row is -1 and score 0. Raises ValueError.
        """
        rows = as_rows(vectors)
        if rows.shape[1] != self._open.vectors.shape[1]:
            raise ValueError(f"vectors: rows of {self._open.vectors.shape[1]} are needed, not of {rows.shape[1]}")
        found = find_nearest_among(
            rows, self._open.vectors, k, effective(thres), workers=self._compute.workers, views=self._open.views
        )
        return found.index, found.score

    def close(self) -> None:
        """Give up the memory of the index and of the network."""
        self._set = self._session = None
