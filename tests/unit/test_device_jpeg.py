"""Which JPEGs a device may decode: those whose pixels would be the same on the CPU."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from support import wide_gamut

from fastsim.decode.device_jpeg import device_size


def encoded(mode: str = "RGB", kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((40, 30)).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(exif=exif)


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_plain_jpegs_have_the_size_that_a_viewer_shows() -> None:
    assert device_size(encoded()) == device_size(encoded("L")) == device_size(encoded(progressive=True)) == (40, 30)
    assert [device_size(turned(k)) for k in range(1, 9)] == [(40, 30)] * 4 + [(30, 40)] * 4


def test_a_profile_counts_only_if_it_changes_colours() -> None:
    assert device_size(encoded(icc_profile=srgb())) == (40, 30)
    assert device_size(encoded(icc_profile=wide_gamut())) is None


@pytest.mark.parametrize(
    "data",
    [
        encoded("CMYK"), encoded()[:-40], encoded(kind="PNG"), encoded("L", "GIF"), b"", b"\xff\xd8", b"notes",
        encoded(kind="MPO", save_all=True, append_images=[Image.new("RGB", (40, 30))]),
    ],
)  # fmt: skip
def test_all_else_is_for_the_cpu(data: bytes) -> None:
    assert device_size(data) is None


@given(st.binary(max_size=60), st.integers(0, 700))
def test_damaged_headers_never_raise(noise: bytes, at: int) -> None:
    data = encoded()
    size = device_size(data[:at] + noise + data[at + len(noise) :])
    assert size is None or min(size) > 0
