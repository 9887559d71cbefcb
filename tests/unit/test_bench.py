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
from PIL import Image

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(
    path.stem
    for path in (ROOT / "bench").glob("*.py")
    if "ArgumentParser" in path.read_text(encoding="utf-8") and path.stem != "__main__"
)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module of bench/ by its name, and leave nothing of it behind."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return lambda name: importlib.import_module(f"bench.{name}")


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_benchmark_says_how_to_use_it(script: str) -> None:
    command = [sys.executable, "-m", f"bench.{script}", "--help"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"python -m bench.{script}" in said


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


def test_files_that_other_decoders_show_otherwise_are_listed(tmp_path: Path) -> None:
    plain = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(np.kron(plain, np.ones((16, 16, 1), np.uint8))).save(tmp_path / "plain.png")
    clear = np.zeros((64, 64, 4), np.uint8)
    clear[16:48, 16:48] = (255, 0, 0, 255)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    (tmp_path / "notes.txt").write_text("no picture")
    command = [sys.executable, "-m", "bench.decoders", str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "| clear.png | read | 0.0 |" in said and "plain.png" not in said and "notes.txt" not in said
    assert "1 files; on 1 more all decoders that read them agree" in said
