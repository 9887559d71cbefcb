"""Keep a network's rows on a GPU as slices of one matrix, and copy them to the host meanwhile. Not yet run on a GPU."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import cupy as cp
import numpy as np

from fastsim.records.arrays import Float16Array, Float32Array, Int64Array
from fastsim.run.traffic import Traffic

SHARE = 0.4
"""Fraction of the free device memory that the matrix and its sorted copy may take."""


class RowStore:
    """Rows of `width` values of `dtype`, written `batch` at a time. Use it inside `with device`, from one thread.

    most: rows that the matrix can hold; if it is 0, or does not fit the device, there is no matrix, and rows only
    pass. in_flight: largest number of batches that were sent (`send`) and not received.
    """

    def __init__(self, *, batch: int, width: int, dtype: Any, in_flight: int, most: int, traffic: Traffic) -> None:
        self._shape, self._dtype, self._traffic = (batch, width), np.dtype(dtype), traffic
        self._copies = cp.cuda.Stream(non_blocking=True)
        self._free = deque(_pinned(self._shape, self._dtype) for _ in range(in_flight))
        self._matrix = self._allocated(most) if most else None
        self._filled = 0

    def slot(self, rows: int) -> Any:
        """Return cupy[batch, width] for the next output, of which the first `rows` count.

        In the matrix the others are padding, which the next output overwrites.
        """
        if self._matrix is not None and self._filled + self._shape[0] > len(self._matrix):
            self._matrix = None  # files with several views have more rows than there are files
        if self._matrix is None:
            return cp.empty(self._shape, self._dtype)
        at = self._filled
        self._filled += rows
        return self._matrix[at : at + self._shape[0]]

    def send(self, output: Any, rows: int, stream: Any) -> Sent:
        """Copy the first rows of `output` to the host, on a stream of their own, once `stream` has computed them."""
        made = cp.cuda.Event(disable_timing=True)
        made.record(stream)
        self._copies.wait_event(made)
        pinned = self._free.popleft()
        part = output[:rows]
        part.data.copy_to_host_async(pinned.ctypes.data, part.nbytes, self._copies)
        self._traffic.down("vectors", part.nbytes)
        there = cp.cuda.Event(disable_timing=True)
        there.record(self._copies)
        return Sent(pinned, rows, output, there)

    def receive(self, sent: Sent) -> Float16Array | Float32Array:
        """Wait for an earlier `send`, and return its [rows, width]."""
        sent.there.synchronize()
        rows: Float16Array | Float32Array = sent.pinned[: sent.rows].copy()
        self._free.append(sent.pinned)
        return rows

    def take(self, order: Int64Array, stream: Any) -> Any:
        """Return the matrix cupy[n, width] with its rows in `order`, all work done; None if there is none.

        Ownership passes to the caller; further rows only pass.
        """
        if self._matrix is None:
            return None
        rows, self._matrix = self._matrix[: self._filled], None
        if len(order) != len(rows):
            raise RuntimeError(f"{len(rows)} rows on the device, {len(order)} on the host")
        if (order != np.arange(len(order))).any():
            self._traffic.up("order", order.nbytes)
            rows = rows[cp.asarray(order)]
        stream.synchronize()
        return rows

    def _allocated(self, most: int) -> Any:
        batch, width = self._shape
        free, _ = cp.cuda.Device().mem_info
        if 2 * (most + batch) * width * self._dtype.itemsize > SHARE * free:
            return None
        try:
            return cp.empty((most + batch, width), self._dtype)
        except cp.cuda.memory.OutOfMemoryError:
            return None


class Sent(NamedTuple):
    """Rows on their way to the host. `output` is held until they have arrived."""

    pinned: Any
    rows: int
    output: Any
    there: Any


def _pinned(shape: tuple[int, int], dtype: Any) -> Any:
    """Return a NumPy array in page-locked memory, which it keeps alive."""
    count = shape[0] * shape[1]
    return np.frombuffer(cp.cuda.alloc_pinned_memory(count * dtype.itemsize), dtype, count).reshape(shape)
