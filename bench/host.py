"""Measure what the host's Python costs per image before a decoder gets it: read, header, digest, alone and by arenas.

    python -m bench.host [--count 400] [--json FILE]

Everything except the work on bytes holds the interpreter's lock, so that no number of threads exceeds its 1 / time. Each step is
timed on one thread, on JPEGs of about 1 kB and of about 60 kB: the time of the smaller ones hardly depends on bytes, and is an
upper bound for the time under the lock. Results of both ways are compared before they are timed. Digests by blake3 and xxhash
are included if those packages are installed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench import common
from fastsim.inputs.arena import Arena, Digest, read_files
from fastsim.inputs.headers import read_header

SIDES = (16, 400)
"""Of the pictures, in pixels: about 1 kB and 60 kB of noise."""
FILES_AN_ARENA = 64
LIMIT = 25.0
"""Microseconds an image that the arena may hold the lock."""


def blake2b(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def digests() -> dict[str, Digest]:
    """Those that can be had here, by name."""
    found: dict[str, Digest] = {"blake2b": blake2b}
    for package, make in (
        ("blake3", lambda m: lambda d: m.blake3(d).digest()),
        ("xxhash", lambda m: m.xxh3_128_digest),
    ):
        try:
            found[package] = make(importlib.import_module(package))
        except ImportError:
            continue
    return found


def pillow_header(data: bytes) -> tuple[tuple[int, int], int]:
    """((width, height) as stored, EXIF orientation)."""
    picture = Image.open(io.BytesIO(data), formats=("JPEG",))
    return picture.size, picture.getexif().get(0x0112, 1)


def read_one_by_one(paths: Sequence[str]) -> list[bytes]:
    contents = []
    for path in paths:
        with open(path, "rb") as file:
            contents.append(file.read())
    return contents


def in_arenas(paths: Sequence[str], digest: Digest | None) -> list[Arena]:
    runs = range(0, len(paths), FILES_AN_ARENA)
    return [read_files(paths[k : k + FILES_AN_ARENA], digest) for k in runs]


def drawn(folder: Path, count: int, side: int) -> list[str]:
    """JPEGs of noise, `side` x `side` pixels."""
    draw = np.random.default_rng(side)
    folder.mkdir()
    for k in range(count):
        picture = draw.integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(picture).save(folder / f"{k}.jpg", quality=50)
    return [str(folder / f"{k}.jpg") for k in range(count)]


def validate(paths: Sequence[str]) -> None:
    """Both ways read the same. Raises AssertionError."""
    contents, arenas = read_one_by_one(paths), in_arenas(paths, blake2b)
    assert [view.tobytes() for arena in arenas for view in arena.views()] == contents
    assert [digest for arena in arenas for digest in arena.digests] == [blake2b(data) for data in contents]
    for data, header in zip(contents, (h for arena in arenas for h in arena.headers), strict=True):
        assert ((header.width, header.height), header.orientation) == pillow_header(data)


def steps(paths: Sequence[str]) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name."""
    contents = read_one_by_one(paths)
    named: dict[str, Callable[[], object]] = {
        "one by one: read": lambda: read_one_by_one(paths),
        "one by one: header by Pillow": lambda: [pillow_header(data) for data in contents],
        "one by one: header by the core": lambda: [read_header(data) for data in contents],
    }
    for name, digest in digests().items():
        named[f"one by one: {name}"] = lambda d=digest: [d(memoryview(data)) for data in contents]  # type: ignore[misc]
    named["arena: read and header"] = lambda: in_arenas(paths, None)
    for name, digest in digests().items():
        named[f"arena: read, header, {name}, views"] = lambda d=digest: [a.views() for a in in_arenas(paths, d)]  # type: ignore[misc]
    return named


def microseconds(work: Callable[[], object], count: int, repeats: int) -> list[float]:
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) / count * 1e6)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json")
    options = parser.parse_args()
    taken: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for side in SIDES:
            paths = drawn(Path(folder) / str(side), options.count, side)
            validate(paths)
            mean = sum(Path(path).stat().st_size for path in paths) / len(paths)
            print(f"{len(paths)} files of {mean / 1e3:.1f} kB")
            for name, work in steps(paths).items():
                taken.setdefault(name, []).append(microseconds(work, options.count, options.repeats))
    rows = [(name, *(common.spread(values) for values in sides)) for name, sides in taken.items()]
    print(common.table(("microseconds an image, one thread", "about 1 kB", "about 60 kB"), rows))
    arenas = {name: min(sides[0]) for name, sides in taken.items() if name.startswith("arena: read, header, ")}
    best = min(arenas, key=lambda name: arenas[name])
    rate = f"{1e6 / arenas[best]:.0f} images/s at least"
    print(
        f"{best}: {arenas[best]:.1f} us an image at most under the lock (goal: {LIMIT:.0f}), so {rate}; the least of all runs"
    )
    common.write_json(options.json, {"microseconds": taken, "sides": SIDES})


if __name__ == "__main__":
    main()
