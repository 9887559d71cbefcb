"""Run the `fastsim` program."""

from __future__ import annotations

import os

import typer.main
from typer._completion_classes import completion_init

from fastsim.cli import exits
from fastsim.cli.app import app


def main() -> None:
    """Run the command line. Errors are one line on stderr; the exit code says what kind (see `ExitCode`)."""
    if "_FASTSIM_COMPLETE" in os.environ:  # a shell asks; Typer registers them only beside its own --install-completion
        completion_init()
    exits.run(lambda: typer.main.get_command(app).main(prog_name="fastsim", standalone_mode=False))
