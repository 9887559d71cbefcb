"""Decode JPEGs with NVIDIA DALI on the device, and all other images with OpenCV. Not yet run on a GPU.

Threads read files and inspect their headers, as the cpu backend does. Images that DALI would decode differently
(transparency, CMYK, 16 bits, animations, no end marker) are decoded by the cpu backend, with the same pixels. DALI
raises an error for a whole batch if one image in it is broken: that batch is decoded again, image by image, by OpenCV,
and its pipeline is rebuilt. Each pipeline holds one batch, and several run side by side, so an error does not affect
other batches. Ids travel through the pipeline with their samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from nvidia.dali import Pipeline, fn, types

from fastsim.decode import stacked, views_of
from fastsim.decode.decoder import AT_ONCE, decode_file
from fastsim.decode.device_jpeg import device_size
from fastsim.decode.picture import Picture, UnreadableError
from fastsim.inputs.archives import open_source
from fastsim.records.files import MediaFile, Skipped
from fastsim.records.rows import FrameBatch
from fastsim.run.prefetch import prefetch_map
from fastsim.run.traffic import Traffic

PIPELINES = 2
"""Batches decoded at a time, each by its own pipeline."""
BATCH_BYTES = 512 * 2**20
"""Decoded bytes of a batch, before it is resized. PIPELINES batches are on the device at a time, 1 GiB in all. A
larger image is a batch of its own.
"""
_LEAST_BYTES = 32 * 2**20
"""If the device runs out of memory, the limit is halved, down to this."""
_NO_MEMORY = (
    "out of memory", "out_of_memory", "memory allocation", "memoryallocation", "bad_alloc", "allocator_failure",
    "can't allocate", "cannot allocate", "failed to allocate", "alloc_failed",
)  # fmt: skip


class _Encoded(NamedTuple):
    """A JPEG for the device."""

    file: MediaFile
    data: Any  # uint8[bytes]
    original: tuple[int, int]
    side: int

    @property
    def decoded_bytes(self) -> int:
        """Return the number of bytes of its pixels as RGB, in full size."""
        return 3 * self.original[0] * self.original[1]


class _Decoded(NamedTuple):
    """An image that OpenCV decoded."""

    file: MediaFile
    picture: Picture

    @property
    def side(self) -> int:
        return len(self.picture.squares[0])


class Counts(NamedTuple):
    """Count the images that the device decoded, and those that OpenCV did: no fallback is silent.

    no_memory: those of `opencv` for which the device had no memory; the others are broken, or not JPEGs.
    """

    device: int
    opencv: int
    no_memory: int = 0


def frame_batches(
    files: Iterable[MediaFile], *, choose_size: Callable[[int, int], int], batch: int, workers: int,
    device: int | None, report: Callable[[Counts], None] = lambda _counts: None, traffic: Traffic | None = None,
) -> Generator[FrameBatch | Skipped]:  # fmt: skip
    """Decode like `decode.frame_batches`; `pixels` of a FrameBatch is a CuPy array if the device decoded it.

    device: None runs DALI on the CPU, for tests. `report` receives the counts at the end; `traffic` counts encoded
    bytes.
    """
    return _Decoder(choose_size, batch, workers, device, traffic or Traffic()).run(files, report)


class _Decoder:
    def __init__(
        self, choose_size: Callable[[int, int], int], batch: int, workers: int, device: int | None, traffic: Traffic
    ) -> None:
        self._choose, self._batch, self._workers, self._device = choose_size, batch, workers, device
        self._traffic = traffic
        self._flying: deque[tuple[Any, list[_Encoded]]] = deque()
        self._free: list[Any] = []
        self._by_device = self._by_opencv = self._no_memory = 0
        self._most_bytes = BATCH_BYTES

    def run(self, files: Iterable[MediaFile], report: Callable[[Counts], None]) -> Generator[FrameBatch | Skipped]:
        waiting: dict[tuple[bool, int], list[Any]] = {}
        ahead = self._workers * 2 + self._batch * 2
        for item in prefetch_map(self._read, files, workers=self._workers, ahead=ahead):
            if isinstance(item, Skipped):
                yield item
                continue
            same = waiting.setdefault((isinstance(item, _Encoded), item.side), [])
            if isinstance(item, _Encoded) and same and _decoded_bytes([*same, item]) > self._most_bytes:
                yield from self._submit(same.copy())
                same.clear()
            same.append(item)
            if len(same) == self._batch:
                yield from self._passed_on(same.copy())
                same.clear()
        for rest in waiting.values():
            if rest:
                yield from self._passed_on(rest)
        while self._flying:
            yield from self._finish()
        report(Counts(self._by_device, self._by_opencv, self._no_memory))

    def _passed_on(self, items: list[Any]) -> Iterator[FrameBatch | Skipped]:
        """Send a full batch to the device if it is encoded, else on to the network."""
        if isinstance(items[0], _Encoded):
            yield from self._submit(items)
        else:
            yield self._stack(items)

    def _read(self, file: MediaFile) -> _Encoded | _Decoded | Skipped:
        """Read a file in a thread, and decode it unless the device will."""
        data = _read_small(file)
        original = None if data is None else device_size(data)
        if data is None or original is None:
            return self._with_opencv(file)
        return _Encoded(file, np.frombuffer(data, np.uint8), original, self._choose(*original))

    def _with_opencv(self, file: MediaFile) -> _Decoded | Skipped:
        try:
            return _Decoded(file, decode_file(file.path, self._choose))
        except UnreadableError as error:
            return Skipped(file.path, str(error), file.id)

    def _submit(self, items: list[_Encoded]) -> Iterator[FrameBatch | Skipped]:
        """Start a batch; if all pipelines are busy, finish the oldest first."""
        if len(self._flying) == PIPELINES:
            yield from self._finish()
        try:
            pipe = self._free.pop() if self._free else build(self._batch, self._workers, self._device)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            yield from self._fallen_back(items, error)
            return
        self._traffic.up("files", sum(len(item.data) for item in items))
        pipe.feed_input("encoded", [item.data for item in items])
        pipe.feed_input("id", [np.array([item.file.id], np.int64) for item in items])
        pipe.feed_input("side", [np.array([item.side] * 2, np.float32) for item in items])
        pipe.schedule_run()
        self._flying.append((pipe, items))

    def _finish(self) -> Iterator[FrameBatch | Skipped]:
        """Yield the oldest batch in flight.

        If an image in it is broken, or the device has no memory for it, decode it image by image with OpenCV, and
        discard the pipeline with its memory.
        """
        pipe, items = self._flying.popleft()
        try:
            pictures, ids = pipe.share_outputs()
            pixels = taken(pictures, self._device)
        except (RuntimeError, ValueError, IndexError, MemoryError) as error:
            del pipe
            yield from self._fallen_back(items, error)
            return
        told = np.asarray(ids.as_array(), np.int64).reshape(-1)
        if told.tolist() != [item.file.id for item in items] or len(pixels) != len(items):
            raise RuntimeError(f"DALI returned ids {told[:3]}..., not those of the batch that was fed")
        pipe.release_outputs()
        self._free.append(pipe)
        self._by_device += len(items)
        yield FrameBatch(told, pixels, np.array([item.original for item in items], np.int32))

    def _fallen_back(self, items: list[_Encoded], error: Exception) -> Iterator[FrameBatch | Skipped]:
        """Decode the images of a batch at which the device failed with OpenCV.

        Shrink later batches if memory was short.
        """
        before = self._by_opencv
        yield from self._one_by_one([item.file for item in items])
        if is_out_of_memory(error):
            self._no_memory += self._by_opencv - before
            self._most_bytes = max(_LEAST_BYTES, self._most_bytes // 2)

    def _one_by_one(self, files: list[MediaFile]) -> Iterator[FrameBatch | Skipped]:
        done: dict[int, list[_Decoded]] = {}
        for item in prefetch_map(self._with_opencv, files, workers=self._workers, ahead=len(files)):
            if isinstance(item, Skipped):
                yield item
            else:
                done.setdefault(item.side, []).append(item)
        for same in done.values():
            yield self._stack(same)

    def _stack(self, items: list[_Decoded]) -> FrameBatch:
        self._by_opencv += len(items)
        return stacked([view for item in items for view in views_of(item.file.id, item.picture)])


def _read_small(file: MediaFile) -> bytes | None:
    """Return the content of a file, or None if it cannot be read, or is too large to be read at once."""
    if not 0 < file.snapshot.size <= AT_ONCE:
        return None
    try:
        with open_source(file.path) as stream:
            return stream.read(AT_ONCE)
    except OSError:
        return None


def _decoded_bytes(items: list[_Encoded]) -> int:
    return sum(item.decoded_bytes for item in items)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether the device or the host ran out of memory, by the texts of CUDA, DALI, nvJPEG and C++.

    DALI raises RuntimeError for everything. Its texts for a full device have not been seen yet.
    """
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(word in text for word in _NO_MEMORY)


