"""--json FILE: looked at before hours of work, and never in place of a file of the user."""

from __future__ import annotations

from fastsim.files import owned
from fastsim.run.terminal import give_stdout_to_json


def check_json(path: str | None, outs: str | None = None) -> None:
    """--json FILE: `-` is stdout, which is then for JSON alone. `outs` will be made by the run. Raises UsageError."""
    if path == "-":
        give_stdout_to_json()
    elif path is not None:
        owned.check_target("--json", path, owned.JSON, outs=outs)
