"""The README says what --help says: every command and every option, and its links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer.main

from fastsim.cli.app import app as typer_app
from fastsim.inputs.formats import IMAGES, VIDEOS
from fastsim.model import card_size

ROOT = Path(__file__).parents[2]
app = typer.main.get_command(typer_app)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(group: object = None, prefix: str = "") -> dict[str, object]:
    """{full name: command}, subcommands included."""
    group = group or app
    found: dict[str, object] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            found.update(commands(command, f"{prefix}{name} "))
        else:
            found[prefix + name] = command
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_stands_in_the_readme(name: str) -> None:
    assert f"fastsim {name}" in README
    for parameter in commands()[name].params:  # type: ignore[attr-defined]
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("--"):
                assert re.search(rf"{option}\b", README), f"{name} {option} is not in the README"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "bench/README.md", "model/README.md"])
def test_links_to_files_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{page} links to {target}"


def test_the_two_commands_of_the_readme_are_those_of_ci() -> None:
    assert "pip install . && fastsim images tests/media/photos --outs ./similar" in README
    assert "pip install '.[test]' && pytest" in README
    assert "'.[test]' && pytest" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_readme_names_every_format_with_the_extra_that_reads_it() -> None:
    paragraph = README.partition("\nFormats: ")[2].partition("\n\n")[0]
    videos = README.partition("\n## Video\n")[2].partition("\n## ")[0]
    for one in IMAGES:
        assert re.search(rf"\b{one.name}\b", paragraph), one.name
        if one.reader is not None and one.reader.extra is not None:
            assert f"`{one.reader.extra}`" in paragraph
    for one in VIDEOS:
        assert one.name in videos, one.name


def test_readme_and_help_name_the_packaged_models_size() -> None:
    size = card_size()
    assert f"| `--size` | {size} |" in README
    [option] = [one for one in commands()["images"].params if one.name == "size"]  # type: ignore[attr-defined]
    assert f" {size} for the packaged model" in str(option.help)


def test_no_extra_brings_the_onnxruntime_that_takes_the_gpu_from_another() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    names = {extra: {re.split(r"[^\w.-]", need)[0] for need in needs} for extra, needs in extras.items()}
    assert {extra for extra, needs in names.items() if "onnxruntime" in needs} == {"onnxruntime"}
    assert {extra for extra, needs in names.items() if "onnxruntime-gpu" in needs} == {"cuda12", "cuda13"}
