"""Convert colours to sRGB: ICC profiles are applied, CMYK and Lab are converted."""

from __future__ import annotations

import hashlib
import io
import threading
from typing import Any

import numpy as np
from PIL import ImageCms

from fastsim.decode.libraries import Image
from fastsim.records.arrays import Uint8Array

_SAME = 3
"""In 8-bit levels: a profile that changes no colour by more is treated as sRGB and not applied."""
_MOST_BYTES = 16 * 2**20
_KEPT = 64
_MODES = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L", "Lab ": "LAB"}

_transforms: dict[tuple[bytes, str], Any] = {}
_lock = threading.Lock()


def to_srgb(pixels: Uint8Array, mode: str, profile: bytes | None) -> Uint8Array:
    """Return RGB uint8[h, w, 3] of pixels in Pillow's `mode` (RGB, L, CMYK, LAB).

    profile: the ICC profile of the file. Without one, or if it is broken or belongs to another mode, the default
    conversion is used.
    """
    transform = _transform(profile, mode) if profile or mode == "LAB" else None
    if transform is None:
        if mode == "RGB":
            return pixels
        return np.asarray(Image.fromarray(pixels, mode).convert("RGB"))
    image = ImageCms.applyTransform(Image.fromarray(pixels, mode), transform)
    return np.asarray(image)


def changes(profile: bytes | None, mode: str) -> bool:
    """Return whether `profile` shows colours that differ from those of sRGB."""
    return bool(profile) and _transform(profile, mode) is not None


def _transform(profile: bytes | None, mode: str) -> Any:
    """Return the transform from `profile` to sRGB, or None if it would change nothing or cannot be built."""
    if profile is not None and len(profile) > _MOST_BYTES:
        return None
    key = (hashlib.blake2b(profile or b"", digest_size=16).digest(), mode)
    with _lock:
        if key not in _transforms:
            if len(_transforms) >= _KEPT:
                _transforms.clear()
            _transforms[key] = _built(profile, mode)
        return _transforms[key]


def _built(profile: bytes | None, mode: str) -> Any:
    try:
        source: Any = (
            ImageCms.createProfile("LAB") if profile is None else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        )
        if profile is not None and _MODES.get(source.profile.xcolor_space) != mode:
            return None
        intent = ImageCms.Intent.PERCEPTUAL if mode == "CMYK" else ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent)
        if mode == "RGB":
            steps = np.linspace(0, 255, 6).astype(np.uint8)
            colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
            shown = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform))
            if np.abs(shown.astype(int) - colours).max() <= _SAME:
                return None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # a broken profile must not make the image unreadable
        return None
    return transform
