"""The files of the page, and the paths by which it asks."""

from __future__ import annotations

import re
from importlib.resources import files as resources

from fastsim.review.server import Answer

_KINDS = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}  # fmt: skip


class StaticFiles:
    """The files in `static/`, held in memory: no path of a request reaches the disk."""

    def __init__(self) -> None:
        self._files = {one.name: one.read_bytes() for one in (resources("fastsim.review") / "static").iterdir()}

    def answer(self, name: str) -> Answer:
        """Return a file. Raises LookupError."""
        suffix = name[name.rfind(".") :]
        return Answer(self._files[name], _KINDS[suffix], headers={"Cache-Control": "no-cache"})


def parts_of(path: str) -> tuple[str, str]:
    """Return (static, thumb or full; the name or id behind it) of a path. Raises LookupError for others."""
    if path == "/":
        return "static", "index.html"
    found = re.fullmatch(r"/(static|thumb|full)/([A-Za-z0-9_.-]{1,60})", path)
    if found is None:
        raise LookupError(path)
    return found[1], found[2]
