"""What is installed is what the project says it is: name, version, typing marker, hints."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import fastsim
from fastsim.errors import DISTRIBUTION, pip_install

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_distribution_has_the_name_that_hints_use() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    assert importlib.metadata.metadata(DISTRIBUTION)["Name"] == DISTRIBUTION


def test_the_version_has_one_source() -> None:
    assert importlib.metadata.version(DISTRIBUTION) == fastsim.__version__
    assert "version" in PROJECT["dynamic"]


def test_the_changelog_begins_with_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest is not None and newest.group(1) == fastsim.__version__


def test_the_package_is_marked_as_typed() -> None:
    assert (Path(fastsim.__file__).parent / "py.typed").is_file()


def test_hints_name_extras_that_exist_and_never_the_other_fastsim_of_the_index() -> None:
    assert pip_install("cuda12") == "pip install 'fastsim-dedup[cuda12]'"
    texts = [*(ROOT / "fastsim").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *ROOT.rglob("*.md")]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"[^\w.-]fastsim\[\w", text), f"{path} names the index's other fastsim"
        for extra in re.findall(r"pip_install\(['\"](\w+)['\"]\)", text) + re.findall(r"fastsim-dedup\[(\w+)\]", text):
            assert extra in PROJECT["optional-dependencies"], f"{path} names the extra {extra}"
