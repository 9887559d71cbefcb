"""`fastsim video` and `fastsim videos`: the frames worth keeping."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from fastsim import config
from fastsim.cli.commands.json_option import check_json
from fastsim.cli.commands.shared import environment_of, partly_lines, paths_of, skipped_lines, where
from fastsim.decode.video.sampling import Sampling
from fastsim.errors import ExitCode, UsageError, quoted, shown
from fastsim.files.default_output import DEFAULT as DEFAULT_OUTS
from fastsim.inputs.discover import Listing, discover
from fastsim.inputs.formats import Kind
from fastsim.model import load_model
from fastsim.records import MediaFile, Skipped
from fastsim.report import results
from fastsim.report.left_out import left_out_json, left_out_lines
from fastsim.report.results import plural
from fastsim.run.progress import Progress, for_stream
from fastsim.run.terminal import complain, our_stderr, out
from fastsim.run.timing import Timings, stage
from fastsim.videos.results import Settings

_SHOWN_VIDEOS = 20
_FORMATS = {"jpg": "jpg", "jpeg": "jpg", "png": "png", "webp": "webp"}


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """The options of `fastsim video` and `fastsim videos`, as typed."""

    inputs: tuple[str, ...]
    outs: str | None
    skip: int | None
    every: str | None
    start: str | None
    end: str | None
    crop: float
    thres: float
    size: str | None
    model: str | None
    device: str
    runtime: str
    format: str
    quality: int
    timeline: bool
    dry_run: bool
    json: str | None
    workers: int | None
    quiet: bool
    verbose: bool
    across: bool = False
    recursive: bool = True
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    include_system: bool = False


def video(**typed: Any) -> ExitCode:
    """`fastsim video`: one file, whatever its suffix."""
    options = VideoOptions(**typed)
    if options.inputs == ("-",):
        raise UsageError("fastsim video takes one FILE, not a list; fastsim videos - reads one from stdin")
    if len(options.inputs) != 1:
        raise UsageError(f"fastsim video takes one FILE, not {len(options.inputs)}; fastsim videos takes any number")
    if os.path.isdir(options.inputs[0]):
        raise UsageError(f"{shown(options.inputs[0])}: a folder; fastsim videos {quoted(options.inputs[0])} reads it")
    return videos(**typed)


def videos(**typed: Any) -> ExitCode:
    """`fastsim videos`: every video below the inputs."""
    options = VideoOptions(**typed)
    settings = resolve(options)
    folder = options.outs or DEFAULT_OUTS
    if not options.dry_run:  # before hours of work, not after
        folder = _choose_outs(options.outs, settings.identity(load_model(settings.compute.model).sha256))
    outs = None if options.dry_run else folder
    check_json(options.json, outs)
    timings: Timings = {}
    try:
        with our_stderr(options.verbose) as stream:
            progress = for_stream(stream, options.quiet)
            files, unlisted, left_out = scan(options.inputs, options, progress, timings, os.path.abspath(folder))
            from fastsim.videos.extract import extract

            found = extract(files, settings, outs if files else None, progress, timings)
    except KeyboardInterrupt:
        complain(
            "interrupted; the input is untouched, and all pictures that were written are whole"
            + ("" if options.dry_run else ": run the same command again to go on")
        )
        return ExitCode.INTERRUPTED
    result = as_json(found.extracts, (*unlisted, *found.skipped), files, folder)
    result["left_out"] = left_out_json(left_out)
    result["timings"] = {name: round(seconds, 4) for name, seconds in timings.items()}
    result["environment"] = environment_of(found.environment)
    with results.json_first(result, options.json):
        if not options.quiet:
            for line in _summary(options, folder, result, files, (*unlisted, *found.skipped)):
                out(line)
            for line in left_out_lines(left_out):
                out(line)
            out(where(found.environment))
            out(f"Time {results.summary_timings(timings)}")
    return ExitCode.SKIPPED if result["skipped"] else ExitCode.DONE


def _choose_outs(typed: str | None, identity: Mapping[str, Any]) -> str:
    """Return the output folder `typed`, or the first default name that is free or holds a run with these settings.

    Raises UsageError where the folder that was typed can't take the run.
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


