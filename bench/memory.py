"""Measure the peak memory of runs over large images, and over small files that ask for gigabytes.

    python -m bench.memory [--count 20] [--megapixels 120] [--limit-gb 6] [--json FILE]

Draws `count` images of `megapixels` each as PNG, JPEG (baseline and progressive), PNG with alpha and TIFF, in turn, and runs
`fastsim images` over them with RLIMIT_AS set. The run must read every image, within PEAK_MB. Then files of a few bytes, whose
headers ask for gigabytes, must be skipped or read within SMALL_MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from bench import common

PEAK_MB = 1500
SMALL_MB = 700
KINDS = ("png", "jpg", "progressive.jpg", "alpha.png", "tif")


def draw(path: Path, side: int, seed: int) -> None:
    """Draw a picture of side x side pixels: soft colours, so that drawing 120 megapixels takes seconds."""
    small = np.random.default_rng(seed).integers(0, 255, (12, 12, 4 if "alpha" in path.name else 3)).astype(np.uint8)
    image = Image.fromarray(small).resize((side, side), Image.Resampling.BILINEAR)
    options = {"compress_level": 1} if path.suffix == ".png" else {}
    if path.suffix == ".jpg":
        options = {"quality": 85, "progressive": "progressive" in path.name}
    image.save(path, **options)


def bombs(folder: Path) -> None:
    """Files of a few bytes that ask for gigabytes."""

    def chunk(name: bytes, body: bytes, length: int | None = None) -> bytes:
        return (
            struct.pack(">I", len(body) if length is None else length)
            + name
            + body
            + struct.pack(">I", zlib.crc32(name + body))
        )

    def png(width: int, height: int, *chunks: bytes, colour: int = 6) -> bytes:
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks)

    nothing = zlib.compress(b"")
    (folder / "header.png").write_bytes(png(22000, 22000, chunk(b"IDAT", nothing), chunk(b"IEND", b"")))
    (folder / "narrow.png").write_bytes(png(1, 500_000_000, chunk(b"IDAT", nothing)))
    (folder / "length.png").write_bytes(png(64, 64, chunk(b"IDAT", nothing, 0x7FFFFFFF)))
    (folder / "text.png").write_bytes(png(64, 64, chunk(b"tEXt", b"a\0b", 0x7FFFFFF0)))
    canvas = b"GIF89a" + struct.pack("<HHBBB", 60000, 8000, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    (folder / "canvas.gif").write_bytes(canvas + frame * 500 + b"\x3b")
    bmp = struct.pack("<IiiHHIIiiII", 40, 30000, 16000, 1, 8, 1, 0, 0, 0, 0, 0)
    (folder / "rle.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 1078, 0, 0, 1078) + bmp + bytes(1024))
    with open(folder / "sparse.jpg", "wb") as stream:
        stream.truncate(1_500_000_000)


def peak(folder: Path, limit: int, work: Path) -> tuple[float, dict[str, object]]:
    """(peak MB, the JSON) of one run under RLIMIT_AS."""
    result = work / "result.json"
    result.unlink(missing_ok=True)
    command = common.fastsim("images", str(folder), "--dry-run", "--quiet", "--no-cache", "--json", str(result))
    code = (
        "import resource, subprocess, sys; "
        f"resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit})); "
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"not valid: fastsim ended with {done.returncode} in {folder.name}")
    kilobytes = 1 if sys.platform != "darwin" else 1 / 1024
    return float(done.stdout.split()[-1]) * kilobytes / 1024, json.loads(result.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--megapixels", type=float, default=120)
    parser.add_argument("--limit-gb", type=float, default=6, help="RLIMIT_AS; OpenVINO alone maps more than 1 GB")
    parser.add_argument("--json")
    options = parser.parse_args()
    side, limit = int((options.megapixels * 1e6) ** 0.5), int(options.limit_gb * 1e9)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        large, small = work / "large", work / "small"
        large.mkdir(), small.mkdir()
        for number in range(options.count):
            draw(large / f"{number:02d}.{KINDS[number % len(KINDS)]}", side, number)
        bombs(small)
        label = f"{options.count} pictures of {options.megapixels:g} megapixels"
        figures[label], found = peak(large, limit, work)
        if found["skipped"]:
            raise SystemExit(f"not valid: {len(found['skipped'])} pictures were skipped, first {found['skipped'][0]}")
        figures["small files that ask for much"], found = peak(small, limit, work)
        for item in found["skipped"]:
            print(f"skipped {Path(item['path']).name}: {item['reason']}")
    for what, most in zip(figures, (PEAK_MB, SMALL_MB), strict=True):
        print(f"{what}: peak {figures[what]:.0f} MB; under {most} MB: {'yes' if figures[what] < most else 'NO'}")
    common.write_json(options.json, {"peak_mb": figures, "limit_gb": options.limit_gb})
    if any(figures[what] >= most for what, most in zip(figures, (PEAK_MB, SMALL_MB), strict=True)):
        raise SystemExit(1)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
