"""What the functions take: images, options, and progress."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from fastsim import config
from fastsim.cache.embeddings import default_folder
from fastsim.config import Compute, Scan
from fastsim.errors import UsageError
from fastsim.inputs.filters import Filters
from fastsim.run.progress import Callback, CallbackProgress, NullProgress, Progress, for_stream

StrPath = str | bytes | os.PathLike[str]


class Options(TypedDict, total=False):
    """Keyword arguments that `embed`, `find`, `find_groups` and `find_pairs` share; each is the option of that name."""

    size: int | str | None
    """Side of the network's input in pixels, or "auto"; None: the default of the model's card."""
    model: StrPath | None
    """An ONNX file in place of the packaged one."""
    device: str
    """"auto", "cpu", "cuda", "cuda:N" or "cuda:N,M"."""
    runtime: str
    """"auto", "openvino", "onnxruntime" or "tensorrt"."""
    workers: int | None
    """Threads; None: one per usable CPU."""
    batch: int | None
    """Images per inference batch; None: depends on the device."""
    cache: StrPath | bool | None
    """Folder of the embedding cache; True (the default): FASTSIM_CACHE_DIR or the user's cache folder; None: no cache.
    """
    recursive: bool
    """Search subfolders as well (the default)."""
    exclude: str | Iterable[str]
    """Globs of paths or names that are left out."""
    include: str | Iterable[str]
    """Globs of paths or names, of which one has to match."""
    min_size: int | str | None
    """Bytes, as a number or as --min-size takes them."""
    max_size: int | str | None
    newer: str | datetime | None
    """A time as --newer takes it."""
    older: str | datetime | None
    follow_links: bool
    include_system: bool
    progress: bool | Callback
    """True: progress bars on stderr. A function is called as progress(stage, done, total)."""


def resolve_options(paths: StrPath | Iterable[StrPath], options: Options) -> tuple[Compute, Scan, Progress]:
    """Return what paths and options mean. Raises UsageError, TypeError for an unknown option."""
    if unknown := set(options) - set(Options.__annotations__):
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    size, model, cache = options.get("size"), options.get("model"), options.get("cache", True)
    compute = config.resolve_compute(
        size=None if size is None else str(size),
        model=None if model is None else os.fsdecode(model),
        device=options.get("device", "auto"),
        runtime=options.get("runtime", "auto"),
        workers=options.get("workers"),
        batch=options.get("batch"),
        cache=str(default_folder()) if cache is True else os.fsdecode(cache) if cache else None,
    )
    what = Scan(
        paths_of(paths), options.get("recursive", True), globs_of(options.get("exclude", ())),
        options.get("follow_links", False), include_system=options.get("include_system", False),
        filters=Filters.parse(
            min_size=_text(options.get("min_size")), max_size=_text(options.get("max_size")),
            newer=_text(options.get("newer")), older=_text(options.get("older")), include=globs_of(options.get("include", ())),
        ),
    )  # fmt: skip
    return compute, what, progress_of(options.get("progress", False))


def globs_of(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return the globs as a tuple; a lone str is one glob, not many letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def _text(value: object) -> str | None:
    """Return `value` as the command line has it."""
    return None if value is None else value.isoformat() if isinstance(value, datetime) else str(value)


def paths_of(paths: StrPath | Iterable[StrPath]) -> tuple[str, ...]:
    """Return one path or several as a tuple of str."""
    named = (paths,) if isinstance(paths, str | bytes | os.PathLike) else tuple(paths)
    return tuple(os.fsdecode(path) for path in named)


def progress_of(wanted: bool | Callback) -> Progress:
    """Return what `progress=` asks for: bars on stderr, nothing, or calls of a function."""
    if wanted is True:
        return for_stream()
    return NullProgress() if wanted is False else CallbackProgress(wanted)


def check_words(*given: tuple[str, str, Iterable[str]]) -> None:
    """Raise UsageError unless each (name, value, words) has a value that is one of its words."""
    for name, value, allowed in given:
        if value not in tuple(allowed):
            raise UsageError(f"{name} must be one of {', '.join(allowed)} (got {value!r})")
