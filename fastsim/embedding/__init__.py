"""Embed batches of images: run the network on one of the runtimes, and return float16 rows of unit length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import numpy as np

from fastsim.cache.compiled_networks import CompiledStore
from fastsim.device import Device
from fastsim.errors import FastsimError, UsageError
from fastsim.model import Model
from fastsim.records.arrays import Float16Array, Float32Array, Int32Array, Int64Array
from fastsim.records.files import INTACT_STILL, Content, Skipped
from fastsim.records.rows import DeviceRows, Embeddings, FrameBatch, Views
from fastsim.run.progress import Bar
from fastsim.run.traffic import Traffic


@dataclass(frozen=True, slots=True)
class RanOn:
    """Record where and how the network ran."""

    device: str
    """`cpu` or `cuda:N`."""
    runtime: str
    """Name and version of the runtime."""
    precision: str
    """Arithmetic of the network: float32, bfloat16 or float16."""


NOTHING = Embeddings(np.empty(0, np.int64), np.empty((0, 0), np.float16), np.empty((0, 2), np.int32))
"""The embeddings of no image."""


class Network(Protocol):
    """A network that is loaded on a device."""

    ran_on: RanOn

    def run(self, batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Float32Array | Float16Array]]:
        """Yield each batch with its raw output float32[k, d], in order; several batches are in flight at once.

        A network that ends in unit rows yields them instead, as float16[k, d].
        """
        ...


@runtime_checkable
class KeepsRows(Protocol):
    """A network whose rows can stay on its device."""

    def reserve(self, most: int) -> None:
        """Keep the rows of up to `most` images, if they fit. Call it before `run`."""
        ...

    def kept(self, order: Int64Array) -> DeviceRows | None:
        """Return all rows in `order`, and give up ownership of them; None if they were not kept. Call it after `run`."""
        ...


def opener(
    model: Model, *, runtime: str, device: Device, batch: int, threads: int, size: int | None = None,
    traffic: Traffic | None = None, store: CompiledStore | None = None,
) -> Callable[[], Network]:  # fmt: skip
    """Import `runtime`, and return a function that loads `model` on it; see `open_network`.

    Loading runs outside of Python, so it can have a thread of its own; imports on two threads would wait for each
    other. store: where OpenVINO keeps compiled networks.
    """
    if device.is_cuda:
        from fastsim.embedding.onnxruntime_cuda import CudaNetwork

        return partial(CudaNetwork, model, device=device, runtime=runtime, batch=batch, traffic=traffic)
    if runtime == "openvino":
        from fastsim.embedding.openvino import OpenVinoNetwork

        return partial(OpenVinoNetwork, model, batch=batch, threads=threads, size=size, store=store)
    if runtime == "onnxruntime":
        from fastsim.embedding.onnxruntime import OnnxRuntimeNetwork

        return partial(OnnxRuntimeNetwork, model, threads=threads)
    raise UsageError(f"--runtime must be one of auto, openvino, onnxruntime (got {runtime!r})")


def open_network(
    model: Model, *, runtime: str, device: Device, batch: int, threads: int, size: int | None = None,
    traffic: Traffic | None = None,
) -> Network:  # fmt: skip
    """Load `model` on `runtime` and `device`, ready for images of `size` pixels if that is known.

    runtime: `openvino`, `onnxruntime`, or `tensorrt` on a GPU. Raises UsageError if the model cannot be loaded,
    FastsimError if the network cannot be run at `size`.
    """
    return opener(model, runtime=runtime, device=device, batch=batch, threads=threads, size=size, traffic=traffic)()


def embed(
    network: Network,
    frames: Iterable[FrameBatch | Skipped],
    bar: Bar,
    store: Callable[[FrameBatch, Float16Array], None] = lambda _batch, _rows: None,
    keep: int = 0,
) -> tuple[Embeddings, tuple[Skipped, ...]]:
    """Run all frames through the network; return embeddings in ascending order of id, and files that were not decoded.

    store: called with each batch and its rows as soon as they are computed. keep: the largest number of images whose
    rows shall also stay on the device, if the network can do that; they stay only if each file has one row. Memory:
    the rows, and the batches in flight.
    """
    skipped: list[Skipped] = []
    keeper = network if keep and isinstance(network, KeepsRows) else None
    if keeper:
        keeper.reserve(keep)

    def only_batches() -> Iterator[FrameBatch]:
        for item in frames:
            if isinstance(item, Skipped):
                skipped.append(item)
                bar.advance()
            else:
                yield item

    ids, sizes, rows = [], [], []
    contents: dict[int, Content] = {}
    last = -1
    for batch, raw in network.run(only_batches()):
        ids.append(batch.ids)
        sizes.append(batch.sizes)
        rows.append(unit_rows(raw))
        contents.update(batch.contents)
        store(batch, rows[-1])
        bar.advance(_files_begun(batch, last))
        last = int(batch.ids[-1])
    if not ids:
        return NOTHING, tuple(skipped)
    all_ids, all_rows, all_sizes = np.concatenate(ids), np.concatenate(rows), np.concatenate(sizes)
    if any(content.views > 1 or content.kind for content in contents.values()):
        return with_views(all_ids, all_rows, all_sizes, contents), tuple(skipped)
    order = np.argsort(all_ids)
    on_device = keeper.kept(order) if keeper else None
    damage, _ = _reported(contents)
    vectors = np.ascontiguousarray(all_rows[order])
    return Embeddings(all_ids[order], vectors, all_sizes[order], on_device, damage), tuple(skipped)


def _files_begun(batch: FrameBatch, last: int) -> int:
    """Count the files that have their first view in `batch`; `last` is the last id of the batch before."""
    if not batch.contents:
        return len(batch.ids)
    return int(np.count_nonzero(np.diff(batch.ids, prepend=last)))


def with_views(ids: Int64Array, rows: Float16Array, sizes: Int32Array, contents: Mapping[int, Content]) -> Embeddings:
    """Join the rows of each file: the first is its own row, the others are its views.

    ids: int64[m], the file of each row, several rows of one file in order; rows: float16[m, d]; sizes: int32[m, 2];
    contents: by id, for files that are not intact stills.
    """
    order = np.argsort(ids, kind="stable")
    ids, rows, sizes = ids[order], rows[order], sizes[order]
    first = np.flatnonzero(np.diff(ids, prepend=-1))
    count = np.diff(first, append=len(ids)) - 1
    is_view = np.ones(len(ids), bool)
    is_view[first] = False
    damage, frames = _reported(contents)
    kind = np.array([contents.get(file_id, INTACT_STILL).kind for file_id in ids[first].tolist()], np.int32)
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
    views = Views(kind, start, np.ascontiguousarray(rows[is_view])) if is_view.any() or kind.any() else None
    return Embeddings(ids[first], np.ascontiguousarray(rows[first]), sizes[first], None, damage, views, frames)


def _reported(contents: Mapping[int, Content]) -> tuple[dict[int, str], dict[int, tuple[int, int]]]:
    """Return `damage` and `frames` of `Embeddings`."""
    damage = {file_id: content.damage for file_id, content in contents.items() if content.damage}
    frames = {
        file_id: (content.frames, content.frames_total)
        for file_id, content in contents.items()
        if content.frames_total > 1
    }
    return damage, frames


def check_usable(embeddings: Embeddings, model: Model, note: Callable[[str], None]) -> None:
    """Report vectors that are zero or not finite, which are similar to nothing.

    Raises FastsimError if all of them are.
    """
    useless = int(np.count_nonzero(~embeddings.vectors.any(axis=1)))
    if useless and useless == len(embeddings):
        raise FastsimError(
            f"--model {model.path}: the vectors of all {useless:,} images are zero or not finite; try another --size or "
            "--model, and check the card beside it"
        )
    if useless:
        note(
            f"fastsim: the network gave no usable vector for {useless:,} of {len(embeddings):,} images; they match nothing"
        )


def unit_rows(raw: Float32Array | Float16Array) -> Float16Array:
    """Scale float32[k, d] to unit length as float16[k, d]; a zero or non-finite row becomes zero, similar to nothing.

    Rows that are float16 already are unit rows (see `Network.run`), and their bits are kept.
    """
    if raw.dtype == np.float16:
        return np.where(np.isfinite(raw).all(axis=1, keepdims=True), raw, np.float16(0)).astype(np.float16)
    wide = raw.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.sqrt((wide * wide).sum(axis=1, keepdims=True))
    good = np.isfinite(norms) & (norms > 0)
    return np.where(good, wide, 0.0).__truediv__(np.where(good, norms, 1.0)).astype(np.float16)
