"""Files with several pages or frames: which are compared, and what each of them shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastsim.decode.damage import held
from fastsim.decode.picture import UnreadableError, first_line
from fastsim.records import Content, Uint8Array

MOST_FRAMES = 16
"""Pages or frames that are compared: all, or so many of them, evenly spaced, the first and the last included."""
MOST_PIXELS = 1 << 32
"""Pixels of all frames together that are decoded; a file with more is skipped."""
_REDUCED, _MASK = 1, 4
_SUBFILE_TYPE = 254


def chosen(total: int) -> list[int]:
    """The frames to compare, of `total`."""
    if total <= MOST_FRAMES:
        return list(range(total))
    return [round(i * (total - 1) / (MOST_FRAMES - 1)) for i in range(MOST_FRAMES)]


def check_work(width: int, height: int, total: int) -> None:
    """Raises UnreadableError where decoding all frames would take too long."""
    if width * height * total > MOST_PIXELS:
        raise UnreadableError(
            f"{total:,} frames of {width}x{height} pixels, more than the limit of {MOST_PIXELS / 1e9:.0f} billion in all"
        )


def pages_of(image: Any) -> list[int]:
    """The pages of a TIFF: its images without those that are smaller copies or masks of others."""
    pages = []
    for number in range(image.n_frames):
        image.seek(number)
        if not int(image.tag_v2.get(_SUBFILE_TYPE, 0) or 0) & (_REDUCED | _MASK):
            pages.append(number)
    return pages or [0]


def views_of_all(
    numbers: Sequence[int], views_of: Callable[[int], list[Uint8Array]], kind: int, damage: str
) -> tuple[tuple[Uint8Array, ...], Content]:
    """The views of the frames `numbers`, the main ones first, then those on other backgrounds.

    kind: see `Content`. views_of(number): the views of one frame; raises what its decoder raises. Where the later frames
    can't be read, those before them are compared. Raises UnreadableError where too few can be.
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
