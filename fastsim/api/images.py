"""Find similar images, or return their vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Unpack

from fastsim import config, pipeline
from fastsim.api.options import Options, StrPath, check_words, paths_of, resolve_options
from fastsim.choices import GroupBy, Pairs, Scope
from fastsim.config import Config
from fastsim.embed_files import to_vectors
from fastsim.errors import UsageError
from fastsim.grouping.keep_words import DEFAULT, UNCROPPED, KeepRules
from fastsim.inputs.filters import parse_pixels
from fastsim.quality import parse_flags
from fastsim.records.arrays import Float16Array, Int32Array
from fastsim.records.files import Flagged, Skipped
from fastsim.records.pairs import by_keeper
from fastsim.report import results
from fastsim.report.results import Member
from fastsim.verified_pairs import Verifier


class Embedded(NamedTuple):
    """Vectors of the images that could be read.

    Attributes:
        paths: Absolute, sorted.
        vectors: float16[n, d] unit rows, in the order of `paths`.
        sizes: int32[n, 2], width and height in pixels.
        skipped: What could not be read, and why.
    """

    paths: list[str]
    vectors: Float16Array
    sizes: Int32Array
    skipped: list[Skipped]


@dataclass(frozen=True, slots=True)
class Found:
    """Groups of similar images, and everything that `make_plan` needs. No file has been changed."""

    groups: list[list[Member]]
    """Largest first; in each, the files that are kept come first."""
    skipped: list[Skipped]
    """What could not be read, and why."""
    settings: Config = field(repr=False)
    group_by: str = field(repr=False)
    keep_named: bool = field(repr=False)
    """Whether the caller chose the rule, or used the default."""
    findings: pipeline.Findings = field(repr=False)
    flagged: dict[str, Flagged] = field(default_factory=dict, repr=False)
    """What `flag` marks, by path: the flags and the measures."""


def embed(paths: StrPath | Iterable[StrPath], **options: Unpack[Options]) -> Embedded:
    """Return the vectors of images.

    Args:
        paths: Files and folders.
        **options: See `Options`.

    Raises:
        FastsimError: For a path that does not exist, or an invalid option.
    """
    compute, what, progress = resolve_options(paths, options)
    files, unlisted, _ = pipeline.scan(what, progress, {})
    embeddings, undecoded, _ = to_vectors(files, compute, progress, {})
    names = [files[i].path for i in embeddings.ids.tolist()]
    return Embedded(names, embeddings.vectors, embeddings.sizes, [*unlisted, *undecoded])


def find(
    paths: StrPath | Iterable[StrPath],
    thres: float | None = None,
    *,
    keep: str | Iterable[str] | None = None,
    group_by: str = "component",
    pairs: str = "keep",
    verify: bool = False,
    reference: StrPath | Iterable[StrPath] = (),
    scope: str = "all",
    min_pixels: int | str | None = None,
    flag: str | Iterable[str] | None = None,
    **options: Unpack[Options],
) -> Found:
    """Find groups of images with a score of at least `thres`. No file is changed.

    Args:
        paths: Files and folders.
        thres: Lowest score of similar images, 0 to 1; None: 0.75, or 0 with `verify`.
        keep: The rules of --keep, as one string or one rule each; "largest" by default.
        group_by: "component" or "keeper".
        pairs: "keep" or "split", for a RAW file and its JPEG.
        verify: Group confirmed copies only; `thres`, if given, is then a further minimum.
        reference: Folders to compare against; their files are kept before all others, and never moved or deleted.
        scope: "all", "between" (only files of different `paths`) or "within" (only files of the same).
        min_pixels: Smallest image to take, as a number or as --min-pixels takes it.
        flag: What to flag images for: "blur", "dark", "bright", "low-information", as one string or one a word.
        **options: See `Options`.

    Raises:
        FastsimError: For a path that does not exist, or an invalid option.
    """
    check_words(("group_by", group_by, GroupBy), ("pairs", pairs, Pairs), ("scope", scope, Scope))
    rules = _keep(keep, verify)
    compute, what, progress = resolve_options(paths, options)
    what = replace(what, references=paths_of(reference))
    settings = Config(
        what, compute, thres_of(thres, verify), rules, pairs, verify=verify, scope=config.check_scope(Scope(scope), what),
        min_pixels=0 if min_pixels is None else parse_pixels(str(min_pixels), "min_pixels"),
        flags=() if flag is None else parse_flags(flag, "flag"),
    )  # fmt: skip
    found = pipeline.find(settings, progress)
    groups = found.groups if group_by == GroupBy.COMPONENT else by_keeper(found.groups)
    members = results.members(groups, found.files, found.embeddings, found.reasons, found.flagged)
    flagged = {found.files[i].path: one for i, one in sorted(found.flagged.items())}
    return Found(members, list(found.skipped), settings, group_by, keep is not None, found, flagged)


def find_groups(
    paths: StrPath | Iterable[StrPath],
    thres: float | None = None,
    *,
    keep: str | Iterable[str] | None = None,
    group_by: str = "component",
    pairs: str = "keep",
    verify: bool = False,
    reference: StrPath | Iterable[StrPath] = (),
    scope: str = "all",
    min_pixels: int | str | None = None,
    flag: str | Iterable[str] | None = None,
    **options: Unpack[Options],
) -> list[list[Member]]:
    """Return `find(...).groups` alone: groups of similar images, largest first, in each the kept files first."""
    return find(
        paths,
        thres,
        keep=keep,
        group_by=group_by,
        pairs=pairs,
        verify=verify,
        reference=reference,
        scope=scope,
        min_pixels=min_pixels,
        flag=flag,
        **options,
    ).groups


def find_pairs(
    paths: StrPath | Iterable[StrPath], thres: float | None = None, *, verify: bool = True, **options: Unpack[Options]
) -> list[dict[str, Any]]:
    """Return the pairs of similar images, as dictionaries with the columns of `fastsim pairs`. No file is changed.

    Args:
        paths: Files and folders.
        thres: Lowest score; None: 0 with `verify`, else 0.75.
        verify: Take the nearest neighbours of each image, and verify them; False: all pairs, none of them verified.
        **options: See `Options`.

    Raises:
        FastsimError: For a path that does not exist, or an invalid option.
    """
    from fastsim.report.pairs import pair_records
    from fastsim.verified_pairs import unverified

    least = thres_of(thres, verify)
    compute, what, progress = resolve_options(paths, options)
    files, _, _ = pipeline.scan(what, progress, {})
    embeddings, _, _ = to_vectors(files, compute, progress, {})
    if verify:
        verifier = Verifier(embeddings, files, compute, progress, {})
        found = verifier.complete(verifier.neighbours(least), least)
    else:
        found = unverified(embeddings, least, workers=compute.workers, device=compute.device)
    return list(pair_records(found, embeddings, files, verified=verify))


def _keep(keep: str | Iterable[str] | None, verify: bool) -> KeepRules:
    if keep is None:
        return DEFAULT
    rules = KeepRules.parse(keep, "keep") if isinstance(keep, str) else KeepRules.of(keep, "keep")
    if rules.requires(UNCROPPED) and not verify:
        raise UsageError(f"keep {UNCROPPED!r} needs verify=True, which finds out what is a crop of what")
    return rules


def thres_of(thres: float | None, verify: bool) -> float:
    """Return the threshold, or its default, which is 0 with `verify`. Raises UsageError."""
    return config.check_thres(thres if thres is not None else 0.0 if verify else config.DEFAULT_THRES)
