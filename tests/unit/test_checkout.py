"""`python -m pytest` and `python -m bench...` run in a checkout, whose own folder fastsim/ has no compiled core."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import ROOT

import fastsim


def said(*arguments: str) -> str:
    """Return what `python ARGUMENTS...` prints in the checkout."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["bench", "bench.gpu"])
def test_the_benchmarks_start_in_a_checkout(module: str) -> None:
    assert "usage:" in said("-m", module, "--help")


def test_the_benchmarks_measure_the_installed_package() -> None:
    assert said("-c", "import bench, fastsim; print(fastsim.__file__)").strip() == fastsim.__file__


def test_pytest_as_a_module_tests_the_installed_package() -> None:
    assert "passed" in said("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_prefetch.py")