def scan(inputs: Sequence[str], options: Any, progress: Progress, timings: Timings, outs: str | None) -> Listing:
    """List the videos of the input; `options` has recursive, exclude, follow_links and include_system."""
    named, listed = paths_of(inputs)
    with stage("scan", timings), progress.bar("scan", None, "files") as bar:
        return discover(
            named, listed=listed, recursive=options.recursive, exclude=options.exclude,
            follow_links=options.follow_links, outs=outs, kind=Kind.VIDEO, bar=bar,
            include_system=options.include_system,
        )  # fmt: skip


def resolve(options: VideoOptions) -> Settings:
    """What was typed as what is used. Raises UsageError."""
    config.check_thres(options.thres)
    check_crop(options.crop)
    form = _FORMATS.get(options.format.lower())
    if form is None:
        raise UsageError(f"--format {options.format}: jpg, png or webp is allowed")
    if not 1 <= options.quality <= 100:
        raise UsageError(f"--quality {options.quality}: 1 to 100 is allowed")
    compute = config.resolve_compute(
        size=options.size, model=options.model, device=options.device, runtime=options.runtime, workers=options.workers
    )
    return Settings(
        compute, sampling_of(options), options.crop, options.thres, options.across, options.timeline, form,
        options.quality,
    )  # fmt: skip


def sampling_of(options: VideoOptions) -> Sampling:
    """--skip, --every, --start and --end. Raises UsageError where they can't be, or contradict each other."""
    if options.skip is not None and options.every is not None:
        raise UsageError(f"--skip {options.skip} and --every {options.every} exclude each other; leave one of them out")
    if options.skip is not None and options.skip < 1:
        raise UsageError(f"--skip {options.skip}: 1 (every frame) or more is allowed")
    every = None if options.every is None else seconds_of("--every", options.every)
    if every is not None and every <= 0:
        raise UsageError(f"--every {options.every}: more than 0 seconds is needed")
    start = None if options.start is None else seconds_of("--start", options.start)
    end = None if options.end is None else seconds_of("--end", options.end)
    if end is not None and end <= (start or 0.0):
        raise UsageError(
            f"--end {options.end}: it is not after the start ({options.start or 0}); nothing would be read"
        )
    return Sampling(options.skip or 10, every, start, end)


def seconds_of(option: str, text: str) -> float:
    """`90`, `90.5`, `1:30` or `00:01:30.5` as seconds. Raises UsageError."""
    parts = text.strip().split(":")
    seconds = 0.0
    for place, part in enumerate(parts):
        digits = part.replace(".", "", 1) if place == len(parts) - 1 else part
        too_many = place > 0 and digits.isdecimal() and float(part) >= 60
        if not (digits.isascii() and digits.isdecimal()) or len(parts) > 3 or too_many:
            raise UsageError(f"{option} {shown(text)}: seconds (90 or 90.5), MM:SS or HH:MM:SS is allowed")
        seconds = seconds * 60 + float(part)
    return seconds


def check_crop(crop: float) -> None:
    """Raises UsageError."""
    if not 0.05 <= crop <= 1.0:
        raise UsageError(f"--crop {crop:g}: 0.05 to 1 (all of the frame) is allowed")


def as_json(
    extracts: Sequence[Any], skipped: Sequence[Skipped], files: Sequence[MediaFile], outs: str
) -> dict[str, Any]:
    """The result under the documented keys: videos, skipped, counts."""
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
    reasons = [{"path": item.path, "reason": item.reason} for item in skipped]
    return {"videos": entries, "skipped": reasons, "counts": counts}


def _summary(
    options: VideoOptions, folder: str, result: dict[str, Any], files: Sequence[MediaFile], skipped: Sequence[Skipped]
) -> Iterator[str]:
    counts = result["counts"]
    if not files:
        yield f"No videos found in {', '.join(map(shown, options.inputs))}."
        return
    yield (
        f"{plural(counts['videos'], 'video')}, {plural(counts['frames_read'], 'frame')}, {counts['frames_taken']:,} "
        f"looked at: {counts['kept']:,} kept"
        + (f", none of them as similar as {options.thres:g} to another" if counts["kept"] > 1 else "")
        + (" of its video" if counts["kept"] > 1 and counts["videos"] > 1 and not options.across else "")
    )
    entries = result["videos"] if options.verbose else result["videos"][:_SHOWN_VIDEOS]
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
    yield from skipped_lines([item for item in skipped if item.path not in broken], options.verbose)
    partly = [item for item in skipped if item.path in broken]
    yield from partly_lines(partly, options.verbose)
