"""Edit images as people do before they share them: 33 edits, light, middle and strong.

They are written with OpenCV and Pillow alone, apart from those of model/train/edits.py, so that a network is not tested by its
own teacher. An edit takes (picture uint8[h, w, 3] BGR, rng, another picture for backgrounds) and returns an image.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Rng = np.random.Generator
Edit = Callable[[Picture, Rng, Picture], Picture]


def scaled(picture: Picture, factor: float) -> Picture:
    h, w = picture.shape[:2]
    size = (max(8, round(w * factor)), max(8, round(h * factor)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def compressed(picture: Picture, extension: str, quality: int) -> Picture:
    flag = cv2.IMWRITE_JPEG_QUALITY if extension == ".jpg" else cv2.IMWRITE_WEBP_QUALITY
    return cv2.imdecode(cv2.imencode(extension, picture, [flag, quality])[1], cv2.IMREAD_COLOR)


def toned(picture: Picture, gain: float = 1, offset: float = 0, gamma: float = 1) -> Picture:
    values = np.clip(picture.astype(np.float32) / 255 * gain + offset, 0, 1) ** gamma
    return np.rint(values * 255).astype(np.uint8)


def recoloured(picture: Picture, hue: int, saturation: float) -> Picture:
    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV).astype(np.int32)
    hsv[..., 0] = (hsv[..., 0] + hue) % 180
    hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 255)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)


def cropped(picture: Picture, rng: Rng, area: float) -> Picture:
    h, w = picture.shape[:2]
    side = area**0.5
    ch, cw = round(h * side), round(w * side)
    y, x = int(rng.integers(0, h - ch + 1)), int(rng.integers(0, w - cw + 1))
    return picture[y : y + ch, x : x + cw]


def half(picture: Picture, rng: Rng, _: Picture) -> Picture:
    h, w = picture.shape[:2]
    parts = (picture[: h // 2], picture[h // 2 :], picture[:, : w // 2], picture[:, w // 2 :])
    return parts[int(rng.integers(0, 4))]


def rotated(picture: Picture, degrees: float) -> Picture:
    h, w = picture.shape[:2]
    return cv2.warpAffine(picture, cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1), (w, h), flags=cv2.INTER_LINEAR)


def tilted(picture: Picture, rng: Rng, _: Picture) -> Picture:
    h, w = picture.shape[:2]
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    inward = rng.uniform(0, 0.15, (4, 2)) * [w, h] * [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    matrix = cv2.getPerspectiveTransform((corners + inward).astype(np.float32), corners)
    return cv2.warpPerspective(picture, matrix, (w, h))


def bordered(picture: Picture, rng: Rng, _: Picture) -> Picture:
    margin = round(min(picture.shape[:2]) * rng.uniform(0.04, 0.1))
    return cv2.copyMakeBorder(picture, *[margin] * 4, cv2.BORDER_CONSTANT, value=rng.integers(0, 256, 3).tolist())


def letterboxed(picture: Picture, rng: Rng, _: Picture) -> Picture:
    h, w = picture.shape[:2]
    bar = round((h if rng.random() < 0.7 else w) * rng.uniform(0.17, 0.35))
    bars = (bar, bar, 0, 0) if rng.random() < 0.7 else (0, 0, bar, bar)
    return cv2.copyMakeBorder(picture, *bars, cv2.BORDER_CONSTANT, value=(0, 0, 0))


def pasted(picture: Picture, rng: Rng, other: Picture) -> Picture:
    h, w = picture.shape[:2]
    scale = rng.uniform(0.5, 0.7)
    ground = cv2.resize(other, (w, h), interpolation=cv2.INTER_AREA)
    part = scaled(picture, scale)
    y, x = (int(rng.integers(0, side - small + 1)) for side, small in zip((h, w), part.shape[:2], strict=True))
    ground[y : y + part.shape[0], x : x + part.shape[1]] = part
    return ground


def framed(picture: Picture, rng: Rng, _: Picture) -> Picture:
    """Draw a phone's screenshot: bars above and below with icons and text."""
    h, w = picture.shape[:2]
    top, low = round(h * rng.uniform(0.1, 0.2)), round(h * rng.uniform(0.1, 0.3))
    tone = 245 if rng.random() < 0.5 else 25
    result = cv2.copyMakeBorder(picture, top, low, 0, 0, cv2.BORDER_CONSTANT, value=(tone,) * 3)
    ink = (255 - tone,) * 3
    cv2.putText(
        result, "12:47   nature_daily", (6, round(top * 0.7)), cv2.FONT_HERSHEY_SIMPLEX, w / 600, ink, 1, cv2.LINE_AA
    )
    for i in range(4):
        cv2.circle(result, (round(w * (0.15 + 0.2 * i)), h + top + low // 2), max(2, low // 5), ink, 2)
    return result


def captioned(picture: Picture, rng: Rng, _: Picture) -> Picture:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(picture[..., ::-1].copy())
    draw = ImageDraw.Draw(image)
    text = ("WHEN THE BUILD PASSES", "Monday again...", "me explaining my code", "50% OFF TODAY")[
        int(rng.integers(0, 4))
    ]
    font = ImageFont.load_default(image.width / 13)
    top = rng.random() < 0.5
    place = (image.width / 2, image.height * (0.04 if top else 0.96))
    draw.text(
        place,
        text,
        "white",
        font,
        anchor="ma" if top else "md",
        stroke_width=max(1, image.width // 150),
        stroke_fill="black",
    )
    return np.asarray(image)[..., ::-1].copy()


def watermarked(picture: Picture, _: Rng, __: Picture) -> Picture:
    layer = np.zeros_like(picture)
    h, w = picture.shape[:2]
    for y in range(h // 6, h, h // 3):
        cv2.putText(
            layer, "stock  photo  stock", (0, y), cv2.FONT_HERSHEY_DUPLEX, w / 350, (255, 255, 255), 1, cv2.LINE_AA
        )
    return cv2.addWeighted(picture, 1, layer, 0.45, 0)


def stickered(picture: Picture, rng: Rng, _: Picture) -> Picture:
    result = picture.copy()
    h, w = picture.shape[:2]
    for _i in range(2):
        x, y, r = (
            int(rng.uniform(0.15, 0.85) * w),
            int(rng.uniform(0.15, 0.85) * h),
            int(min(h, w) * rng.uniform(0.1, 0.17)),
        )
        cv2.circle(result, (x, y), r, (60, 210, 250), -1, cv2.LINE_AA)
        cv2.ellipse(result, (x, y + r // 6), (r // 2, r // 2), 0, 0, 180, (30, 30, 30), max(1, r // 10), cv2.LINE_AA)
        for side in (-1, 1):
            cv2.circle(result, (x + side * r // 3, y - r // 4), max(1, r // 9), (30, 30, 30), -1, cv2.LINE_AA)
    return result


def cut_out(picture: Picture, rng: Rng, _: Picture) -> Picture:
    result = picture.copy()
    h, w = picture.shape[:2]
    y, x = int(rng.uniform(0, 0.6) * h), int(rng.uniform(0, 0.6) * w)
    result[y : y + round(h * 0.4), x : x + round(w * 0.4)] = rng.integers(0, 256, 3)
    return result


def noisy(picture: Picture, rng: Rng, sigma: float) -> Picture:
    return np.clip(picture + rng.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8)


def salted(picture: Picture, rng: Rng, _: Picture) -> Picture:
    result = picture.copy()
    hit = rng.random(picture.shape[:2])
    result[hit < 0.02], result[hit > 0.98] = 0, 255
    return result


def pixelated(picture: Picture, _: Rng, __: Picture) -> Picture:
    h, w = picture.shape[:2]
    return cv2.resize(scaled(picture, 32 / min(h, w)), (w, h), interpolation=cv2.INTER_NEAREST)


def several(picture: Picture, rng: Rng, other: Picture) -> Picture:
    """Make a copy of a copy: crop, caption, warmer light, small and hard compression."""
    step = captioned(cropped(picture, rng, 0.7), rng, other)
    return compressed(scaled(toned(step, 1.15, 0.03, 0.9), 0.6), ".jpg", 30)


EDITS: dict[str, tuple[str, Edit]] = {
    "jpeg 75": ("light", lambda p, r, o: compressed(p, ".jpg", 75)),
    "jpeg 40": ("light", lambda p, r, o: compressed(p, ".jpg", 40)),
    "webp 50": ("light", lambda p, r, o: compressed(p, ".webp", 50)),
    "half size": ("light", lambda p, r, o: scaled(p, 0.5)),
    "stretched": (
        "light",
        lambda p, r, o: cv2.resize(p, (round(p.shape[1] * 1.3), p.shape[0]), interpolation=cv2.INTER_CUBIC),
    ),
    "lighter": ("light", lambda p, r, o: toned(p, 1.1, 0.06)),
    "darker": ("light", lambda p, r, o: toned(p, 0.75)),
    "contrast, gamma": ("light", lambda p, r, o: toned(p, 1.15, -0.07, 0.85)),
    "crop to 85 %": ("middle", lambda p, r, o: cropped(p, r, 0.85)),
    "caption": ("middle", captioned),
    "watermark": ("middle", watermarked),
    "border": ("middle", bordered),
    "greyscale": ("middle", lambda p, r, o: cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)),
    "colour": ("middle", lambda p, r, o: recoloured(p, 12, 1.5)),
    "turn by 5": ("middle", lambda p, r, o: rotated(p, 5 if r.random() < 0.5 else -5)),
    "blur": ("middle", lambda p, r, o: cv2.GaussianBlur(p, (0, 0), min(p.shape[:2]) / 120)),
    "noise": ("middle", lambda p, r, o: noisy(p, r, 14)),
    "mirror": ("strong", lambda p, r, o: p[:, ::-1].copy()),
    "crop to 50 %": ("strong", lambda p, r, o: cropped(p, r, 0.5)),
    "half": ("strong", half),
    "letterbox": ("strong", letterboxed),
    "pasted": ("strong", pasted),
    "screenshot": ("strong", framed),
    "turn by 90": ("strong", lambda p, r, o: np.rot90(p, 1 if r.random() < 0.5 else 3).copy()),
    "turn by 20": ("strong", lambda p, r, o: rotated(p, 20 if r.random() < 0.5 else -20)),
    "tilt": ("strong", tilted),
    "jpeg 8": ("strong", lambda p, r, o: compressed(p, ".jpg", 8)),
    "a sixth of the size": ("strong", lambda p, r, o: scaled(p, 1 / 6)),
    "pixelated": ("strong", pixelated),
    "stickers": ("strong", stickered),
    "cutout": ("strong", cut_out),
    "salt and pepper": ("strong", salted),
    "several": ("strong", several),
}

EXTREME = frozenset(("pasted", "a sixth of the size", "salt and pepper"))
"""Edits that leave little of the picture: a collage that shows it small, 37 pixels of a short side, noise on 4 % of all."""
