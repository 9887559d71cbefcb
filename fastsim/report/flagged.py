"""Report images that --flag marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fastsim.errors import shown
from fastsim.records.files import Flagged, MediaFile
from fastsim.report.results import plural


def flagged_json(flagged: Mapping[int, Flagged], files: Sequence[MediaFile]) -> list[dict[str, object]]:
    """Return the flagged images with their measures, by path. `files[i].id` must be i."""
    return [
        {
            "path": files[i].path, "flags": list(flags), "sharpness": round(quality.sharpness, 2),
            "low": round(quality.low, 4), "high": round(quality.high, 4), "entropy": round(quality.entropy, 3),
        }
        for i, (flags, quality) in sorted(flagged.items())
    ]  # fmt: skip


def flagged_lines(flagged: Mapping[int, Flagged], files: Sequence[MediaFile], *, everything: bool) -> Iterator[str]:
    """Yield how many images have each flag, and with `everything` which they are."""
    counted = Counter(flag for one in flagged.values() for flag in one.flags)
    if not counted:
        return
    words = ", ".join(f"{n:,} {flag}" for flag, n in counted.most_common())
    yield f"Flagged {plural(len(flagged), 'image')}: {words}" + (
        "" if everything else " (--verbose or --json FILE lists them)"
    )
    for i, one in sorted(flagged.items()) if everything else ():
        yield f"  {shown(files[i].path)}: {', '.join(one.flags)}"
