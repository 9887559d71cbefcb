"""The network's file and its card: where it is, what it takes, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastsim.errors import UsageError

_HERE = Path(__file__).parent
_PACKAGED = (_HERE / "model" / "model.onnx", _HERE.parent / "model" / "model.onnx")
"""Where CMake installs it; where it lies in a checkout that is used in place."""

_CARD_HINT = "see the README, 'Bring your own model', for what the card may hold"


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
    """What a white byte becomes before mean and std: 1 or 255."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Model:
    """An ONNX file with what its card (a JSON file of the same name beside it) says about it.

    sha256: of the ONNX file, hexadecimal. `card` is empty where there is none.
    """

    path: Path
    sha256: str
    card: dict[str, Any]

    def input_format(self, element: str, shape: Sequence[int | None]) -> InputFormat:
        """The input format, from the graph (`element` type such as `uint8` or `float`, and `shape`, None where
        dynamic) and the card. Raises UsageError where they contradict each other or leave the layout open."""
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
        if "8" in element:
            return InputFormat(True, layout)
        colour = _choice(self.path, card, "colour", ("RGB", "BGR"), "RGB")
        white = card.get("range", 1)
        if white not in (1, 255):
            raise UsageError(f"{self.card_path}: input.range is {white!r}; 1 or 255 is allowed ({_CARD_HINT})")
        mean, std = (_three(self.card_path, card, key, default) for key, default in (("mean", 0.0), ("std", 1.0)))
        if not all(std):
            raise UsageError(f"{self.card_path}: input.std is {list(std)}; zero is not allowed ({_CARD_HINT})")
        return InputFormat(False, layout, str(colour), float(white), mean, std)

    @property
    def card_digest(self) -> str:
        """A short name for what the card says about the input, which changes the vectors as the weights do."""
        return hashlib.sha256(json.dumps(self.card.get("input"), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def card_path(self) -> Path:
        return self.path.with_suffix(".json")

    def _section(self, key: str) -> dict[str, Any]:
        section = self.card.get(key, {})
        if not isinstance(section, dict):
            raise UsageError(f"{self.card_path}: {key!r} is {section!r}; an object is needed ({_CARD_HINT})")
        return section


def load_model(path: str | None = None) -> Model:
    """The model at `path`, or the packaged one. Raises UsageError if it or its card can't be used."""
    file = next((place for place in _PACKAGED if place.exists()), _PACKAGED[0]) if path is None else Path(path)
    try:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"--model {file}: {error.strerror}; name an ONNX file that can be read") from None
    card = _read_card(file.with_suffix(".json"))
    if card.get("sha256", sha256) != sha256:
        raise UsageError(
            f"{file.with_suffix('.json')}: describes another file (its sha256 is not that of {file.name}); get both anew"
        )
    return Model(file, sha256, card)


def card_size(path: str | None) -> int | None:
    """The input size in pixels that the card of the model at `path` asks for, if it has one that says so."""
    if path is None:
        return None
    section = _read_card(Path(path).with_suffix(".json")).get("input")
    size = section.get("size") if isinstance(section, dict) else None
    return size if isinstance(size, int) else None


def _read_card(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a JSON file that can be read ({error}); {_CARD_HINT}") from None
    if not isinstance(card, dict):
        raise UsageError(f"{path}: holds a {type(card).__name__}; an object is needed ({_CARD_HINT})")
    return card


def _layout_of(shape: Sequence[int | None]) -> str | None:
    first, last = shape[1] == 3, shape[3] == 3
    return None if first == last else ("NCHW" if first else "NHWC")


def _choice(path: Path, card: dict[str, Any], key: str, allowed: tuple[str, ...], default: str | None) -> str | None:
    value = card.get(key, default)
    if value is not None and value not in allowed:
        raise UsageError(f"{path.with_suffix('.json')}: input.{key} is {value!r}; {' or '.join(allowed)} is allowed")
    return value


def _three(path: Path, card: dict[str, Any], key: str, default: float) -> tuple[float, ...]:
    value = card.get(key, [default] * 3)
    if not (isinstance(value, list) and len(value) == 3 and all(isinstance(v, int | float) for v in value)):
        raise UsageError(f"{path}: input.{key} is {value!r}; a list of 3 numbers, one a channel, is needed")
    return tuple(float(v) for v in value)
