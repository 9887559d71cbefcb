"""Record who wrote a plan or a journal, and where: those of others are not followed without a question."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Mapping

from fastsim.errors import shown


def here() -> dict[str, str]:
    """Return `user` and `host`, as plans and journals record them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        user = str(os.getuid()) if hasattr(os, "getuid") else ""
    return {"user": user, "host": platform.node().partition(".")[0]}


def stranger(head: Mapping[str, object] | None, path: str) -> str:
    """Return why the file `path` with this header is not of this user on this machine; empty if it may be."""
    if hasattr(os, "geteuid") and (owner := os.stat(path).st_uid) != os.geteuid():
        return f"the file belongs to user number {owner}"
    mine = here()
    if head is None or "user" not in head or "host" not in head:
        return "it does not say who wrote it"
    if (head["user"], head["host"]) != (mine["user"], mine["host"]):
        return f"it was written by {shown(str(head['user'])[:40])} on {shown(str(head['host'])[:40])}"
    return ""
