"""Handle --json FILE: check it before hours of work, and never replace a file of the user."""

from __future__ import annotations

from fastsim.files import owned
from fastsim.run.terminal import give_stdout_to_json


def check_json(path: str | None, outs: str | None = None) -> None:
    """Check --json FILE. `-` is stdout, which is then for JSON alone. Raises UsageError.

    outs: a folder that the run will create.
    """
    if path == "-":
        give_stdout_to_json()
    elif path is not None:
        owned.check_target("--json", path, owned.JSON, outs=outs)
