"""Resolve options to a frozen Config, in which no `auto` is left."""

from __future__ import annotations

import importlib.util
import itertools
import os
from dataclasses import dataclass, field

from fastsim.choices import DeviceKind, Flag, Pairs, Runtime, Scope
from fastsim.device import CPU, Device
from fastsim.errors import UsageError, pip_install, shown
from fastsim.grouping.keep_words import DEFAULT, KeepRules
from fastsim.inputs.filters import NO_FILTERS, Filters
from fastsim.model import card_size

DEFAULT_THRES = 0.75
FRAME_THRES = 0.9
"""Frames of two videos from this score on show the same: unrelated colour grids reach 0.89 (`python -m bench.abstract`)."""
DELETE_THRES = 0.9
"""clean_delete below this threshold needs --force: too many of the pairs there are merely alike."""

THRES_GUIDE = (
    "0.95 strict: copies saved again, resized or lightly retouched; misses stronger edits. Pages, screens and codes of "
    "one layout score as high; --verify tells them apart. "
    "0.85 balanced: also moderate crops, captions, borders, greyscale; look through the groups before deleting. "
    "0.75 loose: also strong edits and shots of one scene; finds most, and groups pictures that are merely alike."
)

_FIXED_SIZES = range(64, 513, 16)


@dataclass(frozen=True, slots=True)
class Compute:
    """How images become vectors."""

    size: int | None = field(default_factory=card_size)
    """Side of the network's input in pixels; None: chosen for each image (`auto`). Default: the packaged model's own."""
    model: str | None = None
    """Path of an ONNX file; None: the packaged model."""
    device: Device = CPU
    runtime: str = "openvino"
    workers: int = 1
    """Threads for decoding, for the network, and for comparing."""
    batch: int = 1
    """Images per inference batch."""
    cache: str | None = None
    """Folder of the embedding cache; None: no cache."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What discovery reads."""

    inputs: tuple[str, ...] = ()
    recursive: bool = True
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    outs: str | None = None
    """Output folder, which is never scanned."""
    listed: tuple[str, ...] = ()
    """More inputs, from a list on stdin; missing ones are skipped."""
    include_system: bool = False
    """Also enter trash, snapshot, thumbnail and version control folders and photo libraries."""
    references: tuple[str, ...] = ()
    """Folders whose files are compared against, and stay where they are."""
    filters: Filters = NO_FILTERS
    """What files have to be to take part."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that `pipeline.find` needs."""

    scan: Scan
    compute: Compute = field(default_factory=Compute)
    thres: float = DEFAULT_THRES
    keep: KeepRules = DEFAULT
    pairs: str = Pairs.KEEP.value
    """Whether a RAW file and its JPEG are one unit, or two images."""
    sidecars: bool = True
    """Whether files that belong to an image go with it."""
    verify: bool = False
    """Group confirmed copies only; `thres` is a further minimum."""
    decisions: bool = False
    """Keep pairs apart that a person has called "not a duplicate"."""
    scope: Scope = Scope.ALL
    """Which pairs are compared."""
    flags: tuple[Flag, ...] = ()
    """What images are flagged for."""
    min_pixels: int = 0
    """Images with fewer pixels take no part."""


