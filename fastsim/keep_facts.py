"""Gather what the keep rules ask about files, and only that: some facts take a look into each file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from fastsim.grouping.keep_rules import Candidates
from fastsim.grouping.keep_words import KeepRules
from fastsim.inputs.archives import open_source
from fastsim.inputs.formats import by_content, by_suffix
from fastsim.inputs.sidecar_names import is_raw
from fastsim.inputs.sidecars import Sidecars
from fastsim.inputs.signatures import HEAD_BYTES
from fastsim.inputs.system_folders import is_passing
from fastsim.quality import measure_all
from fastsim.records.arrays import Int64Array
from fastsim.records.files import MediaFile, Role
from fastsim.records.rows import Embeddings
from fastsim.run.progress import NullProgress


def candidates(
    rows: Int64Array,
    embeddings: Embeddings,
    files: Sequence[MediaFile],
    rules: KeepRules,
    *,
    sidecars: Sidecars,
    cropped: Collection[int] = (),
    workers: int,
) -> Candidates:
    """Return the files of `rows`, with the facts that `rules` need. `files[i].id` must be i."""
    found = [files[file_id] for file_id in embeddings.ids[rows].tolist()]
    return Candidates(
        found,
        embeddings.sizes[rows],
        damaged=embeddings.damage,
        references={one.id for one in found if one.reference},
        in_system={one.id for one in found if is_passing(one.path)},
        with_raw={one.id for one in found if any(part.role == Role.RAW for part in sidecars.of(one.path))},
        raw={one.id for one in found if is_raw(one.path)},
        cropped=cropped,
        formats={one.id: _format(one.path) for one in found} if rules.asks_for("format") else {},
        exif=_exif(found, workers) if rules.asks_for("exif") else {},
        sharpness=_sharpness(found, workers) if rules.asks_for("sharp") else {},
    )


def _format(path: str) -> str:
    """Return the name of the file's format: by its first bytes or, if those tell nothing, by its suffix."""
    try:
        with open_source(path) as stream:
            known = by_content(stream.read(HEAD_BYTES))
    except OSError:
        known = None
    named = by_suffix(path)
    if named is not None and is_raw(path):  # many RAW files begin as TIFF does
        return named.name
    known = known or named
    return known.name if known is not None else ""


def _exif(found: Iterable[MediaFile], workers: int) -> dict[int, int]:
    from fastsim.decode.exif import count_facts
    from fastsim.decode.libraries import configured

    with configured(), ThreadPoolExecutor(workers, "fastsim-exif") as pool:
        files = list(found)
        return dict(zip([one.id for one in files], pool.map(count_facts, [one.path for one in files]), strict=True))


def _sharpness(found: Sequence[MediaFile], workers: int) -> dict[int, float]:
    measured = measure_all(found, workers, NullProgress(), {})
    return {i: quality.sharpness for i, quality in measured.items()}
