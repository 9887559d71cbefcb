"""Turn files into vectors: equal files once, cached vectors not at all, the rest decoded and embedded concurrently."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fastsim import decode, embedding, gpu_probe
from fastsim.cache.compiled_networks import CompiledStore
from fastsim.cache.embeddings import CachedRow, EmbeddingCache
from fastsim.config import Compute
from fastsim.device import CPU
from fastsim.embedding import Network, RanOn
from fastsim.inputs import equal_files
from fastsim.model import Model, load_model
from fastsim.records.arrays import Float16Array
from fastsim.records.files import INTACT_STILL, MediaFile, Skipped
from fastsim.records.rows import Embeddings, FrameBatch, joined
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings, stage
from fastsim.run.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Environment:
    """Where and how the network ran, which network it was, and how many vectors came from the cache."""

    ran_on: RanOn
    model: str
    model_sha256: str
    size: int | None
    cached: int
    traffic: Traffic = field(default_factory=Traffic)
    """Bytes that crossed between host and device; it continues counting while rows are compared."""


def to_vectors(
    files: Sequence[MediaFile], compute: Compute, progress: Progress, timings: Timings
) -> tuple[Embeddings, tuple[Skipped, ...], Environment]:
    """Return the embeddings of `files` by ascending id, the files that were not decoded, and where the network ran."""
    with stage("load", timings):
        model = load_model(compute.model)
    if compute.cache is None:
        return _Job(compute, model, None, progress, timings).run(files)
    with closing(EmbeddingCache(Path(compute.cache), network_key(model, compute), progress.note)) as cache:
        return _Job(compute, model, cache, progress, timings).run(files)


@dataclass(frozen=True, slots=True)
class _Job:
    """One call of `to_vectors`, with its resources."""

    compute: Compute
    model: Model
    cache: EmbeddingCache | None
    progress: Progress
    timings: Timings
    traffic: Traffic = field(default_factory=Traffic)

    def run(self, files: Sequence[MediaFile]) -> tuple[Embeddings, tuple[Skipped, ...], Environment]:
        digests = self._digests(files)
        copies = equal_files.find_copies(files, digests)
        firsts = [file for file in files if file.id not in copies]
        rows = self.cache.rows([digests[file.id] for file in firsts if file.id in digests]) if self.cache else {}
        cached = {file.id: rows[digests[file.id]] for file in firsts if digests.get(file.id) in rows}
        new = [file for file in firsts if file.id not in cached]
        # rows can stay on a device only if no other row comes between them
        embeddings, skipped, ran_on = self._embed(new, digests, keep=not cached and not copies)
        merged = equal_files.spread_rows(_with_cached(embeddings, cached), copies) or self._no_rows()
        embedding.check_usable(merged, self.model, self.progress.note)
        environment = Environment(
            ran_on, str(self.model.path), self.model.sha256, self.compute.size, len(cached), self.traffic
        )
        return replace(merged, digests=digests), equal_files.spread_skips(skipped, copies, files), environment

    def _no_rows(self) -> Embeddings:
        """Return no rows, of the width of the network's vectors, if its card states it."""
        vectors = np.empty((0, self.model.dims or 0), np.float16)
        return Embeddings(np.empty(0, np.int64), vectors, np.empty((0, 2), np.int32))

    def _digests(self, files: Sequence[MediaFile]) -> dict[int, bytes]:
        with stage("hash", self.timings), self.progress.bar("hash", len(files), "files") as bar:
            known = self.cache.known_digests(files) if self.cache else None
            digests = equal_files.digests(files, known=known, workers=self.compute.workers, bar=bar)
            if self.cache and known is not None:
                self.cache.remember_digests((file for file in files if file.id not in known), digests)
        return digests

    def _embed(
        self, files: Sequence[MediaFile], digests: Mapping[int, bytes], keep: bool
    ) -> tuple[Embeddings, tuple[Skipped, ...], RanOn]:
        """Decode and embed; if the cache has every vector, the network is not even loaded."""
        compute = self.compute
        before = self.cache.ran_on() if self.cache else None
        if not files:
            return (
                embedding.NOTHING,
                (),
                RanOn(*before) if before else RanOn(str(compute.device), compute.runtime, "not run"),
            )
        with ExitStack() as stack:
            with stage("load", self.timings):
                open_network = embedding.opener(
                    self.model, runtime=compute.runtime, device=compute.device, batch=compute.batch,
                    threads=compute.workers, size=compute.size, traffic=self.traffic,
                    store=CompiledStore(Path(compute.cache)) if compute.cache else None,
                )  # fmt: skip
                # On the CPU the network is loaded while the first images are decoded: both take their time outside of
                # Python. CUDA's current device belongs to a thread, so a network for CUDA is loaded on this one.
                thread = stack.enter_context(ThreadPoolExecutor(1, "fastsim-network"))
                opening = thread.submit(open_network) if compute.device == CPU else None
                frames = stack.enter_context(closing(decode.frame_batches(
                    files, size=compute.size, batch=compute.batch, workers=compute.workers, device=compute.device,
                    note=self.progress.note, traffic=self.traffic,
                )))  # fmt: skip
                network = opening.result() if opening else open_network()
            with stage("embed", self.timings), self.progress.bar("embed", len(files), "images") as bar:
                store = self._store(network, digests)
                embeddings, skipped = embedding.embed(network, frames, bar, store, keep=len(files) if keep else 0)
        # If no new file could be read, the vectors are those of the cache.
        return embeddings, skipped, RanOn(*before) if before and not len(embeddings) else network.ran_on

    def _store(self, network: Network, digests: Mapping[int, bytes]) -> Callable[[FrameBatch, Float16Array], None]:
        """Return a function that stores a batch and its rows in the cache.

        Rows of a file with several views wait for the last of them.
        """
        waiting: dict[int, list[Float16Array]] = {}

        def store(batch: FrameBatch, rows: Float16Array) -> None:
            if self.cache is None:
                return
            ran_on = (network.ran_on.device, network.ran_on.runtime, network.ran_on.precision)
            for file_id, row, (width, height) in zip(batch.ids.tolist(), rows, batch.sizes.tolist(), strict=True):
                about, whole = batch.contents.get(file_id, INTACT_STILL), row[None]
                if about.views > 1:
                    waiting.setdefault(file_id, []).append(row)
                    if len(waiting[file_id]) < about.views:
                        continue
                    whole = np.stack(waiting.pop(file_id))
                if file_id in digests:
                    self.cache.add(digests[file_id], CachedRow(whole, width, height, about), ran_on)

        return store


def _with_cached(new: Embeddings, cached: Mapping[int, CachedRow]) -> Embeddings:
    """Return new and cached rows together, by id."""
    if not cached:
        return new
    old = embedding.with_views(
        np.repeat(np.array(list(cached), np.int64), [len(row.vectors) for row in cached.values()]),
        np.concatenate([row.vectors for row in cached.values()]),
        np.array([(row.width, row.height) for row in cached.values() for _ in row.vectors], np.int32),
        {file_id: row.content for file_id, row in cached.items() if row.content != INTACT_STILL},
    )
    return old if not len(new) else joined(old, new)


def network_key(model: Model, compute: Compute) -> str:
    """Return everything that changes a vector, except the image itself."""
    package = "openvino" if compute.runtime == "openvino" else "onnxruntime"
    version = gpu_probe.version(package) or gpu_probe.version(f"{package}-gpu")
    return f"{model.sha256} {compute.size or 'auto'} {compute.device} {compute.runtime} {version} {model.card_digest}"
