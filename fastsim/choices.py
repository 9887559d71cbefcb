"""Define the words that options take, as enumerations; importing them loads nothing else."""

from __future__ import annotations

from enum import StrEnum


class DeviceKind(StrEnum):
    """The words that --device takes besides `cuda:N` and `cuda:N,M`."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Runtime(StrEnum):
    """The words that --runtime takes."""

    AUTO = "auto"
    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"


class Pairs(StrEnum):
    """Whether a RAW file and the JPEG or HEIC file of the same shot are one unit or two images."""

    KEEP = "keep"
    SPLIT = "split"


class ImageFormat(StrEnum):
    """File formats of saved frames."""

    JPG = "jpg"
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"


class Mode(StrEnum):
    """What happens to the groups: each gets a folder of its own, or all but the keepers are removed."""

    GROUP_COPY = "group_copy"
    GROUP_MOVE = "group_move"
    CLEAN_MOVE = "clean_move"
    CLEAN_DELETE = "clean_delete"
    LINK_HARD = "link_hard"
    LINK_SYMBOLIC = "link_symbolic"
    LINK_REFLINK = "link_reflink"
    LIST = "list"


LINK_MODES = (Mode.LINK_HARD, Mode.LINK_SYMBOLIC, Mode.LINK_REFLINK)
"""Modes that put links to the keepers in the place of the other files."""
EQUAL_MODES = (Mode.LINK_HARD, Mode.LINK_REFLINK)
"""Modes for files that are equal byte for byte."""


class DropMode(StrEnum):
    """The modes of `Mode` that remove files."""

    CLEAN_MOVE = "clean_move"
    CLEAN_DELETE = "clean_delete"


class Flag(StrEnum):
    """What --flag marks."""

    BLUR = "blur"
    DARK = "dark"
    BRIGHT = "bright"
    LOW_INFORMATION = "low-information"


class Scope(StrEnum):
    """Which pairs of files are compared: all, or those of different inputs, or those of one input."""

    ALL = "all"
    BETWEEN = "between"
    WITHIN = "within"


class GroupBy(StrEnum):
    """What a group folder holds: a whole component, or one keeper and what it covers."""

    COMPONENT = "component"
    KEEPER = "keeper"
