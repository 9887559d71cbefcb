"""Find videos, or parts of them, that show the same thing (`fastsim video-duplicates`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from fastsim import config
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import compute_of, environment_of, partly_lines, scan_of, skipped_lines, where
from fastsim.cli.commands.video import check_crop, scan
from fastsim.cli.video_options import VideoDuplicatesOptions
from fastsim.errors import ExitCode, UsageError, shown
from fastsim.records.files import Skipped
from fastsim.report import results
from fastsim.report.left_out import left_out_json, left_out_lines
from fastsim.report.results import plural
from fastsim.run.progress import for_stream
from fastsim.run.terminal import our_stderr, out
from fastsim.run.timing import Timings
from fastsim.videos.duplicates import Asked, Duplicates, Match, find_duplicates

_SHOWN_GROUPS = 20
_WHOLE = 0.9
"""A match over this fraction of a video is shown as all of it."""


def video_duplicates(options: VideoDuplicatesOptions) -> ExitCode:
    """Run `fastsim video-duplicates`: sample, compare, align, report. No file is changed."""
    config.check_thres(options.thres)
    check_crop(options.crop)
    check_json(options.json.json)
    for name, value in (("--every", options.every), ("--least", options.least)):
        if not 0.01 <= value <= 3600:
            raise UsageError(f"{name} must be from 0.01 to 3600 seconds (got {value:g})")
    compute = compute_of(options.network, options.cache)
    asked = Asked(compute, options.every, options.least, options.crop, options.thres)
    timings: Timings = {}
    with our_stderr(options.output.verbose) as stream:
        progress = for_stream(stream, options.output.quiet)
        files, unlisted, left_out = scan(scan_of(options.input), progress, timings)
        found = find_duplicates(files, asked, progress, timings)
    found.skipped[:0] = unlisted
    result = as_json(found)
    result["left_out"] = left_out_json(left_out)
    result["timings"] = {name: round(seconds, 4) for name, seconds in timings.items()}
    result["environment"] = environment_of(found.environment)
    with results.json_first(result, options.json.json):
        if not options.output.quiet:
            for line in _summary(options, found):
                out(line)
            for line in left_out_lines(left_out):
                out(line)
            out(where(found.environment))
            out(f"Time {results.summary_timings(timings)}")
    return ExitCode.SKIPPED if found.skipped or _partly(found) else ExitCode.DONE


def as_json(found: Duplicates) -> dict[str, Any]:
    """Return the result under the documented keys: groups of videos with their matches, skipped, partly, counts."""
    groups = [
        {
            "videos": [{"path": found.videos[i].video.path, "seconds": round(found.videos[i].end, 3)} for i in numbers],
            "matches": [_match(found, match) for match in _matches_of(found, numbers)],
        }
        for numbers in found.groups
    ]
    counts = {
        "videos": len(found.videos), "skipped": len(found.skipped), "partly": len(_partly(found)), "groups": len(groups),
        "matches": len(found.matches), "frames": sum(len(one.times) for one in found.videos),
        "flat_frames": sum(one.flat for one in found.videos), "crowded_frames": found.crowded,
    }  # fmt: skip
    skipped, partly = ([item.as_json() for item in items] for items in (found.skipped, _partly(found)))
    return {"groups": groups, "skipped": skipped, "partly": partly, "counts": counts}


def _partly(found: Duplicates) -> list[Skipped]:
    """Return the videos that were read in part, and why. They are compared like others."""
    return [Skipped(one.video.path, one.problem, one.video.id) for one in found.videos if one.problem]


def _match(found: Duplicates, match: Match) -> dict[str, Any]:
    part = match.part
    return {
        "a": found.videos[match.a].video.path, "a_start": round(part.a_start, 3), "a_end": round(part.a_end, 3),
        "b": found.videos[match.b].video.path, "b_start": round(part.b_start, 3), "b_end": round(part.b_end, 3),
        "score": part.score, "frames": part.frames, "still": match.still,
    }  # fmt: skip


def _matches_of(found: Duplicates, numbers: list[int]) -> list[Match]:
    inside = set(numbers)
    return sorted((m for m in found.matches if m.a in inside), key=lambda m: (m.a, m.b, m.part.a_start))


def _summary(options: VideoDuplicatesOptions, found: Duplicates) -> Iterator[str]:
    if not found.videos and not found.skipped:
        yield f"No videos found in {', '.join(map(shown, options.input.named))}."
        return
    short = any(match.part.a_end - match.part.a_start < options.least for match in found.matches)
    yield (
        f"{plural(len(found.videos), 'video')}, {plural(len(found.groups), 'group')} with common parts of "
        f"{options.least:g} seconds or more{', or all of a shorter video' if short else ''} "
        f"(similar at {options.thres:g} or more)"
    )
    shown_groups = found.groups if options.output.verbose else found.groups[:_SHOWN_GROUPS]
    for number, numbers in enumerate(shown_groups, start=1):
        paths = [found.videos[i].video.path for i in numbers]
        base = os.path.commonpath([os.path.dirname(path) for path in paths]) if len(paths) > 1 else ""
        yield f"  {number}. {plural(len(numbers), 'video')} in {shown(base)}:"
        for match in _matches_of(found, numbers):
            yield from _lines(found, match, base)
    if len(found.groups) > len(shown_groups):
        yield f"  and {len(found.groups) - len(shown_groups)} more groups (--verbose or --json FILE lists all)"
    if found.crowded:
        yield f"{plural(found.crowded, 'frame')} left out, as they look like very many others; try a higher --thres"
    yield "No file was changed."
    yield from skipped_lines(found.skipped, options.output.verbose)
    yield from partly_lines(_partly(found), options.output.verbose)


def _lines(found: Duplicates, match: Match, base: str) -> Iterator[str]:
    one, two, part = found.videos[match.a], found.videos[match.b], match.part
    note = "  (a still scene)" if match.still else ""
    sides = ((one, part.a_start, part.a_end), (two, part.b_start, part.b_end))
    for video, start, end in sides:
        whole = "all of it" if end - start >= _WHOLE * video.end else ""
        mark, tail = ("=", f"  {part.score:.3f}{note}") if video is one else (" ", "")
        yield f"     {mark} {_clock(start)} - {_clock(end)}  {whole:<9}  {shown(os.path.relpath(video.video.path, base))}{tail}"


def _clock(seconds: float) -> str:
    whole = int(seconds + 0.001)  # times are rounded to the ticks of a clock
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
