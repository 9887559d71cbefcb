"""Decode media files to batches of RGB images at the network's input size."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fastsim.decode.picture import Picture
from fastsim.device import CPU, Device
from fastsim.records.arrays import Uint8Array
from fastsim.records.files import INTACT_STILL, Content, MediaFile, Skipped
from fastsim.records.rows import FrameBatch
from fastsim.run.prefetch import prefetch_map
from fastsim.run.traffic import Traffic

SMALL = 112
"""Side in pixels: with `auto`, images smaller than SMALL x SMALL are resized to SMALL, all others to LARGE."""
LARGE = 224
_AHEAD = 24 * 2**20
"""Bytes of decoded images that may wait for the network, so that decoding continues while the network is compiled."""


def frame_batches(
    files: Iterable[MediaFile], *, size: int | None, batch: int, workers: int, device: Device = CPU,
    note: Callable[[str], None] = lambda _line: None, traffic: Traffic | None = None,
) -> Generator[FrameBatch | Skipped]:  # fmt: skip
    """Decode `files` on `workers` threads, resized to `size` x `size` pixels (None: `auto`).

    Yields FrameBatches of up to `batch` images of one size, and a Skipped for each file that cannot be decoded. Each
    file appears exactly once, under its id; a broken file does not affect others.

    On `device` `cuda:N`, DALI decodes (see dali.py). `note` receives the number of images that OpenCV decoded instead,
    and `traffic` counts the bytes sent to the device.
    """
    if device.is_cuda:
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
            device=device.first, report=report, traffic=traffic,
        )  # fmt: skip
    return _on_cpu(files, size, batch, workers)


def _on_cpu(files: Iterable[MediaFile], size: int | None, batch: int, workers: int) -> Generator[FrameBatch | Skipped]:
    from fastsim.decode.decoder import decode_file
    from fastsim.decode.picture import UnreadableError

    def work(file: MediaFile) -> tuple[int, Picture] | Skipped:
        try:
            return file.id, decode_file(file.path, choose_size if size is None else lambda _w, _h: size)
        except UnreadableError as error:
            return Skipped(file.path, str(error), file.id)

    ahead = max(workers * 2 + batch * 2, _AHEAD // (3 * (size or LARGE) ** 2))
    return _in_batches(prefetch_map(work, files, workers=workers, ahead=ahead), batch)


def _in_batches(items: Iterable[tuple[int, Picture] | Skipped], batch: int) -> Generator[FrameBatch | Skipped]:
    from fastsim.decode.libraries import configured

    waiting: dict[int, list[View]] = {}
    with configured():  # once for all files, not once per file
        for item in items:
            if isinstance(item, Skipped):
                yield item
                continue
            for view in views_of(*item):
                same_size = waiting.setdefault(view.pixels.shape[0], [])
                same_size.append(view)
                if len(same_size) == batch:
                    yield stacked(same_size)
                    same_size.clear()
    for rest in waiting.values():
        if rest:
            yield stacked(rest)


class View(NamedTuple):
    """One square image of a decoded file; a file has several if it has pages, frames or transparency."""

    id: int
    pixels: Uint8Array
    size: tuple[int, int]
    content: Content


def views_of(file_id: int, picture: Picture) -> list[View]:
    """Return the views of `picture`, the main one first."""
    return [View(file_id, square, picture.size, picture.content) for square in picture.squares]


def stacked(views: Sequence[View]) -> FrameBatch:
    """Stack views of one size to a batch."""
    return FrameBatch(
        ids=np.array([view.id for view in views], np.int64),
        pixels=np.stack([view.pixels for view in views]),
        sizes=np.array([view.size for view in views], np.int32),
        contents={view.id: view.content for view in views if view.content is not INTACT_STILL},
    )


def choose_size(width: int, height: int) -> int:
    """Return the side of the network's input for `auto`: SMALL if both sides are smaller than SMALL, else LARGE."""
    return SMALL if width < SMALL and height < SMALL else LARGE
