"""The documentation says what --help says: every command, option and default; and links lead somewhere."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest
import typer.main
from support import Run

from fastsim.cli.app import app as typer_app
from fastsim.inputs.formats import IMAGES, VIDEOS
from fastsim.model import card_size

ROOT = Path(__file__).parents[2]
app = typer.main.get_command(typer_app)
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPTIONS = (ROOT / "docs/options.md").read_text(encoding="utf-8")
PAGES = [
    "README.md", "CONTRIBUTING.md", "bench/README.md", "bench/RESULTS.md", "model/README.md",
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("*.md"))),
]  # fmt: skip


def commands(group: object = None, prefix: str = "") -> dict[str, object]:
    """{full name: command}, subcommands included."""
    group = group or app
    found: dict[str, object] = {}
    for name in list(group.commands):  # type: ignore[attr-defined]
        command = group.get_command(None, name)  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            found.update(commands(command, f"{prefix}{name} "))
        else:
            found[prefix + name] = command
    return found


def section(name: str) -> str:
    """Return what docs/options.md says of a command, without the sections of other commands."""
    return OPTIONS.partition(f"\n## fastsim {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", commands())
def test_the_page_of_options_names_every_option_of_a_command_and_no_other(name: str) -> None:
    columns = re.findall(r"^\| ([^|]*)\|", section(name), re.MULTILINE)
    shared = re.findall(r"^As for `fastsim [^:]*:((?:[^.]|\n)*)\.", section(name), re.MULTILINE)
    named = set(re.findall(r"`(--[a-z-]+)", " ".join((*columns, *shared))))
    options = {
        option
        for parameter in commands()[name].params  # type: ignore[attr-defined]
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--") and option != "--help-all"
    }
    assert named == options


@pytest.mark.parametrize("name", commands())
def test_the_page_of_options_states_the_defaults_that_help_shows(name: str) -> None:
    for parameter in commands()[name].params:  # type: ignore[attr-defined]
        row = re.search(rf"^\| `{parameter.opts[0]}\b[^|]*\|([^|]*)\|", section(name), re.MULTILINE)
        if row is None or parameter.default in (None, (), []):
            continue
        default = parameter.default
        if isinstance(default, bool):
            expected = "`--recursive`" if default else "off"
        else:
            expected = f"{default:g}" if isinstance(default, float) else str(default)
        assert row[1].strip().strip("`") == expected.strip("`"), parameter.opts


def test_the_readme_names_every_command() -> None:
    for name in commands():
        assert f"fastsim {name}" in README


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{page} links to {target}"


def test_every_name_on_the_page_of_the_python_api_exists() -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    for name in re.findall(r"^::: (\S+)$", page, re.MULTILINE):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
        assert importlib.import_module(module.rpartition(".")[0]).__file__, f"{name}: its package has no __init__.py"


def test_every_page_of_the_site_is_in_its_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    assert set(re.findall(r"(\S+\.md)$", navigation, re.MULTILINE)) == {
        path.name for path in (ROOT / "docs").glob("*.md")
    }


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_the_output_that_a_page_shows_is_that_of_the_program(page: str, run: Run, photos: Path, tmp_path: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = next(
        block for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL) if "take it back" in block.lower()
    )
    mode = "clean_move" if "--mode clean_move" in shown else "group_copy"
    folder = "removed" if mode == "clean_move" else "similar"
    (tmp_path / "tests/media").mkdir(parents=True)
    photos.rename(tmp_path / "tests/media/photos")
    printed = run("images", "tests/media/photos", "--mode", mode, "--outs", f"./{folder}").stdout
    printed = re.sub(r"\d", "0", printed.replace(str(tmp_path), "."))
    for line in re.sub(r"\d", "0", shown).splitlines():
        assert line.strip() == "..." or line.startswith("$ ") or f"\n{line}" in f"\n{printed}", line


def test_the_two_commands_of_the_readme_are_those_of_ci() -> None:
    assert "pip install . && fastsim images tests/media/photos --outs ./similar" in README
    assert "pip install '.[test]' && pytest" in README
    assert "'.[test]' && pytest" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_page_of_formats_names_every_format_with_the_extra_that_reads_it() -> None:
    _, _, page = (ROOT / "docs/formats.md").read_text(encoding="utf-8").partition("\n## Images\n")
    images, _, videos = page.partition("\n## Videos\n")
    for one in IMAGES:
        assert re.search(rf"\b{one.name}\b", images), one.name
        if one.reader is not None and one.reader.extra is not None:
            assert f"`{one.reader.extra}`" in images
    for one in VIDEOS:
        assert one.name in " ".join(videos.split()), one.name


def test_documentation_and_help_name_the_packaged_models_size() -> None:
    size = card_size()
    assert f"| `--size SIDE` | {size} |" in OPTIONS
    [option] = [one for one in commands()["images"].params if one.name == "size"]  # type: ignore[attr-defined]
    assert f" {size} for the packaged model" in str(option.help)


def test_no_extra_brings_the_onnxruntime_that_takes_the_gpu_from_another() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    names = {extra: {re.split(r"[^\w.-]", need)[0] for need in needs} for extra, needs in extras.items()}
    assert {extra for extra, needs in names.items() if "onnxruntime" in needs} == {"onnxruntime"}
    assert {extra for extra, needs in names.items() if "onnxruntime-gpu" in needs} == {"cuda12", "cuda13"}
