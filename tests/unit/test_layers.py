"""The shape of the code: stages know only the records that they exchange, and heavy imports are late."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fastsim

PACKAGE = Path(fastsim.__file__).parent
SHARED = {
    "records",
    "errors",
    "progress",
    "prefetch",
    "interrupts",
    "model",
    "traffic",
    "compiled",
    "rows",
    "digest",
    "provenance",
    "_core",
    "formats",
    "signatures",
}
STAGES = {
    "discover": {"recognition", "selection", "system_folders"},
    "recognition": set(),
    "selection": {"system_folders"},
    "system_folders": set(),
    "content": set(),
    "decode": {"decode"},
    "embedding": {"embedding"},
    "similarity": {"similarity"},
    "verification": {"verification"},
    "group": set(),
    "keep": {"originals"},
    "originals": set(),
    "pairs": {"sidecar_names"},
    "sidecars": {"sidecar_names"},
    "sidecar_names": {"originals"},
    "losses": set(),
    "plan": set(),
    "planfile": set(),
    "journal": {"planfile"},
    "transfer": set(),
    "trash": set(),
    "unchanged": set(),
    "removal": {"transfer", "unchanged"},
    "exclusive": set(),
    "run_record": {"journal", "planfile"},
    "apply": {"exclusive", "journal", "outs", "planfile", "removal", "transfer", "trash", "unchanged", "undo"},
    "earlier_run": {"journal"},
    "outs": {"earlier_run", "journal", "planfile", "transfer", "undo"},
    "undo": {"exclusive", "journal", "planfile", "removal", "run_record", "transfer"},
    "report": {"console", "own_files"},
}
"""Each stage, and what it may import of the package beyond SHARED."""

BACKENDS = {
    "cv2": ["decode/libraries.py", "verification/opencv.py", "videos/pictures.py"],
    "PIL": ["decode/colour.py", "decode/dali.py", "decode/decoder.py", "decode/libraries.py"],
    "simplejpeg": ["decode/jpeg.py"],
    "tifffile": ["decode/tiff.py"],
    "rawpy": ["decode/readers.py"],
    "pillow_heif": ["decode/libraries.py"],
    "av": ["decode/black_bars.py", "decode/pixels.py", "decode/sparse.py", "decode/video.py", "decode/video_index.py"],
    "openvino": ["embedding/openvino.py", "embedding/mish.py"],
    "onnxruntime": ["embedding/onnxruntime_import.py"],
    "onnx": ["embedding/device_graph.py", "embedding/half.py", "embedding/softplus.py", "embedding/ending.py"],
    "cupy": ["decode/dali.py", "embedding/onnxruntime_cuda.py", "embedding/row_store.py", "similarity/cuda.py"],
    "nvidia": ["decode/dali.py", "decode/dali_video.py"],
}


def sources(stage: str) -> list[Path]:
    folder = PACKAGE / stage
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{stage}.py"]


def imports(path: Path) -> set[str]:
    """Full names of what a module imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.update(
                f"{node.module}.{alias.name}" if node.module == "fastsim" else node.module for alias in node.names
            )
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_no_other_stage(stage: str) -> None:
    for path in sources(stage):
        used = {name.split(".")[1] for name in imports(path) if name.startswith("fastsim.")} - {"__version__"}
        assert used <= SHARED | STAGES[stage], f"{path.name} imports {used - SHARED - STAGES[stage]}"


def test_backends_are_imported_in_their_own_module_only() -> None:
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        for module in imports(path):
            top = module.split(".")[0]
            assert top not in BACKENDS or name in BACKENDS[top], f"{name} imports {module}"


def test_importing_the_package_and_its_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, fastsim.cli; "
        "print([m for m in ('numpy', 'cv2', 'openvino', 'av', 'PIL', 'onnxruntime', 'cupy', 'nvidia') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
