"""Run other programs for the same work, each as a whole process: fastdup, imagededup, and the naive baseline.

Each script takes a folder of photos and a work folder, and writes result.json there: how many photos have a feature, and what was
found to be similar to the planted copies. fastdup and imagededup need environments of their own, because their dependencies
exclude those of fastsim: `python -m venv ID && ID/bin/python -m pip install imagededup`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import common

FASTDUP = """
import json, os, sys, fastdup
fd = fastdup.create(work_dir=sys.argv[2] + "/fastdup", input_dir=sys.argv[1])
fd.run(num_images=0, overwrite=True, print_summary=False, verbose=False)
names, features = fd.embeddings()
json.dump({"features": len(names)}, open(sys.argv[2] + "/result.json", "w"))
"""
HASHES = """
import json, sys
from imagededup import methods
if __name__ == "__main__":
    method = getattr(methods, sys.argv[3])(verbose=False)
    hashes = method.encode_images(image_dir=sys.argv[1])
    found = method.find_duplicates(encoding_map=hashes)
    copies = {name: others for name, others in found.items() if name.startswith("copy_")}
    json.dump({"features": len(hashes), "copies": copies}, open(sys.argv[2] + "/result.json", "w"))
"""
# Weights don't change what a network costs, but what it finds: nearly all pictures are alike to a random one, so that only
# scores of 1 are asked for, which leaves out the cost of long lists of false pairs.
CNN = """
import json, sys, torch, torchvision
plain = torchvision.models.mobilenet_v3_small
torchvision.models.mobilenet_v3_small = lambda weights=None, **more: plain(weights=None, **more)
from imagededup.methods import CNN
if __name__ == "__main__":
    torch.manual_seed(0)
    method = CNN(verbose=False)
    features = method.encode_images(image_dir=sys.argv[1])
    method.find_duplicates(encoding_map=features, min_similarity_threshold=1.0)
    json.dump({"features": len(features)}, open(sys.argv[2] + "/result.json", "w"))
"""
NAIVE = """
import json, sys, pathlib, cv2, numpy as np, openvino as ov
from fastsim.model import load_model
size = int(sys.argv[3])
graph = ov.Core().read_model(str(load_model().path))
graph.reshape([1, size, size, 3])
network = ov.Core().compile_model(graph, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
rows, names, copies = [], [], {}
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    image = cv2.cvtColor(cv2.resize(cv2.imread(str(path)), (size, size)), cv2.COLOR_BGR2RGB)
    row = network(image[None])[0][0].copy()
    for name, other in zip(names, rows):
        if float(np.dot(row, other)) >= 0.9 and path.name.startswith("copy_"):
            copies.setdefault(path.name, []).append(name)
    rows.append(row)
    names.append(path.name)
json.dump({"features": len(rows), "copies": copies}, open(sys.argv[2] + "/result.json", "w"))
"""


NAMES = ("fastdup", "imagededup", "naive")


@dataclass(frozen=True, slots=True)
class Rival:
    """command: without the two folders; finds: whether the planted copies must be found; slow: two runs are enough."""

    command: list[str]
    script: str
    more: tuple[str, ...] = ()
    finds: bool = False
    slow: bool = False


def chosen(names: list[str], fastdup: str | None, imagededup: str | None, size: int) -> dict[str, Rival]:
    """{title: rival} of those of `names` that can be run here; of the others it is printed why they are left out.

    size: side in pixels of the network's input in the naive baseline.
    """
    found = {}
    if "fastdup" in names and _has("fastdup", fastdup, "--fastdup-python"):
        found["fastdup"] = Rival([str(fastdup)], FASTDUP)
    if "imagededup" in names and _has("imagededup", imagededup, "--imagededup-python"):
        found["imagededup PHash"] = Rival([str(imagededup)], HASHES, ("PHash",), finds=True)
        found["imagededup DHash"] = Rival([str(imagededup)], HASHES, ("DHash",), finds=True)
        found["imagededup CNN, random weights (speed alone)"] = Rival([str(imagededup)], CNN, slow=True)
    if "naive" in names:
        found["the naive baseline"] = Rival([sys.executable, "-P"], NAIVE, (str(size),), finds=True, slow=True)
    return found


def _has(name: str, python: str | None, option: str) -> bool:
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
    if python and shutil.which(python) and subprocess.run([python, "-c", look], check=False).returncode == 0:
        return True
    print(f"{name}: left out, as {option} {python} has none" if python else f"{name}: left out, {option} is not given")
    return False


def run(name: str, rival: Rival, photos: Path, pairs: list[tuple[str, str]], work: Path) -> common.Cost:
    """One whole run. Ends the benchmark if its result is not valid: then its time says nothing."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    command = [*rival.command, "-c", rival.script, str(photos), str(work), *rival.more]
    cost = common.measure(command, cwd=work)
    result = json.loads((work / "result.json").read_text())
    count = len(list(photos.iterdir()))
    if result["features"] != count:
        raise SystemExit(f"not valid: {name} has {result['features']} features for {count} photos")
    missed = [pair for pair in pairs if rival.finds and pair[0] not in result["copies"].get(pair[1], [])]
    if missed:
        raise SystemExit(f"not valid: {name} missed {len(missed)} of {len(pairs)} planted copies, first {missed[0]}")
    return cost
