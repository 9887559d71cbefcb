"""What decoding one file gives, and what it raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastsim.records import INTACT_STILL, Content, Uint8Array

ChooseSize = Callable[[int, int], int]
"""choose_size(width, height): the side in pixels of the square that a picture is resized to."""


class UnreadableError(Exception):
    """The file is no picture that can be decoded; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded file.

    squares: RGB uint8[side, side, 3] each, `content.views` of them; size: the picture's own width and height in pixels
    as a viewer shows it.
    """

    squares: tuple[Uint8Array, ...]
    size: tuple[int, int]
    content: Content = INTACT_STILL


def first_line(error: BaseException) -> str:
    """The first line of a library's error text, fit for a list."""
    text = str(error).strip().splitlines()
    return text[0][:200] if text else type(error).__name__
