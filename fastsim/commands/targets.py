"""--json FILE: looked at before hours of work, and never in place of a file of the user."""

from __future__ import annotations

from fastsim import own_files
from fastsim.console import give_stdout_to_json


def check_json(path: str | None, outs: str | None = None) -> None:
    """--json FILE: `-` is stdout, which is then for JSON alone. `outs` will be made by the run. Raises UsageError."""
    if path == "-":
        give_stdout_to_json()
    elif path is not None:
        own_files.check_target("--json", path, own_files.JSON, outs=outs)
