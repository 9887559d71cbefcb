"""Describe the network: its file, the input it takes, and the hash that identifies it."""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastsim.errors import UsageError, shown

_HERE = Path(__file__).parent
_PACKAGED = (_HERE / "model" / "model.onnx", _HERE.parent / "model" / "model.onnx")
"""Where CMake installs it, and where it is in a checkout that is used in place."""

MAX_BYTES = 2 * 2**30
"""An ONNX file is a protobuf message, which cannot be larger; larger models keep weights in files of their own."""
_MAX_CARD = 1 << 20

USUAL_SIZE = 224
"""In pixels: the input size for which most networks of this kind are made."""

_BYTES = ("u8", "uint8", "uint8_t", "tensor(uint8)")
"""Names of the type in OpenVINO and ONNX Runtime."""

_INPUT_KEYS = ("layout", "colour", "range", "mean", "std", "size")
_CARD_HINT = "docs/model.md lists what the card may hold"


@dataclass(frozen=True, slots=True)
class InputFormat:
    """How RGB bytes become the network's input: (value / 255 * range - mean) / std, per channel."""

    uint8: bool
    """True: the graph takes RGB bytes itself, and the numbers below are not used."""
    layout: str
    """`NHWC` or `NCHW`."""
    colour: str = "RGB"
    """`RGB` or `BGR`."""
    range: float = 1.0
    """Value of a white byte before mean and std: 1 or 255."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Model:
    """An ONNX file and its card, a JSON file of the same name beside it.

    sha256: of the ONNX file, hexadecimal. `card` is empty if there is none.
    """

    path: Path
    sha256: str
    card: dict[str, Any]

    def input_format(self, element: str, shape: Sequence[int | None]) -> InputFormat:
        """Return the input format from the graph and the card.

        element: type such as `uint8` or `float`; shape: None for dynamic dimensions. Raises UsageError if graph and
        card contradict each other or leave the layout open.
        """
        card = self._section("input")
        if len(shape) != 4:
            raise UsageError(
                f"--model {self.path}: its input has shape {list(shape)}; an image batch of 4 axes is needed"
            )
        layout = _choice(self.path, card, "layout", ("NHWC", "NCHW"), _layout_of(shape))
        if layout is None:
            raise UsageError(
                f"--model {self.path}: its input shape {list(shape)} does not say where the 3 channels are; "
                f'put {{"input": {{"layout": "NCHW"}}}} into {self.card_path.name} beside it'
            )
        channels, other = (shape[3], shape[1]) if layout == "NHWC" else (shape[1], shape[3])
        if channels != 3 and not (channels is None and other != 3):
            raise UsageError(
                f"--model {self.path}: {channels} channels for layout {layout}; 3 are needed ({_CARD_HINT})"
            )
        if element in _BYTES:
            if unused := [key for key in ("range", "mean", "std") if key in card]:
                raise UsageError(
                    f"{self.card_path}: input.{unused[0]} is for networks that take floats; this takes bytes"
                )
            return InputFormat(True, layout)
        if not any(name in element for name in ("float", "double", "f16", "f32", "f64")):
            raise UsageError(f"--model {self.path}: its input is of type {element}; uint8 or float is needed")
        colour = _choice(self.path, card, "colour", ("RGB", "BGR"), "RGB")
        white = card.get("range", 1)
        if white not in (1, 255):
            raise UsageError(f"{self.card_path}: input.range must be 1 or 255 (got {white!r}; {_CARD_HINT})")
        mean, std = (_three(self.card_path, card, key, default) for key, default in (("mean", 0.0), ("std", 1.0)))
        if not all(value > 0 and math.isfinite(value) for value in std):
            raise UsageError(f"{self.card_path}: input.std is {list(std)}; numbers above 0 are needed ({_CARD_HINT})")
        return InputFormat(False, layout, str(colour), float(white), mean, std)

    @property
    def card_digest(self) -> str:
        """Return a short digest of what the card says about the input, which changes the vectors as the weights do."""
        return hashlib.sha256(json.dumps(self.card.get("input"), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def dims(self) -> int | None:
        """Return the length of the vectors, if the card states it."""
        section = self.card.get("output")
        dims = section.get("dim") if isinstance(section, dict) else None
        return dims if isinstance(dims, int) and dims > 0 else None

    @property
    def card_path(self) -> Path:
        """Return where the card is, if there is one."""
        return self.path.with_suffix(".json")

    def _section(self, key: str) -> dict[str, Any]:
        section = self.card.get(key, {})
        if not isinstance(section, dict):
            raise UsageError(f"{self.card_path}: {key!r} is {section!r}; an object is needed ({_CARD_HINT})")
        return section


def load_model(path: str | None = None) -> Model:
    """Return the model at `path`, or the packaged one. Raises UsageError if it or its card cannot be used."""
    file = _file(path)
    try:
        _check_file(file)
        with open(file, "rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"--model {file}: {error.strerror}; name an ONNX file that can be read") from None
    card = _read_card(file.with_suffix(".json"))
    if card.get("sha256", sha256) != sha256:
        raise UsageError(
            f"{file.with_suffix('.json')}: describes another file (its sha256 is not that of {file.name}); get both anew"
        )
    return Model(file, sha256, card)


def _check_file(file: Path) -> None:
    """Raise UsageError for a file that is not regular, which may have no end, or too large for a network; OSError."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"--model {shown(str(file))}: not a regular file; name an ONNX file")
    if not 0 < status.st_size <= MAX_BYTES:
        raise UsageError(
            f"--model {shown(str(file))}: {status.st_size:,} bytes; an ONNX file of at most {MAX_BYTES // 2**30} GiB is needed"
        )


