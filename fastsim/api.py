"""Provide the steps of the command line as functions, with the words of its options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypedDict, Unpack

from fastsim import __version__, config, leakage, pipeline
from fastsim.cache.embeddings import default_folder
from fastsim.choices import LINK_MODES, DropMode, GroupBy, Mode, Pairs, Scope
from fastsim.config import Compute, Config, Scan
from fastsim.embed_files import to_vectors
from fastsim.errors import UsageError, shown
from fastsim.files import apply, plan, undo
from fastsim.files.journal import Journal, journal_in
from fastsim.files.output_folder import check_outs
from fastsim.files.run_record import RunRecord
from fastsim.files.unchanged import with_digests
from fastsim.grouping.keep_words import DEFAULT, UNCROPPED, KeepRules
from fastsim.inputs.archives import refuse_archives
from fastsim.inputs.filters import Filters, parse_pixels
from fastsim.leakage.leaks import Leaks, plan_removal
from fastsim.planning import check_libraries, groups_for, refuse_losses, settle_units
from fastsim.quality import parse_flags
from fastsim.records import Flagged, Float16Array, Int32Array, Plan, Skipped, by_keeper
from fastsim.report import results
from fastsim.report.exports import image_rows, write_export
from fastsim.report.results import Member
from fastsim.report.tables import check_table, write_table
from fastsim.run.progress import Callback, CallbackProgress, NullProgress, Progress, for_stream
from fastsim.verified_pairs import Verifier

StrPath = str | bytes | os.PathLike[str]


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


class Options(TypedDict, total=False):
    """Keyword arguments that `embed`, `find`, `find_groups` and `find_pairs` share; each is the option of that name."""

    size: int | str | None
    """Side of the network's input in pixels, or "auto"; None: the default of the model's card."""
    model: StrPath | None
    """An ONNX file in place of the packaged one."""
    device: str
    """"auto", "cpu", "cuda", "cuda:N" or "cuda:N,M"."""
    runtime: str
    """"auto", "openvino", "onnxruntime" or "tensorrt"."""
    workers: int | None
    """Threads; None: one per usable CPU."""
    batch: int | None
    """Images per inference batch; None: depends on the device."""
    cache: StrPath | bool | None
    """Folder of the embedding cache; True (the default): FASTSIM_CACHE_DIR or the user's cache folder; None: no cache.
    """
    recursive: bool
    """Search subfolders as well (the default)."""
    exclude: str | Iterable[str]
    """Globs of paths or names that are left out."""
    include: str | Iterable[str]
    """Globs of paths or names, of which one has to match."""
    min_size: int | str | None
    """Bytes, as a number or as --min-size takes them."""
    max_size: int | str | None
    newer: str | datetime | None
    """A time as --newer takes it."""
    older: str | datetime | None
    follow_links: bool
    include_system: bool
    progress: bool | Callback
    """True: progress bars on stderr. A function is called as progress(stage, done, total)."""


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
    _check_words(("group_by", group_by, GroupBy), ("pairs", pairs, Pairs), ("scope", scope, Scope))
    rules = _keep(keep, verify)
    compute, what, progress = resolve_options(paths, options)
    what = replace(what, references=_paths(reference))
    settings = Config(
        what, compute, _thres(thres, verify), rules, pairs, verify=verify, scope=config.check_scope(Scope(scope), what),
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

    least = _thres(thres, verify)
    compute, what, progress = resolve_options(paths, options)
    files, _, _ = pipeline.scan(what, progress, {})
    embeddings, _, _ = to_vectors(files, compute, progress, {})
    if verify:
        verifier = Verifier(embeddings, files, compute, progress, {})
        found = verifier.complete(verifier.neighbours(least), least)
    else:
        found = unverified(embeddings, least, workers=compute.workers, device=compute.device)
    return list(pair_records(found, embeddings, files, verified=verify))


def find_leaks(
    splits: StrPath | Iterable[StrPath], thres: float | None = None, *, verify: bool = False, **options: Unpack[Options]
) -> Leaks:
    """Find the images of each split of a data set that have copies in another, or a copy of another class.

    splits: the folders of two or more splits; folders right below them are classes where two splits share their names.
    thres: 0.75 by default; verify: confirmed copies only, and `thres`, if it is given, is then a further minimum.
    options: see `Options`. No file is changed. Raises FastsimError.
    """
    compute, what, progress = resolve_options(splits, options)
    return leakage.find_leaks(what, compute, _thres(thres, verify), verify=verify, progress=progress)


def plan_leaks(leaks: Leaks, outs: StrPath, *, drop: str, mode: str = "clean_move", force: bool = False) -> Plan:
    """Return a plan that removes from one split the images that have copies in another. No file is changed.

    drop: the name of the split; mode: "clean_move" to `outs`, a new or empty folder, or "clean_delete"; force: allow
    "clean_delete" for splits that were compared with a threshold below 0.9 and not verified. Raises FastsimError.
    """
    _check_words(("mode", mode, DropMode))
    if mode == DropMode.CLEAN_DELETE:
        config.check_delete(leaks.thres, verified=leaks.verified, forced=force)
    refuse_archives(split.path for split in leaks.splits)
    folder = os.path.abspath(os.fsdecode(outs))
    check_outs(folder)
    header = {
        "argv": ["fastsim.plan_leaks"],
        "thres": leaks.thres,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return plan_removal(leaks, drop, DropMode(mode), outs=folder, header=header)


def _keep(keep: str | Iterable[str] | None, verify: bool) -> KeepRules:
    if keep is None:
        return DEFAULT
    rules = KeepRules.parse(keep, "keep") if isinstance(keep, str) else KeepRules.of(keep, "keep")
    if rules.requires(UNCROPPED) and not verify:
        raise UsageError(f"keep {UNCROPPED!r} needs verify=True, which finds out what is a crop of what")
    return rules


def _thres(thres: float | None, verify: bool) -> float:
    return config.check_thres(thres if thres is not None else 0.0 if verify else config.DEFAULT_THRES)


def export_groups(found: Found, path: StrPath) -> None:
    """Write every image of `found` with its group to a file.

    path: `.csv`, `.json`, `.npz` or `.parquet` (needs pyarrow), or `samples.json`, which FiftyOne reads. A file that fastsim
    did not write is never replaced. Raises FastsimError.
    """
    name, findings = os.fsdecode(path), found.findings
    check_table("path", name)
    groups = findings.groups if found.group_by == GroupBy.COMPONENT else by_keeper(findings.groups)
    write_export("path", name, list(image_rows(groups, found.groups, findings.files, findings.embeddings)))


def export_pairs(pairs: Sequence[Mapping[str, Any]], path: StrPath) -> None:
    """Write what `find_pairs` returned to a file: `.csv`, `.json`, `.npz` or `.parquet` (needs pyarrow).

    A file that fastsim did not write is never replaced. Raises FastsimError.
    """
    from fastsim.report.pairs import COLUMNS

    check_table("path", os.fsdecode(path))
    write_table("path", os.fsdecode(path), pairs, COLUMNS, name="pairs")


def make_plan(
    found: Found, outs: StrPath, *, mode: str = "group_copy", trash: bool = False, force: bool = False,
    allow_different: bool = False,
) -> Plan:  # fmt: skip
    """Return what `mode` would do to the files of `found`, as data. No file is changed.

    Args:
        found: The result of `find`.
        outs: A new or empty folder for groups or removed files, and for the journal.
        mode: "group_copy", "group_move", "clean_move", "clean_delete", "link_hard", "link_symbolic" or "link_reflink".
        trash: Let "clean_delete" move files to the desktop's trash.
        force: Allow "clean_delete" for groups that were found below a threshold of 0.9.
        allow_different: Let "link_hard" and "link_reflink" link similar files, not only equal ones.

    Raises:
        FastsimError: If the folder cannot be used, or the mode is not allowed.
    """
    _check_words(("mode", mode, [one for one in Mode if one != Mode.LIST]))
    thres, findings = found.settings.thres, groups_for(found.findings, Mode(mode), allow_different=allow_different)
    if trash and mode != Mode.CLEAN_DELETE:
        raise UsageError(f"trash goes with mode 'clean_delete' (got {mode!r})")
    if mode == Mode.CLEAN_DELETE and thres < config.DELETE_THRES and not force:
        raise UsageError(
            f"mode 'clean_delete' needs thres {config.DELETE_THRES:g} or more (got {thres:g}), or force=True: below, files "
            "may be merely alike"
        )
    if mode != Mode.GROUP_COPY:
        check_libraries(found.settings.scan)
    refuse_archives(found.settings.scan.inputs)
    folder = os.path.abspath(os.fsdecode(outs))
    check_outs(folder)
    settled = settle_units(findings, Mode(mode), GroupBy(found.group_by))
    if mode == Mode.CLEAN_DELETE and not found.keep_named:
        refuse_losses(settled.losses, findings)
    header: dict[str, object] = {
        "version": __version__,
        "argv": ["fastsim.make_plan"],
        "mode": mode,
        "thres": thres,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    steps = plan.make_plan(
        findings.groups, {file.id: file for file in findings.files}, mode=Mode(mode), trash=trash,
        group_by=GroupBy(found.group_by), outs=folder, header=header, units=settled.units,
    )  # fmt: skip
    return with_digests(steps) if mode == Mode.CLEAN_DELETE or mode in LINK_MODES else steps


def apply_plan(steps: Plan, *, progress: bool | Callback = False) -> apply.Outcome:
    """Carry out a plan, or finish an interrupted run of it. Files are deleted without a question.

    Files that have changed since the plan was made are left alone. In the main thread, Ctrl-C ends the run between two
    files.

    Args:
        steps: The plan, of `make_plan` or `read_plan`.
        progress: True for a bar on stderr, or a function that is called as progress(stage, done, total).

    Raises:
        FastsimError: If the output folder cannot be used.
    """
    with _progress(progress).bar("apply", len(steps.operations), "files") as bar:
        return apply.apply_plan(steps, bar=bar)


def undo_run(journal: StrPath, *, trust: bool = False, progress: bool | Callback = False) -> undo.Undone:
    """Undo the moves and copies of a run.

    Args:
        journal: The journal of the run, or its output folder.
        trust: Follow a journal that someone else may have written: of another user or machine, or without the plan of
            its run beside it.
        progress: True for a bar on stderr, or a function that is called as progress(stage, done, total).

    Raises:
        FastsimError: If there is no journal, it is in use, or it may be someone else's and `trust` is False.
    """
    path = os.fsdecode(journal)
    with Journal(journal_in(path)) as log:
        record = RunRecord(log)
        if not trust and (why := record.stranger()):
            raise UsageError(
                f"{shown(path)} may be someone else's: {why}. It moves back {results.plural(len(record.moves()), 'file')}; "
                "pass trust=True if that is right"
            )
        with _progress(progress).bar("undo", len(log.entries), "files") as bar:
            return undo.undo_record(record, bar=bar)


def _check_words(*given: tuple[str, str, Iterable[str]]) -> None:
    for name, value, allowed in given:
        if value not in tuple(allowed):
            raise UsageError(f"{name} must be one of {', '.join(allowed)} (got {value!r})")


def resolve_options(paths: StrPath | Iterable[StrPath], options: Options) -> tuple[Compute, Scan, Progress]:
    """Return what paths and options mean. Raises UsageError, TypeError for an unknown option."""
    if unknown := set(options) - set(Options.__annotations__):
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    size, model, cache = options.get("size"), options.get("model"), options.get("cache", True)
    compute = config.resolve_compute(
        size=None if size is None else str(size),
        model=None if model is None else os.fsdecode(model),
        device=options.get("device", "auto"),
        runtime=options.get("runtime", "auto"),
        workers=options.get("workers"),
        batch=options.get("batch"),
        cache=str(default_folder()) if cache is True else os.fsdecode(cache) if cache else None,
    )
    what = Scan(
        _paths(paths), options.get("recursive", True), _globs(options.get("exclude", ())),
        options.get("follow_links", False), include_system=options.get("include_system", False),
        filters=Filters.parse(
            min_size=_text(options.get("min_size")), max_size=_text(options.get("max_size")),
            newer=_text(options.get("newer")), older=_text(options.get("older")), include=_globs(options.get("include", ())),
        ),
    )  # fmt: skip
    return compute, what, _progress(options.get("progress", False))


def _globs(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return the globs as a tuple; a lone str is one glob, not many letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def _text(value: object) -> str | None:
    """Return `value` as the command line has it."""
    return None if value is None else value.isoformat() if isinstance(value, datetime) else str(value)


def _paths(paths: StrPath | Iterable[StrPath]) -> tuple[str, ...]:
    """Return one path or several as a tuple of str."""
    named = (paths,) if isinstance(paths, str | bytes | os.PathLike) else tuple(paths)
    return tuple(os.fsdecode(path) for path in named)


def _progress(wanted: bool | Callback) -> Progress:
    if wanted is True:
        return for_stream()
    return NullProgress() if wanted is False else CallbackProgress(wanted)
