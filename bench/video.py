"""Measure `fastsim video` against plain decoding, the limit, and against the naive baseline.

    python -m bench.video [--minutes 10] [--skips 1 5 10] [--repeats 3] [--rivals ...] [--clip FILE] [--json FILE]

The clip is drawn: 1080p H.264 with B-frames, 25 frames/s, a new scene every 4 s, a slow pan and a little noise. Every run is a
process of its own, in turn. "decode" decodes every frame with all threads, and converts none (with FFmpeg's libraries, and with
the `ffmpeg` program if there is one). The naive baseline: OpenCV `grab` and `retrieve`, the frame resized and embedded alone
with the same network, then a loop over the kept rows; on ONNX Runtime at 224 pixels, at fastsim's size, and on OpenVINO at that
size, so that only the method differs. All of them write the kept frames as JPEG.

Before anything is timed, fastsim must keep the same frames of the first minute as a plain loop in this file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import common
from fastsim.device import CPU
from fastsim.model import card_size

ROOT = Path(__file__).resolve().parents[1]

RATE, SCENE = 25, 100
THRES, CROP = 0.75, 0.85
NAIVE = {"naive": ("onnxruntime", 224), "naive-at-size": ("onnxruntime", None), "naive-openvino": ("openvino", None)}
"""{rival: runtime and pixels} of the naive baseline; None: fastsim's size."""
RIVALS = ("decode", *NAIVE, "ffmpeg")

DECODE = """
import sys, av
with av.open(sys.argv[1]) as container:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    print(sum(1 for _ in container.decode(stream)))
"""

LOOP = """
import sys, cv2, numpy as np
from fastsim.model import load_model
clip, skip, runtime, out, size = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
model = str(load_model().path)
if runtime == "onnxruntime":
    import onnxruntime
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    network = lambda x: session.run(None, {name: x})[0][0]
else:
    import openvino
    graph = openvino.Core().read_model(model)
    graph.reshape([1, size, size, 3])
    compiled = openvino.Core().compile_model(graph, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    network = lambda x: compiled(x)[0][0].copy()
video, rows, number = cv2.VideoCapture(clip), [], 0
while video.grab():
    if number % skip == 0:
        _, frame = video.retrieve()
        h, w = frame.shape[:2]
        y, x = round(h * (1 - 0.85 ** 0.5) / 2), round(w * (1 - 0.85 ** 0.5) / 2)
        image = cv2.cvtColor(cv2.resize(frame[y:h - y, x:w - x], (size, size)), cv2.COLOR_BGR2RGB)
        row = network(image[None])
        for other in rows:
            if np.dot(row, other) / (np.linalg.norm(row) * np.linalg.norm(other)) >= 0.75:
                break
        else:
            rows.append(row)
            cv2.imwrite(f"{out}/{number}.jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
    number += 1
print(len(rows))
"""


def pictures(minutes: float) -> Iterator[np.ndarray]:
    """BGR uint8[1080, 1920, 3], one after the other."""
    from media.draw_videos import scene

    rng = np.random.default_rng(0)
    noise = [rng.normal(0, 2.5, (1080, 1920, 3)).astype(np.int16) for _ in range(5)]
    for number in range(round(minutes * 60 * RATE / SCENE)):
        wide = scene(number, 2120, 1080).astype(np.int16)
        for k in range(SCENE):
            yield np.clip(wide[:, 2 * k : 2 * k + 1920] + noise[k % 5], 0, 255).astype(np.uint8)


def draw_clip(path: Path, minutes: float) -> None:
    from media.draw_videos import encode

    options = {"preset": "superfast", "crf": "23", "bf": "3", "g": "250", "refs": "3"}
    print(f"drawing {minutes:g} minutes of 1080p ...", file=sys.stderr, flush=True)
    encode(path, pictures(minutes), rate=RATE, options=options)


def fastsim_command(clip: Path, skip: int, outs: Path, *more: str) -> list[str]:
    shutil.rmtree(outs, ignore_errors=True)
    return common.fastsim("video", str(clip), "--skip", str(skip), "--outs", str(outs), "-q", *more)


