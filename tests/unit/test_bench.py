"""What the benchmarks' figures rest on: sets that are the same each time, peaks of the right process, and the fit."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"
SCRIPTS = ("accuracy", "end_to_end", "host", "leakage", "pairs", "scale", "stages", "startup", "video")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a script of bench/ by its name, as the scripts import each other, and leaves nothing of it behind."""
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return importlib.import_module


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_says_how_to_use_it(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / f"{script}.py"), "--help"]
    assert "--json" in subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout


def test_a_set_of_photos_is_the_same_each_time(module: Callable[[str], ModuleType], tmp_path: Path) -> None:
    photos = module("photos")
    sets = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pairs = photos.make_photos(tmp_path / name, None, 12, (40, 30), copies=3)
        sets.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert sets[0] == sets[1]
    assert len(sets[0]) == 12
    assert pairs == [(f"00000{i}.jpg", f"copy_00000{i}.jpg") for i in range(3)]


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.wait4")
def test_the_peak_is_that_of_the_command_and_not_of_who_starts_it(module: Callable[[str], ModuleType]) -> None:
    ballast = np.ones(50_000_000)  # 400 MB
    assert module("common").measure([sys.executable, "-S", "-c", "pass"]).peak_mb < 100 < ballast.nbytes / 1e6


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.wait4")
def test_a_command_that_fails_is_no_figure(module: Callable[[str], ModuleType]) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 2.*no such thing"):
        module("common").measure(
            [sys.executable, "-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(2)"]
        )


def test_the_fit_finds_start_slope_and_square_term(module: Callable[[str], ModuleType]) -> None:
    fitted = module("scale").fitted
    n = np.array([1e3, 5e3, 2e4, 1e5])
    assert fitted(n, 1.5 + 4e-3 * n + 3e-9 * n * n) == pytest.approx([1.5, 4e-3, 3e-9])
    assert fitted(n, 1.5 + 4e-3 * n, squared=False) == pytest.approx([1.5, 4e-3, 0])


def test_the_fit_has_no_term_under_zero(module: Callable[[str], ModuleType]) -> None:
    n = np.array([1e3, 5e3, 2e4, 1e5])
    found = module("scale").fitted(n, 1.5 + 4e-3 * n - 1e-9 * n * n)
    assert (found >= 0).all()
    assert found[2] == 0
