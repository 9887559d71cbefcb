"""Decode: media files to batches of RGB pictures at the network's input size."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

import numpy as np

from fastsim.prefetch import prefetch_map
from fastsim.records import FrameBatch, MediaFile, Skipped, Uint8Array
from fastsim.traffic import Traffic

SMALL = 112
"""Pixels: with `auto`, a picture smaller than SMALL x SMALL is compared at SMALL, every other one at LARGE."""
LARGE = 224
_AHEAD = 24 * 2**20
"""Bytes of pictures that may wait for the network: decoding goes on while the network is being compiled."""


def frame_batches(
    files: Iterable[MediaFile], *, size: int | None, batch: int, workers: int, device: str = "cpu",
    note: Callable[[str], None] = lambda _line: None, traffic: Traffic | None = None,
) -> Generator[FrameBatch | Skipped]:  # fmt: skip
    """Decode `files` on `workers` threads with OpenCV, resized to `size` x `size` pixels (None: `auto`).

    Yields FrameBatches of up to `batch` pictures of one size, and a Skipped for every file that can't be decoded; each
    file appears exactly once, under its id. One bad file costs itself and nothing else.
    On `device` `cuda:N` DALI decodes (see dali.py), and `note` is told how many pictures OpenCV decoded all the same;
    `traffic` counts the bytes that it is given.
    """
    if device != "cpu":
        from fastsim.decode import dali

        def report(counts: dali.Counts) -> None:
            broken = counts.opencv - counts.no_memory
            for count, why in (
                (broken, "no JPEGs, or broken ones"),
                (counts.no_memory, "the GPU had no memory for them"),
            ):
                if count:
                    note(f"decoded by DALI: {counts.device}, by OpenCV ({why}): {count}")

        return dali.frame_batches(
            files, choose_size=choose_size if size is None else lambda _w, _h: size, batch=batch, workers=workers,
            device=int(device.removeprefix("cuda:").split(",")[0]), report=report, traffic=traffic,
        )  # fmt: skip
    return _on_cpu(files, size, batch, workers)


def _on_cpu(files: Iterable[MediaFile], size: int | None, batch: int, workers: int) -> Generator[FrameBatch | Skipped]:
    from fastsim.decode.opencv import UnreadableError, decode_file

    def work(file: MediaFile) -> tuple[int, Uint8Array, tuple[int, int]] | Skipped:
        try:
            pixels, original = decode_file(file.path, choose_size if size is None else lambda _w, _h: size)
        except UnreadableError as error:
            return Skipped(file.path, str(error), file.id)
        return file.id, pixels, original

    ahead = max(workers * 2 + batch * 2, _AHEAD // (3 * (size or LARGE) ** 2))
    return _in_batches(prefetch_map(work, files, workers=workers, ahead=ahead), batch)


def _in_batches(
    items: Iterable[tuple[int, Uint8Array, tuple[int, int]] | Skipped], batch: int
) -> Generator[FrameBatch | Skipped]:
    waiting: dict[int, list[tuple[int, Uint8Array, tuple[int, int]]]] = {}
    for item in items:
        if isinstance(item, Skipped):
            yield item
            continue
        same_size = waiting.setdefault(item[1].shape[0], [])
        same_size.append(item)
        if len(same_size) == batch:
            yield _stack(same_size)
            same_size.clear()
    for rest in waiting.values():
        if rest:
            yield _stack(rest)


def choose_size(width: int, height: int) -> int:
    """The `auto` rule: SMALL for a picture that is smaller than SMALL on both sides, else LARGE."""
    return SMALL if width < SMALL and height < SMALL else LARGE


def _stack(items: list[tuple[int, Uint8Array, tuple[int, int]]]) -> FrameBatch:
    return FrameBatch(
        ids=np.array([item[0] for item in items], np.int64),
        pixels=np.stack([item[1] for item in items]),
        sizes=np.array([item[2] for item in items], np.int32),
    )
