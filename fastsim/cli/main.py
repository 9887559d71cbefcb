"""The `fastsim` program: all commands, and every way out of them."""

from __future__ import annotations

from fastsim.cli import (
    app_video,  # noqa: F401 - registers the commands for videos
    exits,
)
from fastsim.cli.app import app


def main() -> None:
    """The `fastsim` program. Errors are one line on stderr; the exit code says what kind (see `ExitCode`)."""
    exits.run(lambda: app.main(prog_name="fastsim", standalone_mode=False))
