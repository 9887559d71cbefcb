"""Fixtures that every test may use: the drawn pictures, and the real program in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import MEDIA, ROOT, Run

# `python -m pytest` puts the checkout first on sys.path, whose folder fastsim/ has no compiled core. The installed package is
# what is tested; where none is installed (bench/gpu/host), the checkout is still found, with the core that lies in it.
sys.path[:] = [*(entry for entry in sys.path if Path(entry or ".").resolve() != ROOT), str(ROOT)]


def pytest_configure() -> None:
    """Restore Ctrl-C, which its tests need.

    A shell starts what runs in the background (`pytest &`) with Ctrl-C ignored, and fastsim leaves it so, as it must.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep this process away from the embedding cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTSIM_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("FASTSIM_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a private copy of the drawn pictures."""
    return Path(shutil.copytree(MEDIA / "photos", tmp_path / "photos"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `fastsim ARGS...` as a user would, in `tmp_path`; `code` is the exit code that the test expects."""

    def fastsim(*args: str | Path, code: int = 0, stdin: bytes = b"", cwd: Path | None = None) -> object:
        done = subprocess.run(
            [sys.executable, "-m", "fastsim", *map(os.fspath, args)],
            input=stdin,
            capture_output=True,
            cwd=cwd or tmp_path,
            timeout=300,
            check=False,
            env={
                **os.environ,
                "COLUMNS": "120",
                "FASTSIM_CACHE_DIR": str(tmp_path / ".cache"),
                "FASTSIM_DATA_DIR": str(tmp_path / ".data"),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
        )
        result = subprocess.CompletedProcess(
            done.args,
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        )
        assert done.returncode == code, f"exit {done.returncode}, expected {code}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr, result.stderr
        return result

    return fastsim  # type: ignore[return-value]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none, unless FASTSIM_REQUIRE_GPU=1 makes that an error."""
    if os.environ.get("FASTSIM_REQUIRE_GPU") == "1" or shutil.which("nvidia-smi"):
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU: there is no nvidia-smi on the path"))
