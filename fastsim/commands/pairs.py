"""`fastsim pairs`: similar pairs as a table, with what verification says of each; and such pairs in words and as data."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastsim import __version__, config, own_files, pipeline, report, similarity
from fastsim.commands.left_out import left_out_lines
from fastsim.commands.shared import cache_folder, paths_of, skipped_lines, where
from fastsim.config import Scan
from fastsim.console import our_stderr
from fastsim.console import out as show
from fastsim.errors import ExitCode, UsageError, pip_install, shown
from fastsim.progress import for_stream
from fastsim.records import STATUSES, Embeddings, MediaFile, Status, Transform, VerifiedPairs
from fastsim.report import plural
from fastsim.timing import Timings
from fastsim.vectors import to_vectors
from fastsim.verified import Verifier

COLUMNS = (
    "left", "right", "score", "status", "inliers", "agreement", "overlap", "scale", "rotation", "mirrored",
    "left_x", "left_y", "left_width", "left_height", "right_x", "right_y", "right_width", "right_height",
)  # fmt: skip
"""What is told of a pair. Without verification, and of pictures that could not be aligned, the rest is empty."""
_KINDS = {".csv": own_files.CSV, ".json": own_files.JSON, ".parquet": own_files.Kind(start=b"never")}
"""A Parquet file has no place for a mark of ours at its ends: an existing one is never replaced."""


def write_pairs(
    *, inputs: Sequence[str], out: str, verify: bool, size: str | None, model: str | None, thres: float, device: str,
    runtime: str, recursive: bool, exclude: tuple[str, ...], follow_links: bool, include_system: bool,
    workers: int | None, batch: int | None, cache: str | None, no_cache: bool, quiet: bool, verbose: bool,
) -> ExitCode:  # fmt: skip
    """`fastsim pairs`: find, verify, write."""
    config.check_thres(thres)
    kind = _kind(out)
    own_files.check_target("--out", out, kind)
    compute = config.resolve_compute(
        size=size, model=model, device=device, runtime=runtime, workers=workers, batch=batch,
        cache=cache_folder(cache, no_cache),
    )  # fmt: skip
    timings: Timings = {}
    with our_stderr(verbose) as stream:
        progress = for_stream(stream, quiet)
        named, listed = paths_of(inputs)
        what = Scan(named, recursive, exclude, follow_links, listed=listed, include_system=include_system)
        files, unlisted, left_out = pipeline.scan(what, progress, timings)
        embeddings, undecoded, environment = to_vectors(files, compute, progress, timings)
        if verify:
            pairs = Verifier(embeddings, files, compute, progress, timings).neighbours(thres)
        else:
            pairs = unverified(embeddings, thres, workers=compute.workers, device=compute.device)
    rows = list(records(pairs, embeddings, files, verified=verify))
    with own_files.whole_file("--out", out, kind) as file:
        file.write(_encoded(rows, os.path.splitext(out)[1].lower()))
    skipped = (*unlisted, *undecoded)
    if not quiet:
        for line in _summary(pairs, out, verify):
            show(line)
        for line in (*skipped_lines(skipped, verbose), *left_out_lines(left_out)):
            show(line)
        show(f"{where(environment)}; time {report.summary_timings(timings)}")
    return ExitCode.SKIPPED if skipped else ExitCode.DONE


def _kind(path: str) -> own_files.Kind:
    suffix = os.path.splitext(path)[1].lower()
    if not path or suffix not in _KINDS:
        raise UsageError(f"--out must end with one of {', '.join(_KINDS)} (got {shown(path)!r})")
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError(f"--out {shown(path)}: Parquet needs pyarrow; {pip_install('parquet')}, or write .csv")
    return _KINDS[suffix]


def unverified(embeddings: Embeddings, thres: float, *, workers: int, device: str) -> VerifiedPairs:
    """All pairs that score at least `thres`, none of them decided, sorted by (left, right)."""
    blocks = list(similarity.pair_blocks(embeddings, thres, device=device, workers=workers))
    left = np.concatenate([np.empty(0, np.int64), *(block.left for block in blocks)])
    right = np.concatenate([np.empty(0, np.int64), *(block.right for block in blocks)])
    score = np.concatenate([np.empty(0, np.float32), *(block.score for block in blocks)])
    order, n = np.lexsort([right, left]), len(left)
    unknown = np.full(n, STATUSES.index(Status.UNKNOWN), np.int8)
    nothing = np.zeros(n, np.int32), np.zeros(n, np.float32)
    return VerifiedPairs(left[order], right[order], score[order], unknown, *nothing)


def records(
    pairs: VerifiedPairs, embeddings: Embeddings, files: Sequence[MediaFile], *, verified: bool = True,
    places: Sequence[int] | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Each pair under COLUMNS, with its paths. `places`: those of the pairs that are wanted; None: of all."""
    ids = embeddings.ids
    for k in range(len(pairs)) if places is None else places:
        told: dict[str, Any] = dict.fromkeys(COLUMNS)
        told["left"], told["right"] = (files[int(ids[row[k]])].path for row in (pairs.left, pairs.right))
        told["score"] = round(float(pairs.score[k]), 6)
        if verified:
            told["status"] = STATUSES[pairs.status[k]].value
            told["inliers"], told["agreement"] = int(pairs.inliers[k]), round(float(pairs.agreement[k]), 4)
            if (found := pairs.transforms.get(k)) is not None:
                told |= _told(found)
        yield told


