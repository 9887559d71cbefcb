"""The files that a run will write at its end: looked at before hours of work, and never in place of something else."""

from __future__ import annotations

import os
import stat

from fastsim.console import give_stdout_to_json
from fastsim.errors import UsageError, shown

_RECORD = b'{"format": "fastsim-'
"""How a plan or a journal begins: JSON as well, but not to be replaced by a report."""


def check_json(path: str | None, outs: str | None = None) -> None:
    """--json FILE: `-` is stdout, which is then for JSON alone. `outs` will be made by the run. Raises UsageError."""
    if path == "-":
        give_stdout_to_json()
    elif path is not None:
        check_target("--json", path, kind="the JSON", start=b"{", outs=outs)


def check_target(option: str, path: str, *, kind: str, start: bytes, outs: str | None = None) -> None:
    """Raise UsageError where `path` can't be written, or is a file of the user: one that does not begin with `start`,
    or a plan or journal of ours.

    Pipes and devices (`/dev/null`, `>(jq .)`) are let through.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise UsageError(f"{option} {shown(path)}: it is a folder; name a file")
    if os.path.exists(path):
        if not stat.S_ISREG(os.stat(path).st_mode):
            return
        try:
            with open(path, "rb") as stream:
                head = stream.read(len(_RECORD))
        except OSError as error:
            raise UsageError(f"{option} {shown(path)}: it exists and can't be read ({error.strerror})") from None
        if head and (not head.startswith(start) or head == _RECORD):
            raise UsageError(
                f"{option} {shown(path)}: it exists and is not {kind} of an earlier run; give another name"
            )
    if outs is not None and folder == os.path.abspath(outs):
        return
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {shown(path)}: can't be written there; name a file in a folder that can be written")
