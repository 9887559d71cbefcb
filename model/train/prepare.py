"""Step 1: folders or tars of pictures -> shards of encoded pictures, near-duplicates dropped, within a budget of bytes.

    python -m model.train.prepare PICTURES... --out DATA [--budget-mb 55] [--shard-mb 28]

A shard is an .npz with `blob` uint8[bytes] (JPEG or WebP files, one after another), `ends` int64[n], `source` int32[n] (an index
into `sources`, the part of a file's name before its number, or its folder) and `aspect` float32[n]. The first one also
has `masks`, the bank for captions. Encoded pictures travel well; `load` decodes them all into memory in seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import re
import tarfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from . import procedural, templates
from .captions import draw_masks, find_fonts
from .procedural import PAINTERS, paint

LADDER = ((224, 90), (224, 80), (224, 65), (192, 65), (160, 65), (160, 50), (128, 50), (112, 40))
"""Short side in pixels and WebP quality, dearest first: the first that fits the budget is taken."""
FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/Library/Fonts"), Path("C:/Windows/Fonts"))


@dataclass(frozen=True, slots=True)
class Pictures:
    """A training set in memory.

    pixels: uint8[n, side, side, 3] RGB, squashed to squares; aspect: float64[n], true width / height; source: int32[n],
    pictures of one source look alike; masks: uint8[m, 1, h, w], ink for captions.
    """

    pixels: NDArray[np.uint8]
    aspect: NDArray[np.float64]
    source: NDArray[np.int32]
    masks: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.pixels)

    def split(self, every: int = 16) -> tuple[Pictures, Pictures]:
        """Those to train on, and each `every`-th one, held out to calibrate on: the same ones in every step."""
        held = np.arange(len(self)) % every == every - 1
        trained, kept = (Pictures(self.pixels[m], self.aspect[m], self.source[m], self.masks) for m in (~held, held))
        return trained, kept


def read_inputs(inputs: list[Path]) -> Iterator[tuple[str, bytes]]:
    """(source, file's bytes) of every file in folders and tars, tars inside folders too, in the order of names."""
    for root in inputs:
        for path in sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]:
            if path.suffix == ".tar":
                yield from read_tar(path)
            else:
                yield source_of(path.name, path.parent.name), path.read_bytes()