def reference(clip: Path, skip: int, seconds: float) -> list[int]:
    """Return the kept frames of the first part, by the plainest loop."""
    import av

    from fastsim import embedding
    from fastsim.decode.video.pixels import Squarer
    from fastsim.embedding import unit_rows
    from fastsim.model import load_model
    from fastsim.records.rows import FrameBatch

    network = embedding.open_network(load_model(), runtime="openvino", device=CPU, batch=1, threads=2)
    kept: dict[int, np.ndarray] = {}
    squarer = Squarer(CROP)  # the tests hold its pixels to those of an area average of the crop
    with av.open(str(clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if frame.time is not None and frame.time >= seconds - 1e-6:
                break
            if index % skip:
                continue
            square = squarer.square(frame, card_size())
            batch = FrameBatch(np.zeros(1, np.int64), square[None], np.zeros((1, 2), np.int32))
            [(_, raw)] = network.run([batch])
            row = unit_rows(raw)[0].astype(np.float64)
            row /= np.linalg.norm(row)
            if not any(row @ other >= THRES for other in kept.values()):
                kept[index] = row
    return list(kept)


def validate(clip: Path, skip: int, work: Path) -> None:
    seconds = min(60.0, frames_of(clip) / RATE)
    more = ["--end", f"{seconds:g}", "--json", str(work / "r.json")]
    subprocess.run(fastsim_command(clip, skip, work / "outs", *more), check=True)
    [video] = json.loads((work / "r.json").read_text())["videos"]
    got, expected = [frame["index"] for frame in video["kept"]], reference(clip, skip, seconds)
    if got != expected:
        raise SystemExit(f"not valid: fastsim keeps {got}, the plain loop {expected}")
    print(f"valid: {len(got)} kept frames of {seconds:g} s at --skip {skip}, as by the plain loop", flush=True)


def frames_of(clip: Path) -> int:
    import av

    with av.open(str(clip)) as container:
        return int(container.streams.video[0].frames)


def commands(clip: Path, skip: int, work: Path, rivals: Sequence[str]) -> dict[str, list[str]]:
    """{name: command} of fastsim and those of RIVALS; plain decoding does not depend on skip."""
    naive, python = work / "naive", [sys.executable, "-P", "-c"]
    naive.mkdir(exist_ok=True)
    found = {"fastsim": fastsim_command(clip, skip, work / "outs")}
    if "decode" in rivals:
        found["decode"] = [*python, DECODE, str(clip)]
    for rival, (runtime, size) in NAIVE.items():
        if rival in rivals:
            side = size or card_size()
            name = f"naive baseline, {runtime}, {side} px"
            found[name] = [*python, LOOP, str(clip), str(skip), runtime, str(naive), str(side)]
    if "ffmpeg" in rivals and shutil.which("ffmpeg"):
        found["ffmpeg"] = ["ffmpeg", "-v", "error", "-i", str(clip), "-f", "null", "-"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--skips", type=int, nargs="+", default=[1, 5, 10])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rivals", nargs="*", choices=RIVALS, default=RIVALS)
    parser.add_argument("--clip", type=Path, help="use this video (it is drawn there if it does not exist)")
    parser.add_argument("--json")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        clip = options.clip or work / "clip.mp4"
        if not clip.exists():
            draw_clip(clip, options.minutes)
        frames = frames_of(clip)
        validate(clip, max(options.skips), work)
        rows = []
        for skip in options.skips:
            costs: dict[str, list[common.Cost]] = {}
            for _ in range(options.repeats):
                for way in commands(clip, skip, work, options.rivals):
                    command = commands(clip, skip, work, options.rivals)[way]
                    cost = common.measure(command, cwd=str(ROOT))
                    costs.setdefault(way, []).append(cost)
                    print(f"--skip {skip}, {way}: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s", file=sys.stderr, flush=True)
            base = common.median(costs["fastsim"]).wall
            results[str(skip)] = costs
            others = {name: common.median(runs).wall / base for name, runs in costs.items() if name != "fastsim"}
            ratios |= {f"--skip {skip}, {name}": ratio for name, ratio in others.items()}
            rows += [
                (
                    skip, way, f"{frames / common.median(runs).wall:.0f}", common.spread([run.wall for run in runs]),
                    f"{common.median(runs).cpu:.1f}", f"{common.median(runs).peak_mb:.0f}",
                    f"{common.median(runs).wall / base:.2f}",
                )
                for way, runs in costs.items()
            ]  # fmt: skip
    head = ("--skip", "", "frames/s", "wall s, median (range)", "CPU s", "peak MB", "x fastsim's time")
    print(f"{frames} frames of 1080p H.264, {options.repeats} runs in turn, {common.machine()}")
    print(common.table(head, rows))
    common.write_json(options.json, {"frames": frames, "costs": results, "ratios": ratios})


if __name__ == "__main__":
    main()
