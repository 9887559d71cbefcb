"""Files that other decoders show otherwise: the first frame of each through ours, Pillow, OpenCV, ImageMagick and FFmpeg.

    python -m bench.decoders FOLDER
    python -m bench.decoders FOLDER --levels 2 --verbose        # a smaller difference; files that all agree on, too

Each decoder's image is resized to the same square by the same function, and the mean absolute difference from ours is
printed in levels of 0 to 255 for each file on which one of them differs by more than --levels. `-`: it does not read the
file. Programs that are not installed are left out. bench/README.md explains each kind of difference.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from bench import common
from fastsim.decode.decoder import decode_file
from fastsim.decode.picture import UnreadableError
from fastsim.decode.shrink import square

Decoder = Callable[[Path], np.ndarray | None]
"""decode(path): RGB uint8[h, w, 3] as it is shown on white, or None for a file that it does not read."""
SIDE = 128
_SECONDS = 20
"""Longest run of a program over one file."""


def pillow(path: Path) -> np.ndarray | None:
    """Decode with Pillow: EXIF orientation applied, transparency on white, profiles and 16 bits as Pillow leaves them."""
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            shown = ImageOps.exif_transpose(image)
            if shown.has_transparency_data:
                on_white = Image.new("RGBA", shown.size, "white")
                on_white.alpha_composite(shown.convert("RGBA"))
                shown = on_white
            return np.asarray(shown.convert("RGB"))
    return None


def opencv(path: Path) -> np.ndarray | None:
    """Decode with OpenCV's imread, which ignores transparency and profiles."""
    with suppress(cv2.error):
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        return None if bgr is None else np.ascontiguousarray(bgr[..., ::-1])
    return None


def imagemagick(path: Path) -> np.ndarray | None:
    """Decode with ImageMagick's convert, on white."""
    options = ["-auto-orient", "-background", "white", "-alpha", "remove", "-depth", "8", "-colorspace", "sRGB"]
    return _printed("convert", f"{path}[0]", *options, "ppm:-")


def ffmpeg(path: Path) -> np.ndarray | None:
    """Decode with FFmpeg, which has no profiles and shows transparency on black."""
    options = ["-frames:v", "1", "-f", "image2pipe", "-pix_fmt", "rgb24", "-c:v", "ppm"]
    return _printed("ffmpeg", "-v", "quiet", "-nostdin", "-i", str(path), *options, "-")


DECODERS: dict[str, Decoder] = {"pillow": pillow, "opencv": opencv, "imagemagick": imagemagick, "ffmpeg": ffmpeg}
_PROGRAMS = {"imagemagick": "convert", "ffmpeg": "ffmpeg"}


def main() -> None:
    """Print a table of the files on which decoders differ, and how many they agree on."""
    options = parsed()
    decoders = {name: one for name, one in DECODERS.items() if shutil.which(_PROGRAMS.get(name, "true"))}
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    rows, agreed = [], 0
    for path in sorted(path for path in Path(options.folder).rglob("*") if path.is_file()):
        ours, reason = decoded(path)
        others = {name: resized(decode(path)) for name, decode in decoders.items()}
        if ours is None and all(other is None for other in others.values()):
            continue
        levels = {name: difference(ours, other) for name, other in others.items()}
        if differs(ours, others, levels, options.levels):
            rows.append((path.name, reason, *(_cell(others[name], levels[name]) for name in decoders)))
        else:
            agreed += 1
            if options.verbose:
                rows.append((path.name, "agreed", *(_cell(others[name], levels[name]) for name in decoders)))
    print(common.table(["file", "ours", *decoders], rows))
    print(f"\n{len(rows)} files; on {agreed} more all decoders that read them agree within {options.levels:g} levels")


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--levels", type=float, default=4.0, help="mean difference to report (default: 4)")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def decoded(path: Path) -> tuple[np.ndarray | None, str]:
    """Return our square, or None, and what is to be said of it."""
    try:
        picture = decode_file(str(path), lambda _width, _height: SIDE)
    except UnreadableError as error:
        return None, f"- ({error})"
    return picture.squares[0], f"damaged ({picture.content.damage})" if picture.content.damage else "read"


def differs(
    ours: np.ndarray | None, others: dict[str, np.ndarray | None], levels: dict[str, float], most: float
) -> bool:
    """Return whether a decoder reads what ours does not, or has another image."""
    if ours is None:
        return any(other is not None for other in others.values())
    return any(level > most for level in levels.values())


def resized(image: np.ndarray | None) -> np.ndarray | None:
    """Return the square of an image."""
    return None if image is None else square(image, SIDE)


def difference(one: np.ndarray | None, other: np.ndarray | None) -> float:
    """Return the mean absolute difference in levels; 0 where one is missing."""
    if one is None or other is None:
        return 0.0
    return float(np.abs(one.astype(np.int16) - other).mean())


def _cell(image: np.ndarray | None, level: float) -> str:
    return "-" if image is None else f"{level:.1f}"


def _printed(program: str, *arguments: str) -> np.ndarray | None:
    with suppress(subprocess.TimeoutExpired, OSError, ValueError):
        done = subprocess.run([program, *arguments], capture_output=True, check=False, timeout=_SECONDS)
        with Image.open(io.BytesIO(done.stdout), formats=["PPM"]) as image:
            return np.asarray(image.convert("RGB"))
    return None


if __name__ == "__main__":
    main()
