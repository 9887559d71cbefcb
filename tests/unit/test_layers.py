"""The shape of the code: stages know only the records that they exchange, and heavy imports are late."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fastsim

PACKAGE = Path(fastsim.__file__).parent
PHOTOS = Path(__file__).parents[1] / "media" / "photos"
LAYERS = (
    {"choices", "device", "errors", "_core", "rows", "records"},
    {"run"},
    {"inputs", "gpu_probe", "model", "decisions"},
    {"cache", "decode", "embedding", "similarity", "verification", "grouping", "files"},
    {"config", "quality", "report", "tuning"},
    {"embed_files", "keep_facts", "verified_pairs", "remembered"},
    {"pipeline", "videos", "doctor"},
    {"planning"},
    {"leakage", "retrieval"},
    {"api", "review"},
    {"cli"},
    {"__main__"},
)
"""Every module or package at the top, from the bottom up. A module imports from layers below its own, or from its own
package."""

WITHIN = {("files", "inputs"), ("embedding", "cache"), ("rows", "records"), ("rows", "_core"), ("device", "choices")}
"""Imports inside a layer that are allowed."""


BACKENDS = {
    "cv2": ["decode/libraries.py", "verification/opencv.py", "videos/pictures.py"],
    "PIL": ["decode/colour.py", "decode/decoder.py", "decode/libraries.py"],
    "simplejpeg": ["decode/jpeg.py"],
    "tifffile": ["decode/tiff.py"],
    "rawpy": ["decode/readers.py"],
    "pillow_heif": ["decode/libraries.py"],
    "av": [f"decode/video/{name}.py" for name in ("black_bars", "glimpse", "index", "pixels", "reader", "sparse")],
    "openvino": ["embedding/openvino.py", "embedding/graph/mish.py"],
    "onnxruntime": ["embedding/onnxruntime_import.py"],
    "onnx": [
        f"embedding/graph/{name}.py" for name in ("constants", "device", "half", "normalise", "pooling", "softplus")
    ],
    "cupy": ["decode/dali.py", "embedding/onnxruntime_cuda.py", "embedding/row_store.py", "similarity/cuda.py"],
    "nvidia": ["decode/dali.py", "decode/video/dali.py"],
}


MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}


def imports(path: Path) -> set[str]:
    """Full names of what a module imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def module_of(name: str) -> str | None:
    """Return the module of this package that an imported name comes from, None for names from elsewhere."""
    parts = name.split(".")
    if parts[0] != "fastsim" or len(parts) == 1:
        return None
    for length in range(len(parts), 1, -1):
        inner = ".".join(parts[1:length])
        for candidate in (inner, f"{inner}.__init__"):
            if candidate in MODULES:
                return candidate
    return "_core" if parts[1] == "_core" else None


def top(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


def test_every_module_has_a_layer() -> None:
    assert {top(module) for module in MODULES} - {"__init__"} == set().union(*LAYERS) - {"_core"}


@pytest.mark.parametrize("package", sorted(set().union(*LAYERS) - {"_core"}))
def test_a_module_imports_only_from_layers_below_it(package: str) -> None:
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    for module, path in MODULES.items():
        if top(module) != package:
            continue
        used = {top(found) for name in imports(path) if (found := module_of(name))} - {package, "__init__"}
        wrong = {one for one in used if level[one] >= level[package] and (package, one) not in WITHIN}
        assert not wrong, f"{module} imports {wrong}"


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {
        module: {found for name in imports(path) if (found := module_of(name)) and found != module and found in MODULES}
        for module, path in MODULES.items()
    }
    # A package's own names stand in its __init__, which imports its backends late; those import the names.
    late = {(f"{top(module)}.__init__", module) for module in MODULES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"import circle: {' -> '.join((*path[path.index(module) :], module))}"
        if module not in done:
            for found in graph[module]:
                if (module, found) not in late:
                    visit(found, (*path, module))
            done.add(module)

    for module in graph:
        if module != "__init__":
            visit(module, ())


def test_no_module_reaches_for_another_modules_private_names() -> None:
    for module, path in MODULES.items():
        for name in imports(path):
            private = name.split(".")[-1]
            assert not private.startswith("_") or private in ("_core", "__version__"), f"{module} imports {name}"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastsim")
            for alias in node.names
            if f"{node.module}.{alias.name}".removeprefix("fastsim.") in MODULES
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and isinstance(node.value, ast.Name):
                assert node.value.id not in modules, f"{module} uses {node.value.id}.{node.attr}"


def test_backends_are_imported_in_their_own_module_only() -> None:
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        for module in imports(path):
            library = top(module)
            assert library not in BACKENDS or name in BACKENDS[library], f"{name} imports {module}"


def test_importing_the_package_and_its_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, fastsim.cli.app; "
        "print([m for m in ('numpy', 'cv2', 'openvino', 'av', 'PIL', 'onnxruntime', 'cupy', 'nvidia') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_and_using_the_library_changes_no_setting_of_the_host_program(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys, warnings
import cv2
from PIL import Image

cv2.setNumThreads(3)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
Image.MAX_IMAGE_PIXELS = 12345678
warnings.simplefilter("default")

def state():
    return {{
        "OpenCV": (cv2.getNumThreads(), cv2.utils.logging.getLogLevel()),
        "Pillow": Image.MAX_IMAGE_PIXELS,
        "warnings": [str(one) for one in warnings.filters],
        "environment": dict(os.environ),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "streams": (sys.stdin, sys.stdout, sys.stderr, sys.excepthook),
    }}

def check(when):
    after = state()
    assert after == before, (when, [(key, before[key], after[key]) for key in before if before[key] != after[key]])

before = state()
import fastsim
check("import")
for name in fastsim.__all__:
    getattr(fastsim, name)
check("its names")
found = fastsim.find([{str(PHOTOS)!r}], verify=True, cache={str(tmp_path)!r})
assert len(found.groups) == 4
check("find")
print("unchanged")
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "unchanged\n", done.stderr