def resolve_compute(
    *,
    size: str | None = None,
    model: str | None = None,
    device: str = DeviceKind.AUTO,
    runtime: str = Runtime.AUTO,
    workers: int | None = None,
    batch: int | None = None,
    cache: str | None = None,
) -> Compute:
    """Settle every `auto`. Raises UsageError for values that are invalid, or unavailable on this machine."""
    where = resolve_device(device)
    for name, value in (("--workers", workers), ("--batch", batch)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1 (got {value})")
    return Compute(
        size=resolve_size(size or str(card_size(model))), model=model, device=where, runtime=resolve_runtime(runtime, where),
        workers=workers or usable_cpus(), batch=batch or usual_batch(where), cache=cache,
    )  # fmt: skip


def usual_batch(device: Device) -> int:
    """Return the number of images per inference batch that suits `device`.

    On a CPU, larger batches leave the caches; with bfloat16 (avx512_bf16 or AMX) they may be larger than with float32
    (bench/stages.py). AVX-512 stands for bfloat16 here.
    """
    if device.is_cuda:
        return 256
    from fastsim import _core

    return 8 if "avx512" in _core.isas() else 4


def resolve_size(text: str) -> int | None:
    """Resolve --size to pixels, or None for `auto`. Raises UsageError."""
    if text == "auto":
        return None
    if text.isdecimal() and int(text) in _FIXED_SIZES:
        return int(text)
    raise UsageError(f"--size must be auto or a multiple of 16 from 64 to 512, such as 128 (got {shown(text)!r})")


def resolve_device(name: str) -> Device:
    """Resolve --device. Raises UsageError for a device that cannot be used: there is no silent fallback.

    `auto` is cpu everywhere until the cuda backend has run on a GPU (bench/README.md lists what has not been seen).
    """
    if name == DeviceKind.AUTO:
        return CPU
    try:
        device = Device.parse(name)
    except ValueError:
        raise UsageError(f"--device must be one of auto, cpu, cuda, cuda:N, cuda:N,M (got {shown(name)!r})") from None
    if device.is_cuda:
        from fastsim import gpu_probe

        for number in device.indices:
            if problem := gpu_probe.probe(number).problem:
                raise UsageError(f"--device {name}: {problem}")
    return device


def resolve_runtime(name: str, device: Device = CPU) -> str:
    """Resolve --runtime on `device`. Raises UsageError for a runtime that is unknown or not installed."""
    if name not in tuple(Runtime):
        raise UsageError(f"--runtime must be one of {', '.join(Runtime)} (got {shown(name)!r})")
    if device.is_cuda:
        if name == Runtime.OPENVINO:
            raise UsageError(f"--runtime {name}: it runs on the CPU only; use --runtime auto with --device {device}")
        return name if name == Runtime.TENSORRT else Runtime.ONNXRUNTIME.value
    if name == Runtime.AUTO:
        return Runtime.OPENVINO.value
    if name == Runtime.TENSORRT:
        raise UsageError(f"--runtime {name}: it needs a GPU; use it with --device cuda")
    if importlib.util.find_spec(name) is None:
        raise UsageError(f"--runtime {name}: it is not installed; {pip_install(name)}, or use --runtime auto")
    return name


def check_scope(scope: Scope, scan: Scan) -> Scope:
    """--between and --within, which need inputs that lie apart. Raises UsageError."""
    if scope == Scope.ALL:
        return scope
    if scope == Scope.WITHIN and scan.references:
        raise UsageError(
            "--within and --reference exclude each other: references are another input; leave one of them out"
        )
    inputs = sorted({os.path.realpath(path) for path in (*scan.inputs, *scan.listed)})
    for outer, inner in itertools.pairwise(inputs):
        if inner.startswith(outer.rstrip(os.sep) + os.sep):
            raise UsageError(f"--{scope}: the INPUT {shown(inner)} lies in {shown(outer)}; name inputs that lie apart")
    if scope == Scope.BETWEEN and len({*inputs, *scan.references}) < 2:
        raise UsageError("--between compares files of different inputs, and there is only one; name another INPUT")
    return scope


def check_thres(thres: float) -> float:
    """Check --thres, 0 to 1. Raises UsageError."""
    if not 0.0 <= thres <= 1.0:
        raise UsageError(f"--thres must be from 0 to 1, such as 0.95 strict, 0.85 balanced, 0.75 loose (got {thres:g})")
    return thres


def check_delete(thres: float, *, verified: bool, forced: bool) -> None:
    """Refuse to delete what may be merely alike. Raises UsageError."""
    if thres < DELETE_THRES and not (verified or forced):
        raise UsageError(
            f"--mode clean_delete with --thres {thres:g}: refused under {DELETE_THRES:g}, where files "
            "may be merely alike; use --thres 0.95, or --verify, or --mode clean_move (can be undone), or --force if you are sure"
        )


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use; in a container that can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
