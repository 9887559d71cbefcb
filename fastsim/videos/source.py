"""Read frames of videos with their rows, and frames in full size, as the settings of a run require."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from fastsim import embedding
from fastsim.decode.video.sampling import Chosen
from fastsim.model import Model
from fastsim.records.files import MediaFile
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings, stage
from fastsim.run.traffic import Traffic
from fastsim.videos import frames
from fastsim.videos.embed_frames import Row, with_rows
from fastsim.videos.results import Settings


class Source:
    """Frames with their rows. The network is loaded when the first row is needed."""

    def __init__(
        self, settings: Settings, model: Model, progress: Progress, timings: Timings, *, with_frames: bool
    ) -> None:
        self.traffic = Traffic()
        self._settings = settings
        self._model = model
        self._timings = timings
        self._where = frames.Where(settings.compute.device, progress.note, self.traffic)
        self._with_frames = with_frames
        self._network: embedding.Network | None = None

    def network(self) -> embedding.Network:
        """Load the network, once."""
        compute = self._settings.compute
        if self._network is None:
            with stage("load", self._timings):
                self._network = embedding.open_network(
                    self._model, runtime=compute.runtime, device=compute.device, batch=compute.batch,
                    threads=compute.workers, size=compute.size, traffic=self.traffic,
                )  # fmt: skip
        return self._network

    def rows(self, videos: Sequence[MediaFile]) -> Generator[tuple[frames.Event, Row | None]]:
        """Yield all events of `videos`, each sampled frame with its row."""
        settings, compute = self._settings, self._settings.compute
        source = frames.events(
            videos, settings.sampling, crop=settings.crop, size=compute.size, threads=compute.workers,
            with_frames=self._with_frames, where=self._where,
        )  # fmt: skip
        with closing(source), closing(with_rows(source, self.network(), compute.batch)) as stream:
            yield from stream

    def pictures(self, video: MediaFile, chosen: Chosen) -> Generator[frames.Taken]:
        """Yield the chosen frames in full size; none if nothing is written."""
        if not self._with_frames or not chosen.numbers:
            return
        settings, compute = self._settings, self._settings.compute
        source = frames.events(
            [video], chosen, crop=settings.crop, size=compute.size, threads=compute.workers, with_frames=True,
            with_pixels=False, where=self._where,
        )  # fmt: skip
        with closing(source):
            yield from (event for event in source if isinstance(event, frames.Taken))
