"""Batches of edited views, drawn on the pictures' device: on a GPU by a thread while the network works on the batch before."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .edits import Region, make_views, to_device
from .inference import Part
from .prepare import Pictures
from .sampler import Sampler


@dataclass(frozen=True, slots=True)
class Batch:
    """ids: int64[n] pictures; views: two of each, one tensor of 2n where their sizes are the same, else two of n.

    A view is float[3, s, s], or what the layers that stay as they are make of it.
    """

    ids: NDArray[np.int64]
    views: list[Tensor]


class Batches:
    """Draws a batch a step; holds the pictures, as uint8 on the device.

    number: which worker's batches they are; background: draw on a thread, ahead of time; first, where it is set: what to
    make of the views while they are drawn.
    """

    def __init__(self, pictures: Pictures, sampler: Sampler, *, number: int = 0, background: bool) -> None:
        self.config, self.sampler, self.number = sampler.config, sampler, number
        self.first: Part | None = None
        self.device, self.aspect = sampler.bank.device, pictures.aspect
        self.pixels = torch.from_numpy(pictures.pixels).to(self.device)
        self.masks = torch.from_numpy(pictures.masks).to(self.device)
        self._thread = ThreadPoolExecutor(1, "batches") if background else None
        self._stream = torch.cuda.Stream(self.device) if background and self.device.type == "cuda" else None
        self._ahead: tuple[int, Future[Batch]] | None = None

    def take(self, step: int, done: float) -> Batch:
        """Return the batch of `step`, `done` (0 to 1) of the run being behind, and start on the next one in the background."""
        ahead = self._ahead
        batch = ahead[1].result() if ahead is not None and ahead[0] == step else self.draw(step, done)
        if self._stream is not None:
            torch.cuda.current_stream(self.device).wait_stream(self._stream)
            for view in batch.views:  # their memory must not be used again on the other stream while this one reads it
                view.record_stream(torch.cuda.current_stream(self.device))
        if self._thread is not None:
            if self._stream is not None:
                self._stream.wait_stream(torch.cuda.current_stream(self.device))
            self._ahead = step + 1, self._thread.submit(self._draw_aside, step + 1, done)
        return batch

    def wait(self) -> None:
        """Return once no batch is being drawn, so that the sampler may learn new vectors."""
        if self._ahead is not None:
            self._ahead[1].result()

    def _draw_aside(self, step: int, done: float) -> Batch:
        with torch.cuda.stream(self._stream):  # does nothing for None
            return self.draw(step, done)

    def draw(self, step: int, done: float) -> Batch:
        """Draw the batch of `step`: the same for the same step, pictures and vectors remembered."""
        config = self.config
        rng = np.random.default_rng((config.seed, step, self.number))
        ids, others = self.sampler.draw(rng)
        n = len(ids)
        sizes = next(stage.sizes for stage in config.stages if done <= stage.until)
        first, second = (int(rng.choice(sizes)) for _ in range(2))
        if rng.random() < 0.5:
            second = first
        region = Region.draw(rng, n, config.small)
        own, extra = (self.pixels[to_device(rows, self.device)] for rows in (ids, others))
        light = rng.random(n) < config.light
        strengths = rng.uniform(0.1, config.top_strength(done), (2, n))
        views = [
            make_views(rng, own, extra, self.masks, self.aspect[ids], region, strength, size)
            for size, strength in ((first, np.where(light, 0, strengths[0])), (second, strengths[1]))
        ]
        views = [torch.cat(views)] if first == second else views
        return Batch(ids, views if self.first is None else [self.first(view) for view in views])
