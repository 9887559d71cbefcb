"""The Python API: the pipeline's steps as functions, with the words of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from fastsim import config, pipeline, report
from fastsim.config import Compute, Config, Pairs, Scan
from fastsim.errors import UsageError
from fastsim.keep import POLICIES
from fastsim.progress import NullProgress
from fastsim.records import Float16Array, GroupBy, Int32Array, Skipped, by_keeper
from fastsim.report import Member
from fastsim.vectors import to_vectors

StrPath = str | bytes | os.PathLike[str]


class Embedded(NamedTuple):
    """Vectors of the pictures that could be read.

    paths: absolute, sorted; vectors: float16[n, d] unit rows, in the order of `paths`; sizes: int32[n, 2], width and
    height in pixels; skipped: what could not be read, and why.
    """

    paths: list[str]
    vectors: Float16Array
    sizes: Int32Array
    skipped: list[Skipped]


def embed(
    paths: StrPath | Iterable[StrPath],
    *,
    size: int | str | None = None,
    model: str | None = None,
    device: str = "auto",
    runtime: str = "auto",
    workers: int | None = None,
    batch: int | None = None,
    cache: str | None = None,
    recursive: bool = True,
    exclude: Iterable[str] = (),
    follow_links: bool = False,
    include_system: bool = False,
) -> Embedded:
    """The vectors of images; `paths` are files and folders. `cache`: folder of an embedding cache, None for none.

    The words are those of `fastsim embed`. Raises fastsim.FastsimError.
    """
    compute = _compute(size, model, device=device, runtime=runtime, workers=workers, batch=batch, cache=cache)
    progress = NullProgress()
    files, unlisted, _ = pipeline.scan(_scan(paths, recursive, exclude, follow_links, include_system), progress, {})
    embeddings, undecoded, _ = to_vectors(files, compute, progress, {})
    names = [files[i].path for i in embeddings.ids.tolist()]
    return Embedded(names, embeddings.vectors, embeddings.sizes, [*unlisted, *undecoded])


def find_groups(
    paths: StrPath | Iterable[StrPath],
    thres: float = config.DEFAULT_THRES,
    *,
    keep: str = "largest",
    pairs: str = "keep",
    group_by: str = "component",
    size: int | str | None = None,
    model: str | None = None,
    device: str = "auto",
    runtime: str = "auto",
    workers: int | None = None,
    batch: int | None = None,
    cache: str | None = None,
    recursive: bool = True,
    exclude: Iterable[str] = (),
    follow_links: bool = False,
    include_system: bool = False,
) -> list[list[Member]]:
    """Groups of similar images, largest first, keepers first in each; what can't be read is left out (see `embed`).

    The words are those of `fastsim images`. No file is changed. Raises fastsim.FastsimError.
    """
    for name, value, allowed in (("keep", keep, POLICIES), ("pairs", pairs, Pairs), ("group_by", group_by, GroupBy)):
        if value not in tuple(allowed):
            raise UsageError(f"{name} {value!r}: {', '.join(allowed)} is allowed")
    compute = _compute(size, model, device=device, runtime=runtime, workers=workers, batch=batch, cache=cache)
    what = _scan(paths, recursive, exclude, follow_links, include_system)
    found = pipeline.find(Config(what, compute, config.check_thres(thres), keep, pairs), NullProgress())
    groups = found.groups if group_by == GroupBy.COMPONENT else by_keeper(found.groups)
    return report.members(groups, found.files, found.embeddings, found.reasons)


def _compute(
    size: int | str | None,
    model: str | None,
    *,
    device: str,
    runtime: str,
    workers: int | None,
    batch: int | None,
    cache: str | None,
) -> Compute:
    return config.resolve_compute(
        size=None if size is None else str(size),
        model=model,
        device=device,
        runtime=runtime,
        workers=workers,
        batch=batch,
        cache=cache,
    )


def _scan(
    paths: StrPath | Iterable[StrPath],
    recursive: bool,
    exclude: Iterable[str],
    follow_links: bool,
    include_system: bool,
) -> Scan:
    one = isinstance(paths, str | bytes | os.PathLike)
    inputs = (paths,) if one else paths
    globs = (exclude,) if isinstance(exclude, str) else tuple(exclude)  # a lone str is one glob, not many letters
    named = tuple(os.fsdecode(path) for path in inputs)  # type: ignore[arg-type, union-attr]
    return Scan(named, recursive, globs, follow_links, include_system=include_system)
