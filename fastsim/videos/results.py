"""Hold the settings and the result of a video run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from fastsim.config import Compute
from fastsim.decode.video.sampling import Sampling


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides which frames are kept and how they are written."""

    compute: Compute
    sampling: Sampling = field(default_factory=Sampling)
    crop: float = 0.85
    thres: float = 0.75
    across: bool = False
    timeline: bool = False
    form: str = "jpg"
    quality: int = 95

    def identity(self, model_sha256: str) -> dict[str, Any]:
        """Return what must be the same for a run to continue with another one's output."""
        return {
            **asdict(self.sampling), "crop": self.crop, "thres": self.thres, "across": self.across,
            "timeline": self.timeline, "format": self.form, "quality": self.quality, "size": self.compute.size,
            "runtime": self.compute.runtime, "device": str(self.compute.device), "model": model_sha256,
        }  # fmt: skip


@dataclass(slots=True)
class Kept:
    """A kept frame.

    `stands_for`: how many other frames of its video it covers; `lowest_score`: the lowest similarity among them, None
    without any.
    """

    index: int
    seconds: float
    file: str
    """Its file name in the video's folder."""
    stands_for: int = 0
    lowest_score: float | None = None

    def cover(self, score: float) -> None:
        """Count one more frame that it covers."""
        self.stands_for += 1
        self.lowest_score = score if self.lowest_score is None else min(self.lowest_score, score)


@dataclass(slots=True)
class Extract:
    """The result for one video. `folder`: below the output folder, with `/`."""

    path: str
    folder: str
    frames_read: int = 0
    frames_taken: int = 0
    seen_elsewhere: int = 0
    """With --across: taken frames that a frame of an earlier video covers."""
    problem: str = ""
    """Why reading ended early, or what was damaged; empty for a good video."""
    kept: list[Kept] = field(default_factory=list)
    earlier: bool = False
    """Whether an earlier run into the same folder did it."""

    def to_json(self) -> dict[str, Any]:
        """Return a dict that json can write."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Extract:
        """Return the extract of a dict. Raises KeyError, TypeError or ValueError for what no run has written."""
        kept = [Kept(**one) for one in data["kept"]]
        return cls(**{**data, "kept": kept})
