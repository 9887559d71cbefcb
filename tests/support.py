"""What several tests use: where the drawn media are, and how the real program is run (the `run` fixture)."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""
MEDIA = Path(__file__).parent / "media"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def tree(folder: Path) -> dict[str, str]:
    """Every file below `folder` with the hash of its bytes and its modification time."""
    return {
        os.path.relpath(path, folder): hashlib.sha256(path.read_bytes()).hexdigest() + f" {path.stat().st_mtime_ns}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
