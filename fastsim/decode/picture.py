"""Hold the result of decoding one file, and the error that decoding raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastsim.records.arrays import Uint8Array
from fastsim.records.files import INTACT_STILL, Content

ChooseSize = Callable[[int, int], int]
"""choose_size(width, height): side in pixels of the square to which an image is resized."""


class UnreadableError(Exception):
    """Report a file that cannot be decoded; the text gives the reason, in one line."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded file.

    squares: RGB uint8[side, side, 3] each, `content.views` of them; size: width and height of the image in pixels, as
    a viewer shows it.
    """

    squares: tuple[Uint8Array, ...]
    size: tuple[int, int]
    content: Content = INTACT_STILL


def first_line(error: BaseException) -> str:
    """Return the first line of a library's error text."""
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
