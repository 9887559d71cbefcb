"""Write the frames worth keeping (`fastsim video`, `fastsim videos`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from fastsim import config
from fastsim.choices import ImageFormat
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import compute_of, environment_of, partly_lines, scan_of, skipped_lines, where
from fastsim.cli.video_options import FramesOptions, SamplingOptions, VideoOptions, VideosOptions
from fastsim.config import Scan
from fastsim.decode.video.sampling import Sampling
from fastsim.errors import ExitCode, UsageError, quoted, shown
from fastsim.files.default_output import DEFAULT as DEFAULT_OUTS
from fastsim.inputs.discover import Listing, discover
from fastsim.inputs.formats import Kind
from fastsim.model import load_model
from fastsim.records.files import MediaFile, Skipped
from fastsim.report import results
from fastsim.report.left_out import left_out_json, left_out_lines
from fastsim.report.results import plural
from fastsim.run.progress import Progress, for_stream
from fastsim.run.terminal import complain, our_stderr, out
from fastsim.run.timing import Timings, stage
from fastsim.videos.results import Settings

_SHOWN_VIDEOS = 20


def video(options: VideoOptions) -> ExitCode:
    """Run `fastsim video`: one file, whatever its suffix."""
    named = options.input.named
    if named == ("-",):
        raise UsageError("fastsim video takes one FILE, not a list; fastsim videos - reads one from stdin")
    if len(named) != 1:
        raise UsageError(f"fastsim video takes one FILE, not {len(named)}; fastsim videos takes any number")
    if os.path.isdir(named[0]):
        raise UsageError(f"{shown(named[0])}: a folder; fastsim videos {quoted(named[0])} reads it")
    return videos(options)


def videos(options: FramesOptions) -> ExitCode:
    """Run `fastsim videos`: every video below the inputs."""
    settings = resolve(options)
    folder = options.outs or DEFAULT_OUTS
    if not options.dry_run:  # before hours of work, not after
        folder = _choose_outs(options.outs, settings.identity(load_model(settings.compute.model).sha256))
    outs = None if options.dry_run else folder
    check_json(options.json.json, outs)
    timings: Timings = {}
    try:
        with our_stderr(options.output.verbose) as stream:
            progress = for_stream(stream, options.output.quiet)
            files, unlisted, left_out = scan(scan_of(options.input, folder), progress, timings)
            from fastsim.videos.extract import extract

            found = extract(files, settings, outs if files else None, progress, timings)
    except KeyboardInterrupt:
        complain(
            "interrupted; the input is untouched, and all images written so far are whole"
            + ("" if options.dry_run else ": run the same command again to go on")
        )
        return ExitCode.INTERRUPTED
    result = as_json(found.extracts, (*unlisted, *found.skipped), files, folder)
    result["left_out"] = left_out_json(left_out)
    result["timings"] = {name: round(seconds, 4) for name, seconds in timings.items()}
    result["environment"] = environment_of(found.environment)
    with results.json_first(result, options.json.json):
        if not options.output.quiet:
            for line in _summary(options, folder, result, files, (*unlisted, *found.skipped)):
                out(line)
            for line in left_out_lines(left_out):
                out(line)
            out(where(found.environment))
            out(f"Time {results.summary_timings(timings)}")
    return ExitCode.SKIPPED if result["skipped"] else ExitCode.DONE


def _choose_outs(typed: str | None, identity: Mapping[str, Any]) -> str:
    """Return the output folder `typed`, or the first default name that is free or holds a run with these settings.

    Raises UsageError if the given folder cannot be used by the run.
    """
    from fastsim.videos.journal import check_outs

    if typed is not None:
        check_outs(typed, identity)
        return typed
    names = (DEFAULT_OUTS if number == 1 else f"{DEFAULT_OUTS}_{number}" for number in count(1))
    for name in names:
        try:
            check_outs(name, identity)
        except UsageError:
            if not os.path.isdir(name) or not os.access(name, os.R_OK | os.W_OK | os.X_OK):
                raise
        else:
            if name != DEFAULT_OUTS:
                complain(f"{DEFAULT_OUTS} holds another run or other files; this run goes to {quoted(name)}")
            return name
    raise AssertionError


def scan(scan: Scan, progress: Progress, timings: Timings) -> Listing:
    """List the videos of the input."""
    with stage("scan", timings), progress.bar("scan", None, "files") as bar:
        return discover(
            scan.inputs, listed=scan.listed, recursive=scan.recursive, exclude=scan.exclude,
            follow_links=scan.follow_links, outs=scan.outs, kind=Kind.VIDEO, bar=bar, include_system=scan.include_system,
            filters=scan.filters,
        )  # fmt: skip


def resolve(options: FramesOptions) -> Settings:
    """Validate the options and resolve them to `Settings`. Raises UsageError."""
    config.check_thres(options.thres)
    check_crop(options.crop)
    if not 1 <= options.quality <= 100:
        raise UsageError(f"--quality must be from 1 to 100 (got {options.quality})")
    form = ImageFormat.JPG if options.format == ImageFormat.JPEG else options.format
    return Settings(
        compute_of(options.network, options.cache), sampling_of(options.sampling), options.crop, options.thres,
        across_of(options), options.timeline, form.value, options.quality,
    )  # fmt: skip


def across_of(options: FramesOptions) -> bool:
    """Return whether a scene is kept once over all videos; `fastsim video` has only one."""
    return isinstance(options, VideosOptions) and options.across


def sampling_of(options: SamplingOptions) -> Sampling:
    """Resolve --skip, --every, --start and --end. Raises UsageError if they are invalid, or contradict each other."""
    if options.skip is not None and options.every is not None:
        raise UsageError(f"--skip {options.skip} and --every {options.every} exclude each other; leave one of them out")
    if options.skip is not None and options.skip < 1:
        raise UsageError(f"--skip must be at least 1, which takes every frame (got {options.skip})")
    every = None if options.every is None else seconds_of("--every", options.every)
    if every is not None and every <= 0:
        raise UsageError(f"--every must be more than 0 seconds (got {options.every})")
    start = None if options.start is None else seconds_of("--start", options.start)
    end = None if options.end is None else seconds_of("--end", options.end)
    if end is not None and end <= (start or 0.0):
        raise UsageError(
            f"--end {options.end}: it is not after the start ({options.start or 0}); nothing would be read"
        )
    return Sampling(options.skip or 10, every, start, end)


def seconds_of(option: str, text: str) -> float:
    """Return `90`, `90.5`, `1:30` or `00:01:30.5` as seconds. Raises UsageError."""
    parts = text.strip().split(":")
    seconds = 0.0
    for place, part in enumerate(parts):
        digits = part.replace(".", "", 1) if place == len(parts) - 1 else part
        too_many = place > 0 and digits.isdecimal() and float(part) >= 60
        if not (digits.isascii() and digits.isdecimal()) or len(parts) > 3 or too_many:
            raise UsageError(f"{option} must be seconds (90 or 90.5), MM:SS or HH:MM:SS (got {shown(text)!r})")
        seconds = seconds * 60 + float(part)
    return seconds


def check_crop(crop: float) -> None:
    """Check --crop. Raises UsageError."""
    if not 0.05 <= crop <= 1.0:
        raise UsageError(f"--crop must be from 0.05 to 1, which is all of the frame (got {crop:g})")


def as_json(
    extracts: Sequence[Any], skipped: Sequence[Skipped], files: Sequence[MediaFile], outs: str
) -> dict[str, Any]:
    """Return the result under the documented keys: videos, skipped, counts."""
    entries = []
    for one in extracts:
        folder = os.path.join(os.path.abspath(outs), *one.folder.split("/"))
        entry = {**one.to_json(), "folder": folder}
        entry["kept"] = [{**kept, "file": os.path.join(folder, kept["file"])} for kept in entry["kept"]]
        entries.append(entry)
    counts = {
        "videos": len(files),
        "skipped": len(skipped),
        "frames_read": sum(one.frames_read for one in extracts),
        "frames_taken": sum(one.frames_taken for one in extracts),
        "kept": sum(len(one.kept) for one in extracts),
    }
    reasons = [item.as_json() for item in skipped]
    return {"videos": entries, "skipped": reasons, "counts": counts}


def _summary(
    options: FramesOptions, folder: str, result: dict[str, Any], files: Sequence[MediaFile], skipped: Sequence[Skipped]
) -> Iterator[str]:
    counts = result["counts"]
    if not files:
        yield f"No videos found in {', '.join(map(shown, options.input.named))}."
        return
    yield (
        f"{plural(counts['videos'], 'video')}, {plural(counts['frames_read'], 'frame')}, {counts['frames_taken']:,} "
        f"looked at: {counts['kept']:,} kept"
        + (f", none of them as similar as {options.thres:g} to another" if counts["kept"] > 1 else "")
        + (" of its video" if counts["kept"] > 1 and counts["videos"] > 1 and not across_of(options) else "")
    )
    entries = result["videos"] if options.output.verbose else result["videos"][:_SHOWN_VIDEOS]
    for entry in entries:
        notes = [f"{entry['seen_elsewhere']} seen in earlier videos"] if entry["seen_elsewhere"] else []
        notes += ["done before"] if entry["earlier"] else []
        note = f" ({', '.join(notes)})" if notes else ""
        yield f"  {len(entry['kept']):>5} of {entry['frames_taken']:,}{note}  {shown(entry['path'])}"
    if len(result["videos"]) > len(entries):
        yield f"  and {len(result['videos']) - len(entries)} more videos (--verbose or --json FILE lists all)"
    if options.dry_run:
        yield "Dry run: nothing was written."
    elif result["videos"]:
        yield f"Pictures, contact sheets and tables: {shown(os.path.abspath(folder))}"
    broken = {entry["path"] for entry in result["videos"] if entry["problem"]}
    yield from skipped_lines([item for item in skipped if item.path not in broken], options.output.verbose)
    partly = [item for item in skipped if item.path in broken]
    yield from partly_lines(partly, options.output.verbose)
