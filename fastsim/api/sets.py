"""Find images that splits of a data set share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Unpack

from fastsim import config, leakage
from fastsim.api.images import thres_of
from fastsim.api.options import Options, StrPath, check_words, resolve_options
from fastsim.choices import DropMode
from fastsim.files.output_folder import check_outs
from fastsim.inputs.archives import refuse_archives
from fastsim.leakage.leaks import Leaks, plan_removal
from fastsim.records.plans import Plan


def find_leaks(
    splits: StrPath | Iterable[StrPath], thres: float | None = None, *, verify: bool = False, **options: Unpack[Options]
) -> Leaks:
    """Find the images of each split of a data set that have copies in another, or a copy of another class.

    splits: the folders of two or more splits; folders right below them are classes where two splits share their names.
    thres: 0.75 by default; verify: confirmed copies only, and `thres`, if it is given, is then a further minimum.
    options: see `Options`. No file is changed. Raises FastsimError.
    """
    compute, what, progress = resolve_options(splits, options)
    return leakage.find_leaks(what, compute, thres_of(thres, verify), verify=verify, progress=progress)


def plan_leaks(leaks: Leaks, outs: StrPath, *, drop: str, mode: str = "clean_move", force: bool = False) -> Plan:
    """Return a plan that removes from one split the images that have copies in another. No file is changed.

    drop: the name of the split; mode: "clean_move" to `outs`, a new or empty folder, or "clean_delete"; force: allow
    "clean_delete" for splits that were compared with a threshold below 0.9 and not verified. Raises FastsimError.
    """
    check_words(("mode", mode, DropMode))
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