def _file(path: str | None) -> Path:
    if path is not None:
        return Path(path)
    return next((place for place in _PACKAGED if place.exists()), _PACKAGED[0])


def card_size(path: str | None = None) -> int:
    """Return the side in pixels that the card of the model at `path` (None: the packaged one) states.

    Without a card, or if it states none, that is USUAL_SIZE. Raises UsageError.
    """
    card = _file(path).with_suffix(".json")
    section = _read_card(card).get("input")
    size = section.get("size") if isinstance(section, dict) else None
    if size is None:
        return USUAL_SIZE
    if not (type(size) is int and size in range(64, 513, 16)):
        raise UsageError(f"{card}: input.size must be a multiple of 16 from 64 to 512 (got {size!r}; {_CARD_HINT})")
    return size


def _read_card(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _MAX_CARD:
            raise ValueError(f"more than {_MAX_CARD:,} bytes")
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a JSON file that can be read ({error}); {_CARD_HINT}") from None
    if not isinstance(card, dict):
        raise UsageError(f"{path}: holds a {type(card).__name__}; an object is needed ({_CARD_HINT})")
    _check_keys(path, card)
    return card


def _check_keys(path: Path, card: dict[str, Any]) -> None:
    """Raise UsageError for an unknown key, which would be ignored while the vectors are wrong."""
    if astray := [key for key in _INPUT_KEYS if key in card]:
        raise UsageError(f'{path}: {astray[0]!r} stands alone; it belongs into {{"input": {{...}}}} ({_CARD_HINT})')
    section = card.get("input")
    known = (*_INPUT_KEYS, "name", "dtype")
    unknown = [key for key in section if key not in known] if isinstance(section, dict) else []
    if unknown:
        raise UsageError(f"{path}: input.{unknown[0]} is unknown; the keys are {', '.join(_INPUT_KEYS)} ({_CARD_HINT})")


def _layout_of(shape: Sequence[int | None]) -> str | None:
    first, last = shape[1] == 3, shape[3] == 3
    return None if first == last else ("NCHW" if first else "NHWC")


def _choice(path: Path, card: dict[str, Any], key: str, allowed: tuple[str, ...], default: str | None) -> str | None:
    value = card.get(key, default)
    if value is not None and value not in allowed:
        raise UsageError(f"{path.with_suffix('.json')}: input.{key} must be {' or '.join(allowed)} (got {value!r})")
    return value


def _three(path: Path, card: dict[str, Any], key: str, default: float) -> tuple[float, ...]:
    value = card.get(key, [default] * 3)
    if not (isinstance(value, list) and len(value) == 3 and all(type(v) in (int, float) for v in value)):
        raise UsageError(f"{path}: input.{key} is {value!r}; a list of 3 numbers, one a channel, is needed")
    return tuple(float(v) for v in value)
