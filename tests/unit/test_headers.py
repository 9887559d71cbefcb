"""Headers read by the C core are those that Pillow reads; what it does not know for sure it leaves to a decoder."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from fastsim import _core
from fastsim.inputs import headers


def encoded(mode: str, kind: str, size: tuple[int, int] = (37, 21), **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, 77 if mode in ("L", "P", "1", "I;16") else None).save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int, order: str = "big") -> bytes:
    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)  # type: ignore[arg-type]

    head = b"MM\0*" if order == "big" else b"II*\0"
    entry = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + b"\0\0"
    return head + number(8, 4) + number(1, 2) + entry + number(0, 4)


def with_segment(jpeg: bytes, body: bytes, marker: int = 0xE1) -> bytes:
    return jpeg[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_the_size_and_channels_that_pillow_reads(mode: str, progressive: bool) -> None:
    found = headers.read_header(encoded(mode, "JPEG", progressive=progressive))
    assert found[:6] == (headers.JPEG, 37, 21, len(Image.new(mode, (1, 1)).getbands()), 8, 1)
    assert found.flags == headers.ENDS | (headers.PROGRESSIVE if progressive else 0)


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_of_a_jpeg_is_the_one_that_pillow_reads(orientation: int, order: str) -> None:
    data = with_segment(encoded("RGB", "JPEG"), b"Exif\0\0" + exif(orientation, order))
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == orientation
    found = headers.read_header(data)
    assert found.kind == headers.JPEG and found.orientation == orientation
    assert found.shown == ((21, 37) if orientation >= 5 else (37, 21))


@pytest.mark.parametrize(
    "body",
    [
        b"Exif\0\0" + exif(9), b"Exif\0\0" + exif(0), b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0", b"Exif\0\0" + exif(6)[:12],
        b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='6'/>",
    ],
)  # fmt: skip
def test_an_orientation_that_is_damaged_or_elsewhere_is_left_to_a_decoder(body: bytes) -> None:
    assert headers.read_header(with_segment(encoded("RGB", "JPEG"), body)).kind == 0


def test_other_segments_and_bytes_behind_the_end_change_nothing() -> None:
    jpeg = encoded("RGB", "JPEG")
    expected = headers.read_header(jpeg)
    for data in (
        with_segment(jpeg, b"any comment \xff\xd9\xff\xc0", 0xFE), with_segment(jpeg, b"ICC_PROFILE\0", 0xE2),
        jpeg[:2] + b"\xff\xff\xff" + jpeg[2:], jpeg + bytes(4000),
    ):  # fmt: skip
        assert headers.read_header(data) == expected
    assert headers.read_header(jpeg + bytes(5000)).flags == 0
    assert headers.read_header(jpeg[:-2]).flags == 0


@pytest.mark.parametrize(
    ("mode", "channels", "alpha"), [("RGB", 3, 0), ("RGBA", 4, 4), ("L", 1, 0), ("LA", 2, 4), ("P", 1, 0)]
)
def test_a_png_has_its_size_channels_and_transparency(mode: str, channels: int, alpha: int) -> None:
    found = headers.read_header(encoded(mode, "PNG"))
    assert found[:4] == (headers.PNG, 37, 21, channels) and found.flags == headers.ENDS | alpha


def test_pngs_with_a_transparent_colour_16_bits_animation_and_exif() -> None:
    assert headers.read_header(encoded("RGB", "PNG", transparency=(1, 2, 3))).flags & headers.ALPHA
    assert headers.read_header(encoded("I;16", "PNG")).bits == 16
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    stream = io.BytesIO()
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    assert headers.read_header(stream.getvalue()).flags & headers.ANIMATED
    assert headers.read_header(encoded("RGB", "PNG", exif=Image.Exif().tobytes() or b"Exif\0\0" + exif(3))).kind == 0
    text = PngImagePlugin.PngInfo()
    text.add_text("a", "b" * 9000)
    assert headers.read_header(encoded("L", "PNG", pnginfo=text))[:3] == (headers.PNG, 37, 21)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_damage_is_never_read_past_the_end_and_never_gives_another_size_than_pillow(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG"]))
    whole = bytearray(
        with_segment(encoded("RGB", kind), b"Exif\0\0" + exif(6)) if kind == "JPEG" else encoded("RGB", kind)
    )
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, min(250, len(whole) - 1)))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    found = headers.read_header(cut)
    if found.kind and found.flags & headers.ENDS and found.kind == headers.JPEG:
        try:
            header = Image.open(io.BytesIO(cut), formats=("JPEG",))
        except Exception:
            return
        assert header.size == (found.width, found.height)


def test_many_files_are_read_in_one_call_each_within_its_own_bytes() -> None:
    files = [encoded("RGB", "JPEG", (k + 1, 9)) for k in range(20)] + [b"", b"\xff", b"\xff\xd8\xff", b"GIF89a"]
    start = headers.offsets([len(file) for file in files])
    found = headers.read_headers(np.frombuffer(b"".join(files), np.uint8), start)
    assert [one.width for one in found] == [*range(1, 21), 0, 0, 0, 0]
    assert found == [headers.read_header(file) for file in files]


@pytest.mark.parametrize("start", [[0, 5], [1, 10], [0, 7, 3, 10], []])
def test_offsets_that_do_not_fit_are_refused(start: list[int]) -> None:
    with pytest.raises(ValueError, match="headers: start must be"):
        _core.headers(
            np.zeros(10, np.uint8), np.array(start, np.int64), np.zeros((max(0, len(start) - 1), 7), np.int32)
        )
