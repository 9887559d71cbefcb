"""Read the block structure of a GIF: the number of frames, the canvas, and whether the end is present."""

from __future__ import annotations

from dataclasses import dataclass

from fastsim.decode.picture import UnreadableError

_LEAST = 12
"""Bytes of the smallest frame: its descriptor and an empty block of pixels."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The structure of a GIF. width, height: of the canvas, enlarged to frames that reach beyond it."""

    width: int
    height: int
    frames: int
    damage: str


def read(data: bytes) -> Blocks:
    """Walk the blocks. Raises UnreadableError if there is no frame."""
    width, height = (int.from_bytes(data[at : at + 2], "little") for at in (6, 8))
    at, frames, damage = 13 + _table(data[10:11]), 0, "cut short"
    while at < len(data):
        kind = data[at]
        if kind == 0x3B:
            damage = ""
            break
        if kind == 0x21:
            at = _after_blocks(data, at + 2)
        elif kind == 0x2C:
            if at + _LEAST > len(data):
                break
            left, top, across, down = (int.from_bytes(data[at + k : at + k + 2], "little") for k in (1, 3, 5, 7))
            width, height = max(width, left + across), max(height, top + down)
            frames += 1
            at = _after_blocks(data, at + 11 + _table(data[at + 9 : at + 10]))
        else:
            at += 1  # garbage between blocks; viewers search for the next one
    if at == len(data) and damage and data[-1:] == b"\0" and frames:
        damage = ""  # all blocks are present; only the end mark is missing
    if not frames or 0 in (width, height):
        raise UnreadableError("damaged: a GIF without an image")
    return Blocks(width, height, frames, damage)


def _table(flags: bytes) -> int:
    """Return the size in bytes of the colour table that the flags announce."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Return the offset after the blocks that begin at `at`; beyond the end if the last one is missing."""
    while at < len(data):
        length = data[at]
        at += length + 1
        if length == 0:
            return at
    return len(data) + 1
