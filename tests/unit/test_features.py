"""Local features: the C core against NumPy at odd sizes, the mirror image, and what does not fit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsim import _core
from fastsim.verification.features import COUNT, PATTERN, extract, mirrored

PAD, MARGIN, LEAST, RADIUS, CELLS = 16, 8, 256, 12, 4


def scene(draw: np.random.Generator, height: int, width: int) -> np.ndarray:
    image = np.full((height, width), 128, np.uint8)
    for _ in range(60):
        at = tuple(int(v) for v in draw.integers(0, (width, height)))
        cv2.circle(image, at, int(draw.integers(2, 14)), int(draw.integers(0, 256)), -1)
    return np.clip(image + draw.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def shrunk(image: np.ndarray) -> np.ndarray:
    def axis(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        place = (2 * np.arange(new) + 1) * old * 128 // new
        fixed = np.where(place > 128, np.minimum(place - 128, (old - 1) * 256), 0)
        return fixed >> 8, np.minimum((fixed >> 8) + 1, old - 1), fixed & 255

    height, width = image.shape
    (top, low, v), (left, right, u) = axis(height, (height * 4 + 2) // 5), axis(width, (width * 4 + 2) // 5)
    values = image.astype(np.int64)
    upper, lower = (values[row][:, left] * (256 - u) + values[row][:, right] * u for row in (top, low))
    return ((upper * (256 - v[:, None]) + lower * v[:, None] + (1 << 15)) >> 16).astype(np.uint8)


def smoothed(image: np.ndarray) -> np.ndarray:
    padded = np.pad(image.astype(np.int64), 2, "reflect")
    kernel = np.array([1, 4, 6, 4, 1])
    down = sum(kernel[k] * padded[k : k + image.shape[0]] for k in range(5))
    return ((sum(kernel[k] * down[:, k : k + image.shape[1]] for k in range(5)) + 128) >> 8).astype(np.uint8)


def responses(image: np.ndarray) -> np.ndarray:
    p = image.astype(np.int64)
    across = p[2:-2, :-4] - 2 * p[2:-2, 2:-2] + p[2:-2, 4:]
    down = p[:-4, 2:-2] - 2 * p[2:-2, 2:-2] + p[4:, 2:-2]
    cross = p[:-4, :-4] + p[4:, 4:] - p[:-4, 4:] - p[4:, :-4]
    return np.pad(16 * across * down - cross * cross, 2)


def chosen(response: np.ndarray, wanted: int) -> list[tuple[int, int]]:
    height, width = response.shape
    maxima = []
    for y in range(MARGIN, height - MARGIN):
        for x in range(MARGIN, width - MARGIN):
            around = response[y - 1 : y + 2, x - 1 : x + 2].ravel()
            own = around[4]
            strictly, loosely = around[[0, 1, 2, 3]], around[[5, 6, 7, 8]]
            if own >= LEAST and (own > strictly).all() and (own >= loosely).all():
                maxima.append((-int(own), y, x))
    maxima.sort()
    few, rest, taken = [], [], [0] * CELLS**2
    for _, y, x in maxima:
        cell = y * CELLS // height * CELLS + x * CELLS // width
        taken[cell] += 1
        (few if taken[cell] <= wanted * 5 // (2 * CELLS**2) + 1 else rest).append((y, x))
    return (few + rest)[:wanted]


def oracle(image: np.ndarray, most: int) -> list[tuple[float, float, float, float, np.ndarray]]:
    found: list[tuple[float, float, float, float, np.ndarray]] = []
    first, share, due = image.shape, 0.2 / (1 - 0.8**6), 0.0
    for _ in range(6):
        height, width = image.shape
        if min(height, width) <= 2 * MARGIN:
            break
        due += share * most
        share *= 0.8
        fine = smoothed(image)
        response, soft = responses(fine), np.pad(smoothed(fine), PAD, "reflect").astype(np.int64)
        scale = first[1] / width, first[0] / height
        for y, x in chosen(response, min(most, int(due + 0.5)) - len(found)):
            found.append(described(response, soft, (y, x), scale))
        image = shrunk(image)
    return found


def described(
    response: np.ndarray, soft: np.ndarray, place: tuple[int, int], scale: tuple[float, float]
) -> tuple[float, float, float, float, np.ndarray]:
    def peak(values: np.ndarray) -> float:
        bend = float(values[0] - 2 * values[1] + values[2])
        return float(np.clip((values[0] - values[2]) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0

    (y, x), (v, u) = place, np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    disc = soft[y + PAD + v, x + PAD + u] * (u * u + v * v <= RADIUS * RADIUS)
    angle = np.degrees(np.arctan2((v * disc).sum(), (u * disc).sum())) % 360
    tests = PATTERN[int(angle * (32 / 360) + 0.5) % 32].astype(np.int64)
    darker = soft[y + PAD + tests[:, 1], x + PAD + tests[:, 0]] < soft[y + PAD + tests[:, 3], x + PAD + tests[:, 2]]
    return (
        (x + peak(response[y, x - 1 : x + 2]) + 0.5) * scale[0] - 0.5,
        (y + peak(response[y - 1 : y + 2, x]) + 0.5) * scale[1] - 0.5,
        float(angle), 31 * (scale[0] * scale[1]) ** 0.5, np.packbits(darker, bitorder="little"),
    )  # fmt: skip


@given(st.integers(17, 90), st.integers(17, 90), st.integers(1, 120), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_features_are_those_of_numpy_at_odd_sizes(width: int, height: int, most: int, seed: int) -> None:
    image = scene(np.random.default_rng(seed), height, width)
    found = np.empty(most, np.dtype([("place", np.uint16, 4), ("descriptor", np.uint8, 32)]))
    count = _core.features(image, (width, height), PATTERN, found)
    expected = oracle(image, most)
    assert count == len(expected)
    for one, (*place, descriptor) in zip(found, expected, strict=False):
        assert np.abs(one["place"] / 64 - place).max() <= 1 / 64
        assert (one["descriptor"] == descriptor).all()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_small_even_and_noisy_pictures_are_no_trouble(width: int, height: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    assert len(extract(np.full((height, width), int(draw.integers(256)), np.uint8))) == 0
    assert len(extract(draw.integers(0, 256, (height, width)).astype(np.uint8))) <= COUNT


def test_the_mirror_image_has_the_mirrored_features() -> None:
    image = scene(np.random.default_rng(1), 180, 240)
    plain, other = extract(image), extract(np.ascontiguousarray(image[:, ::-1]))
    expected, found = plain.mirrored_keypoints(), other.keypoints()
    off = np.abs(expected[:, None, [0, 1, 3]] - found[None, :, [0, 1, 3]]).max(axis=2)
    near = np.flatnonzero(off.min(axis=1) < 0.5)
    assert len(near) > 0.85 * len(plain)
    differ = np.unpackbits(mirrored(plain.descriptors)[near] ^ other.descriptors[off[near].argmin(axis=1)], axis=1).sum(
        axis=1
    )
    assert np.median(differ) <= 8


def test_as_many_features_as_are_wanted_at_most_and_all_over_the_picture() -> None:
    features = extract(scene(np.random.default_rng(2), 192, 256))
    assert len(features) == COUNT
    points = features.keypoints()
    assert np.histogram2d(points[:, 0], points[:, 1], (4, 3), ((0, 256), (0, 192)))[0].min() > 5


@pytest.mark.parametrize("size", [(0, 10), (1024, 1), (5, 4)])
def test_what_does_not_fit_is_refused(size: tuple[int, int]) -> None:
    out = np.empty(1, np.dtype([("place", np.uint16, 4), ("descriptor", np.uint8, 32)]))
    with pytest.raises(ValueError, match="features"):
        _core.features(np.zeros(10, np.uint8), size, PATTERN, out)
    with pytest.raises(ValueError, match="features"):
        _core.features(np.zeros(10, np.uint8), (5, 2), PATTERN + np.int8(9), out)