def read_tar(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        for member in sorted((m for m in tar if m.isfile()), key=lambda m: m.name):
            handle = tar.extractfile(member)
            if handle is not None:
                yield source_of(Path(member.name).name, path.stem), handle.read()


def source_of(name: str, folder: str) -> str:
    """`grocery` for grocery_00012.webp; the folder for a name without such a number."""
    match = re.fullmatch(r"(.+?)[_-]\d+\.\w+", name)
    return match[1] if match else folder


def difference_hash(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 256 bits, uint8[32]: whether each of 16 x 17 grey cells is brighter than its left neighbour."""
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (17, 16), interpolation=cv2.INTER_AREA)
    return np.packbits(grey[:, 1:] > grey[:, :-1])


def distinct(hashes: NDArray[np.uint8], bits: int = 28) -> NDArray[np.bool_]:
    """Which rows of uint8[n, 32] to keep: no row within `bits` of a row kept before it."""
    keep = np.ones(len(hashes), bool)
    for i in range(1, len(hashes)):
        before = np.flatnonzero(keep[:i])
        keep[i] = np.bitwise_count(hashes[before] ^ hashes[i]).sum(1).min(initial=256) > bits
    return keep


def shrink(picture: NDArray[np.uint8], short_side: int) -> NDArray[np.uint8]:
    h, w = picture.shape[:2]
    if min(h, w) <= short_side:
        return picture
    scale = short_side / min(h, w)
    return cv2.resize(picture, (max(1, round(w * scale)), max(1, round(h * scale))), interpolation=cv2.INTER_AREA)


def encode(picture: NDArray[np.uint8], side: int, quality: int) -> NDArray[np.uint8]:
    return cv2.imencode(".webp", shrink(picture, side), [cv2.IMWRITE_WEBP_QUALITY, quality])[1]


def pick_rung(pictures: list[NDArray[np.uint8]], budget: float) -> tuple[int, int]:
    """Return the dearest (side, quality) whose estimated total, from a sample of 300 pictures, is within `budget` bytes."""
    sample = pictures[:: max(1, len(pictures) // 300)]
    for side, quality in LADDER:
        mean = float(np.mean([len(encode(picture, side, quality)) for picture in sample]))
        if mean * len(pictures) * 1.03 <= budget:
            return side, quality
    raise SystemExit(
        f"{len(pictures)} pictures do not fit {budget / 1e6:.0f} MB at {LADDER[-1]}: give fewer, or a larger budget"
    )


def write_shards(
    out: Path,
    files: list[NDArray[np.uint8]],
    extra: dict[str, NDArray[np.generic]],
    names: list[str],
    *,
    fonts: list[Path],
    shard: float,
) -> int:
    """Write shard-00.npz and so on, each about `shard` bytes, captions in `fonts` in the first; return how many."""
    sizes = np.array([len(file) for file in files])
    part = ((np.cumsum(sizes) - sizes) // shard).astype(int)
    masks = draw_masks(512, fonts)
    for i in range(part.max() + 1):
        rows = np.flatnonzero(part == i)
        content: dict[str, NDArray[np.generic]] = {key: value[rows] for key, value in extra.items()}
        content |= {
            "blob": np.concatenate([files[r] for r in rows]),
            "ends": np.cumsum(sizes[rows]),
            "sources": np.array(names),
        }
        if i == 0:
            content["masks"] = masks
        np.savez_compressed(out / f"shard-{i:02d}.npz", **content)
    return int(part.max()) + 1


def painted_pictures(data: Path, side: int, count: int, workers: int = 2) -> NDArray[np.uint8]:
    """Return the first `count` procedural pictures, uint8[count, side, side, 3].

    They are drawn once and kept in `data`, under a name that changes with the painters: a run in several pieces draws
    them in the first one only.
    """
    if count == 0:
        return np.empty((0, side, side, 3), np.uint8)
    sources = b"".join(Path(str(module.__file__)).read_bytes() for module in (procedural, templates))
    path = data / f"painted-{side}-{count}-{hashlib.sha256(sources).hexdigest()[:8]}.npy"
    if not path.exists():
        # Processes: the painters are Python for the most part. Spawned: OpenCV's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            drawn = list(pool.map(partial(_painted, side=side), range(count), chunksize=32))
        with path.with_suffix(".new").open("wb") as file:
            np.save(file, np.stack(drawn))
        os.replace(path.with_suffix(".new"), path)
    pictures: NDArray[np.uint8] = np.load(path)
    return pictures


def _painted(seed: int, side: int) -> NDArray[np.uint8]:
    return paint(seed, side)[1]


def load(data: Path, side: int, painted: int = 0, threads: int = 2) -> Pictures:
    """Decode every shard under `data` to squares of `side` pixels; add `painted` procedural pictures."""
    paths = sorted(data.glob("shard-*.npz"))
    if not paths:
        raise SystemExit(f"{data}: no shard-*.npz there; run python -m model.train.prepare first")
    files: list[NDArray[np.uint8]] = []
    aspects: list[NDArray[np.float64]] = []
    sources: list[NDArray[np.int32]] = []
    masks = np.zeros((1, 1, 48, 192), np.uint8)
    names: list[str] = []
    for path in paths:
        with np.load(path) as shard:
            files += np.split(shard["blob"], shard["ends"][:-1])
            aspects.append(shard["aspect"])
            sources.append(shard["source"])
            names = [str(name) for name in shard["sources"]]
            masks = shard.get("masks", masks)
    n = len(files)
    pixels = np.empty((n + painted, side, side, 3), np.uint8)

    def decode(i: int) -> None:
        picture = cv2.cvtColor(cv2.imdecode(files[i], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        large = min(picture.shape[:2]) > side
        pixels[i] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if large else cv2.INTER_LINEAR)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(decode, range(n)))
    pixels[n:] = painted_pictures(data, side, painted, threads)
    kinds = (len(names) + np.arange(painted) % len(PAINTERS)).astype(np.int32)
    aspect = np.concatenate([*aspects, np.ones(painted)]).astype(np.float64)
    return Pictures(pixels, aspect, np.concatenate([*sources, kinds]), masks)


def check_needs(inputs: list[Path], out: Path, folders: list[Path]) -> list[Path]:
    """Make sure of everything that is needed later, before minutes of work; return the fonts for captions.

    Raises SystemExit, in one line, where an input, the folder to write to, Pillow or OpenCV's WebP is missing. Without
    fonts it warns: captions are in Pillow's own font then.
    """
    for path in inputs:
        if not path.exists():
            raise SystemExit(f"{path}: no such folder or .tar file")
    try:
        from PIL import features
    except ImportError:
        raise SystemExit("captions need Pillow; pip install 'pillow>=11.3'") from None
    if not features.check("freetype2"):
        raise SystemExit(
            "captions need Pillow with FreeType, and this one has none; pip install --force-reinstall pillow"
        )
    if not cv2.haveImageWriter("x.webp"):
        raise SystemExit("this OpenCV cannot write WebP; pip install opencv-python-headless")
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "shard-00.npz.new").touch()
        (out / "shard-00.npz.new").unlink()
    except OSError as error:
        raise SystemExit(f"--out {out}: cannot write there ({error.strerror}); give another folder") from None
    fonts = find_fonts(folders)
    if not fonts:
        where = ", ".join(map(str, folders)) or "(no folder)"
        print(f"warning: no TrueType fonts under {where}: captions are in Pillow's own font alone; see --fonts")
    return fonts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", type=Path, help="folders or .tar files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--budget-mb", type=float, default=1000, help="all shards together; pictures are shrunk until they fit"
    )
    parser.add_argument("--shard-mb", type=float, default=28)
    parser.add_argument(
        "--fonts", nargs="*", type=Path, default=list(FONT_FOLDERS), help="folders of TrueType files, for captions"
    )
    options = parser.parse_args()
    fonts = check_needs(options.pictures, options.out, options.fonts)
    names: dict[str, int] = {}
    pictures, hashes, sources = [], [], []
    for source, content in read_inputs(options.pictures):
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        # A blank picture teaches nothing but that blank pictures are distinct, which they are not.
        if picture is None or min(picture.shape[:2]) < 32 or picture.std() < 4:
            continue
        pictures.append(shrink(picture, LADDER[0][0]))
        hashes.append(difference_hash(picture))
        sources.append(names.setdefault(source, len(names)))
    if not pictures:
        raise SystemExit(
            f"{' '.join(map(str, options.pictures))}: no picture that OpenCV can read; give folders or tars"
        )
    keep = np.flatnonzero(distinct(np.stack(hashes)))
    pictures = [pictures[i] for i in keep]
    side, quality = pick_rung(pictures, options.budget_mb * 1e6)
    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(lambda picture: encode(picture, side, quality), pictures))
    aspect = np.array([p.shape[1] / p.shape[0] for p in pictures], np.float32)
    extra: dict[str, NDArray[np.generic]] = {"aspect": aspect, "source": np.array(sources, np.int32)[keep]}
    count = write_shards(options.out, files, extra, list(names), fonts=fonts, shard=options.shard_mb * 1e6)
    total = sum(len(file) for file in files) / 1e6
    print(
        f"{len(hashes)} pictures read, {len(files)} distinct, {len(names)} sources; "
        f"side {side}, quality {quality}: {total:.1f} MB in {count} shards"
    )


if __name__ == "__main__":
    main()