def build(batch: int, workers: int, device: int | None) -> Any:
    """Build a pipeline: encoded bytes, id and side in; uint8[k, side, side, 3] RGB and the ids out.

    `mixed` decodes with nvJPEG, on the hardware engine if the GPU has one. Bilinear with antialias is a triangle
    filter as wide as the reduction, the closest that DALI has to the cpu backend's area averages.
    """
    pipe = Pipeline(batch_size=batch, num_threads=workers, device_id=device, prefetch_queue_depth=1)
    with pipe:
        encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
        number = fn.external_source(name="id", dtype=types.INT64, ndim=1)
        side = fn.external_source(name="side", dtype=types.FLOAT, ndim=1)
        extra: dict[str, Any] = {} if device is None else {"hw_decoder_load": 0.9}
        picture = fn.decoders.image(
            encoded, device="cpu" if device is None else "mixed", output_type=types.RGB, adjust_orientation=True,
            jpeg_fancy_upsampling=True, **extra,
        )  # fmt: skip
        picture = fn.resize(picture, size=side, interp_type=types.INTERP_LINEAR, antialias=True)
        pipe.set_outputs(picture, number)
    pipe.build()
    return pipe


def taken(pictures: Any, device: int | None, *, on_default: bool = False) -> Any:
    """Copy the pixels out of DALI's reusable buffer.

    The copy stays on the device and is awaited on a stream of its own, so that it does not wait for the network.
    on_default: copy on the default stream, for pixels that are used and released there, because their memory is then
    reused in the order of that stream.
    """
    if device is None:
        return np.array(pictures.as_array())
    import cupy as cp

    with cp.cuda.Device(device), cp.cuda.Stream.null if on_default else _copies(device) as stream:
        pixels = cp.from_dlpack(pictures.as_tensor()).copy()
        stream.synchronize()
    return pixels


@cache
def _copies(device: int) -> Any:
    """Return the stream for copies on `device`. It is always the same, because CuPy reuses memory per stream."""
    import cupy as cp

    return cp.cuda.Stream(non_blocking=True)