def _told(found: Transform) -> dict[str, Any]:
    names = ("x", "y", "width", "height")
    return {
        "overlap": round(max(found.share_left, found.share_right), 4), "scale": round(found.scale, 4),
        "rotation": round(found.rotation, 2) + 0.0, "mirrored": found.mirrored,
        **{f"left_{name}": value for name, value in zip(names, found.rectangle_left, strict=True)},
        **{f"right_{name}": value for name, value in zip(names, found.rectangle_right, strict=True)},
    }  # fmt: skip


def in_words(found: Transform, left: str, right: str) -> str:
    """`b is a crop of a: 62 % of it, mirrored, scale 0.5`."""
    whole_left, whole_right = found.share_left >= 0.95, found.share_right >= 0.95
    if whole_left and whole_right:
        parts = [f"{right} is a copy of {left}"]
    elif whole_right:
        parts = [f"{right} is a crop of {left}: {found.share_left:.0%} of it".replace("%", " %")]
    elif whole_left:
        parts = [f"{left} is a crop of {right}: {found.share_right:.0%} of it".replace("%", " %")]
    else:
        shares = f"{found.share_left:.0%} of {left}, {found.share_right:.0%} of {right}".replace("%", " %")
        parts = [f"{left} and {right} show the same in part: {shares}"]
    if found.mirrored:
        parts.append("mirrored")
    if abs(found.rotation) >= 1:
        parts.append(f"turned by {found.rotation:.0f} degrees")
    if abs(found.scale - 1) >= 0.01:
        parts.append(f"scale {found.scale:.2g}")
    return ", ".join(parts)


def _encoded(rows: list[dict[str, Any]], suffix: str) -> bytes:
    if suffix == ".json":
        return (json.dumps({"note": own_files.NOTE, "pairs": rows}, indent=1) + "\n").encode("ascii")
    if suffix == ".csv":
        stream = io.StringIO(newline="")
        writer = csv.writer(stream)
        writer.writerow([own_files.CSV.start.decode().rstrip(","), *COLUMNS])
        writer.writerows([__version__, *("" if row[name] is None else row[name] for name in COLUMNS)] for row in rows)
        return stream.getvalue().encode("utf-8", "surrogateescape")
    import pyarrow as arrow
    from pyarrow import parquet

    texts = {"left": arrow.string(), "right": arrow.string(), "status": arrow.string(), "mirrored": arrow.bool_()}
    floats = dict.fromkeys(("score", "agreement", "overlap", "scale", "rotation"), arrow.float64())
    kinds = {name: (texts | floats).get(name, arrow.int64()) for name in COLUMNS}
    told = [
        {**row, **{side: os.fsencode(row[side]).decode("utf-8", "replace") for side in ("left", "right")}}
        for row in rows
    ]
    sink = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(told, arrow.schema(list(kinds.items()))), sink)
    return sink.getvalue()


def _summary(pairs: VerifiedPairs, path: str, verified: bool) -> Iterator[str]:
    yield f"{plural(len(pairs), 'pair')} in {shown(path)}"
    if verified:
        counts = [f"{len(pairs.having(status)):,} {status.value}" for status in STATUSES]
        yield f"Verified: {', '.join(counts)}"


def not_different(pairs: VerifiedPairs) -> list[int]:
    """The places of pairs that are copies or could not be decided."""
    return [int(place) for place in np.flatnonzero(pairs.status != STATUSES.index(Status.DIFFERENT))]


def undecided(pairs: VerifiedPairs, least: float) -> list[int]:
    """The places of pairs that could not be decided and score at least `least`, the highest score first."""
    places = pairs.having(Status.UNKNOWN)
    places = places[pairs.score[places] >= least]
    return [int(place) for place in places[np.argsort(-pairs.score[places], kind="stable")]]
