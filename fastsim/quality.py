"""Flag images that are blurred, dark, bright or nearly empty, by measures of `decode.quality`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from fastsim.choices import Flag
from fastsim.errors import UsageError, shown
from fastsim.records.files import Flagged, MediaFile, Quality
from fastsim.run.progress import Progress
from fastsim.run.timing import Timings, stage

BLURRED = 40.0
"""Sharpness below which an image counts as blurred."""
DARK = 0.32
"""An image of which 99 % of the pixels are darker than this is dark (the threshold of CleanVision)."""
BRIGHT = 0.95
"""An image of which 95 % of the pixels are brighter than this is bright (the threshold of CleanVision)."""
LOW_INFORMATION = 3.0
"""Bits of entropy below which an image says little (the threshold of CleanVision)."""


def parse_flags(text: str | Iterable[str], option: str = "--flag") -> tuple[Flag, ...]:
    """Read `FLAG,FLAG,...`, or one flag a word. Raises UsageError, which names `option`."""
    words = [word.strip() for word in (text.split(",") if isinstance(text, str) else text)]
    for at, word in enumerate(words):
        if word not in tuple(Flag):
            raise UsageError(
                f"{option} must be one or more of {', '.join(Flag)}, with commas between (got {shown(word)!r})"
            )
        if word in words[:at]:
            raise UsageError(f"{option} names {word} twice; leave one of them out")
    return tuple(map(Flag, words))


def flags_of(quality: Quality, wanted: Sequence[Flag]) -> tuple[Flag, ...]:
    """Return those of `wanted` that are true of an image."""
    found = {
        Flag.BLUR: quality.sharpness < BLURRED,
        Flag.DARK: quality.high < DARK,
        Flag.BRIGHT: quality.low > BRIGHT,
        Flag.LOW_INFORMATION: quality.entropy < LOW_INFORMATION,
    }
    return tuple(flag for flag in wanted if found[flag])


def find_flagged(
    files: Sequence[MediaFile], wanted: Sequence[Flag], workers: int, progress: Progress, timings: Timings
) -> dict[int, Flagged]:
    """Return the images of which one of `wanted` is true, by id."""
    if not wanted:
        return {}
    measured = measure_all(files, workers, progress, timings)
    found = {i: Flagged(flags_of(quality, wanted), quality) for i, quality in measured.items()}
    return {i: one for i, one in found.items() if one.flags}


def measure_all(
    files: Sequence[MediaFile], workers: int, progress: Progress, timings: Timings
) -> Mapping[int, Quality]:
    """Measure images, by id; those that cannot be read are left out."""
    from fastsim.decode.libraries import configured
    from fastsim.decode.quality import measure

    found: dict[int, Quality] = {}
    with (
        stage("quality", timings),
        progress.bar("quality", len(files), "images") as bar,
        configured(),
        ThreadPoolExecutor(workers, "fastsim-quality") as pool,
    ):
        for file, quality in zip(files, pool.map(measure, [one.path for one in files]), strict=True):
            if quality is not None:
                found[file.id] = quality
            if bar is not None:
                bar.advance()
    return found
