"""File names as file systems compare them that ignore case or normalise Unicode."""

from __future__ import annotations

import unicodedata


def folded_name(name: str) -> str:
    """Return `name` in NFC with case folded: equal for names that such a file system may take for one."""
    return unicodedata.normalize("NFC", name).casefold()
