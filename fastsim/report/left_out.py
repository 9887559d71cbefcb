"""Report the files that a run deliberately did not read."""

from __future__ import annotations

from collections.abc import Iterator

from fastsim.errors import shown
from fastsim.inputs.formats import FORMATS, Reader
from fastsim.records.files import LeftOut
from fastsim.report.results import plural

_BY_NAME = {one.name: one for one in FORMATS}


def left_out_lines(left_out: LeftOut) -> Iterator[str]:
    """Yield one line for each kind of file or folder that was left out.

    These are files that filters left out, system folders, files that need a missing library, formats without a reader,
    output folders of earlier runs, and inputs inside a system folder.
    """
    if parts := list(_filtered(left_out)):
        yield f"Left out by filters: {', '.join(parts)}."
    if left_out.system:
        counted = ", ".join(_counted(n, what) for what, n in left_out.system.items())
        yield f"Left out: {counted}; --include-system reads them."
    missing: dict[Reader | None, list[str]] = {}
    for name, n in left_out.unread.items():
        missing.setdefault(_BY_NAME[name].reader, []).append(plural(n, f"{name} file"))
    for reader, counts in missing.items():
        if reader is not None:
            yield f"Not read: {', '.join(counts)}; to read them: {reader.install_command}"
    if None in missing:
        yield f"Not read: {', '.join(missing[None])}; fastsim has no reader for this format yet"
    for path in left_out.earlier:
        yield f"Left out: {shown(path)}, the output of an earlier run; name it as an INPUT to read it."
    for path, what in left_out.inside.items():
        yield f"{shown(path)} is a {what}; it is read, as an INPUT in it was named."


def left_out_json(left_out: LeftOut) -> dict[str, object]:
    """Return the same for --json: counts of folders and files by kind, and outputs of earlier runs."""
    files, folders = left_out.ignored
    return {
        "system": dict(left_out.system), "unread": dict(left_out.unread), "earlier": list(left_out.earlier),
        "filtered": dict(left_out.filtered), "ignored": {"files": files, "folders": folders},
    }  # fmt: skip


def _filtered(left_out: LeftOut) -> Iterator[str]:
    for option, n in left_out.filtered.items():
        yield f"{plural(n, 'file')} by {option}"
    files, folders = left_out.ignored
    ignored = [plural(n, what) for n, what in ((files, "file"), (folders, "folder")) if n]
    if ignored:
        yield f"{' and '.join(ignored)} by .fastsimignore"


def _counted(n: int, what: str) -> str:
    if n != 1 and what.endswith("library"):
        return f"{n:,} {what.removesuffix('y')}ies"
    return plural(n, what)
