"""Choose the pages or frames of a file to compare, and decode them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastsim.decode.damage import held
from fastsim.decode.picture import UnreadableError, first_line
from fastsim.records.arrays import Uint8Array
from fastsim.records.files import Content

MOST_FRAMES = 16
"""Pages or frames that are compared: all, or this many, evenly spaced, with the first and the last."""
MOST_PIXELS = 1 << 32
"""Files with more pixels in all frames together are skipped."""
_REDUCED, _MASK = 1, 4
_SUBFILE_TYPE = 254


def chosen(total: int) -> list[int]:
    """Return the numbers of the frames to compare, of `total`."""
    if total <= MOST_FRAMES:
        return list(range(total))
    return [round(i * (total - 1) / (MOST_FRAMES - 1)) for i in range(MOST_FRAMES)]


def check_work(width: int, height: int, total: int) -> None:
    """Raise UnreadableError if decoding all frames would take too long."""
    if width * height * total > MOST_PIXELS:
        raise UnreadableError(
            f"{total:,} frames of {width}x{height} pixels, more than the limit of {MOST_PIXELS / 1e9:.0f} billion in all"
        )


def pages_of(image: Any) -> list[int]:
    """Return the pages of a TIFF, without smaller copies and masks of other pages."""
    pages = []
    for number in range(image.n_frames):
        image.seek(number)
        if not int(image.tag_v2.get(_SUBFILE_TYPE, 0) or 0) & (_REDUCED | _MASK):
            pages.append(number)
    return pages or [0]


def views_of_all(
    numbers: Sequence[int], views_of: Callable[[int], list[Uint8Array]], kind: int, damage: str
) -> tuple[tuple[Uint8Array, ...], Content]:
    """Return the views of the frames `numbers`, the main ones first, then those on other backgrounds.

    kind: see `Content`. views_of(number) returns the views of one frame, and raises what its decoder raises. If later
    frames cannot be read, those before them are compared. Raises UnreadableError if too few can be read.
    """
    found: list[list[Uint8Array]] = []
    total = abs(kind)
    for number in numbers:
        try:
            found.append(views_of(number))
        except UnreadableError as error:
            damage = damage or str(error)
            break
        except (OSError, EOFError, SyntaxError, ValueError, IndexError) as error:
            damage = damage or f"frame {number + 1} of {total}: {first_line(error)}"
            break
    held(damage, len(found) / len(numbers))
    squares = [one[0] for one in found]
    if any(len(one) > 1 for one in found):
        squares += [one[-1] for one in found]
    return tuple(squares), Content(len(squares), len(found), total, kind, damage)
