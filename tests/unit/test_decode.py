"""Decoding: every kind of picture arrives as the RGB square that a viewer would show."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fastsim.decode import choose_size, frame_batches
from fastsim.decode.decoder import decode_file
from fastsim.decode.picture import UnreadableError
from fastsim.records.files import MediaFile, Skipped, Snapshot
from fastsim.records.rows import FrameBatch


def to(size: int):  # type: ignore[no-untyped-def]
    return lambda _width, _height: size


def first_square(path: str, choose):  # type: ignore[no-untyped-def]
    picture = decode_file(path, choose)
    return picture.squares[0], picture.size


def scene(width: int = 300, height: int = 200) -> Image.Image:
    """Smooth colours with a bright corner, so that every flip and turn is seen."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    picture = np.stack([x, y, (x + y) / 2], -1).astype(np.uint8)
    picture[: height // 4, : width // 4] = (255, 255, 0)
    return Image.fromarray(picture)


def reference(image: Image.Image, size: int) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BOX)).astype(int)


def test_decodes_to_the_square_with_its_original_size(tmp_path: Path) -> None:
    scene().save(tmp_path / "a.png")
    pixels, original = first_square(str(tmp_path / "a.png"), to(96))
    assert pixels.shape == (96, 96, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert original == (300, 200)
    assert np.abs(pixels - reference(scene(), 96)).mean() < 2


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif", "gif", "jp2", "avif", "ppm", "tga", "ico"])
def test_reads_every_documented_format(tmp_path: Path, suffix: str) -> None:
    image = scene(128, 128) if suffix == "ico" else scene()
    image.save(tmp_path / f"a.{suffix}")
    pixels, original = first_square(str(tmp_path / f"a.{suffix}"), to(64))
    assert original == image.size
    assert np.abs(pixels - reference(image, 64)).mean() < 9


def test_reads_heic_where_the_plug_in_is_installed(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif has no wheel here")
    heif.from_pillow(scene()).save(tmp_path / "a.heic", quality=90)
    pixels, original = first_square(str(tmp_path / "a.heic"), to(64))
    assert original == (300, 200)
    assert np.abs(pixels - reference(scene(), 64)).mean() < 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_applies_exif_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = scene()
    stored = {  # how the camera stored what is upright: the inverse of what a viewer does
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{suffix}", exif=exif)
    pixels, original = first_square(str(tmp_path / f"a.{suffix}"), to(80))
    assert original == (300, 200)
    assert np.abs(pixels - reference(upright, 80)).mean() < 7


def test_a_large_jpeg_is_scaled_while_it_is_decoded_and_looks_the_same(tmp_path: Path) -> None:
    large = scene(3000, 2000)
    large.save(tmp_path / "a.jpg", quality=95)
    pixels, original = first_square(str(tmp_path / "a.jpg"), to(224))
    assert original == (3000, 2000)
    assert np.abs(pixels - reference(large, 224)).mean() < 3


@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "tif"])
def test_transparent_parts_are_white(tmp_path: Path, suffix: str) -> None:
    image = scene(200, 200).convert("RGBA")
    alpha = np.full((200, 200), 255, np.uint8)
    alpha[:, 100:] = 0
    image.putalpha(Image.fromarray(alpha))
    image.save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    pixels, _ = first_square(str(tmp_path / f"a.{suffix}"), to(100))
    assert (pixels[:, 60:] > 250).all()
    assert pixels[:, :40].mean() < 200


def test_half_transparent_pixels_are_mixed_with_white(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((50, 50, 4), (0, 0, 200, 128), np.uint8))
    pixels, _ = first_square(str(tmp_path / "a.png"), to(50))
    assert np.abs(pixels.astype(int) - [227, 127, 127]).max() <= 1


def test_16_bit_grey_uses_the_whole_range(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0, 65535, 256), (64, 256)).astype(np.uint16)
    for name in ("a.png", "a.tif", "a.pgm"):
        cv2.imwrite(str(tmp_path / name), ramp)
        pixels, _ = first_square(str(tmp_path / name), to(64))
        assert pixels[:, 0].mean() < 8
        assert pixels[:, -1].mean() > 247


def test_12_bit_scans_in_16_bit_files_are_not_all_black(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0, 4095, 256), (64, 256)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "scan.tif"), ramp)
    pixels, _ = first_square(str(tmp_path / "scan.tif"), to(64))
    assert pixels[:, -1].mean() > 240


def test_greyscale_palette_cmyk_and_float_pictures_are_read(tmp_path: Path) -> None:
    image = scene()
    image.convert("L").save(tmp_path / "grey.jpg")
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    image.convert("1").save(tmp_path / "lines.png")
    Image.fromarray(np.asarray(image.convert("L")).astype(np.float32) / 255).save(tmp_path / "float.tif")
    for name, expected in (
        ("grey.jpg", image.convert("L")),
        ("palette.png", image),
        ("cmyk.jpg", image),
        ("lines.png", image.convert("1")),
        ("float.tif", image.convert("L")),
    ):
        pixels, _ = first_square(str(tmp_path / name), to(64))
        assert np.abs(pixels - reference(expected, 64)).mean() < 14, name


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (64, 64), (200, 0, 0)), Image.new("RGB", (64, 64), (0, 0, 200))
    for name in ("a.gif", "a.webp", "a.png"):
        first.save(tmp_path / name, save_all=True, append_images=[second], duration=100)
        pixels, _ = first_square(str(tmp_path / name), to(64))
        assert pixels[32, 32, 0] > 150 > pixels[32, 32, 2]


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims to be `width` x `height` and holds nearly nothing."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(b"\0" * 1000),
        b"IEND": b"",
    }
    packed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def broken_files() -> dict[str, bytes]:
    buffer = io.BytesIO()
    scene().save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    buffer = io.BytesIO()
    scene().save(buffer, "PNG")
    return {
        "empty.jpg": b"",
        "text.jpg": b"this is no picture" * 20,
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut.png": buffer.getvalue()[: len(buffer.getvalue()) // 2],
        "head.jpg": jpeg[:20],
        "bomb.png": png_header(60000, 60000),
    }


@pytest.mark.parametrize("name", broken_files())
def test_a_broken_file_has_a_reason_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(broken_files()[name])
    with pytest.raises(UnreadableError) as caught:
        decode_file(str(tmp_path / name), to(64))
    reason = str(caught.value)
    assert reason and "\n" not in reason
    if name == "bomb.png":
        assert "512 megapixels" in reason


def test_a_missing_file_and_a_folder_have_reasons(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(UnreadableError):
            decode_file(str(path), to(64))


def test_auto_compares_small_pictures_at_112() -> None:
    assert choose_size(111, 111) == 112
    assert choose_size(30, 60) == 112
    assert choose_size(112, 50) == 224
    assert choose_size(4000, 3000) == 224


def media(tmp_path: Path, names: list[str]) -> list[MediaFile]:
    paths = [str(tmp_path / name) for name in names]
    return [MediaFile(i, path, str(tmp_path), Snapshot.of(path)) for i, path in enumerate(paths)]


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_name_every_file_once_whatever_is_broken(tmp_path: Path, workers: int) -> None:
    names = []
    for i in range(23):
        name = f"{i:02}.png"
        if i % 5 == 2:
            (tmp_path / name).write_bytes(b"broken")
        else:
            Image.new("RGB", (30 + 20 * (i % 7), 40), (i * 10, 0, 0)).save(tmp_path / name)
        names.append(name)
    seen: dict[int, object] = {}
    for item in frame_batches(media(tmp_path, names), size=None, batch=4, workers=workers):
        if isinstance(item, Skipped):
            assert item.id is not None
            seen[item.id] = item.reason
        else:
            assert isinstance(item, FrameBatch)
            assert len(item.ids) <= 4
            for row, file_id in enumerate(item.ids.tolist()):
                width = 30 + 20 * (file_id % 7)
                assert item.sizes[row].tolist() == [width, 40]
                assert item.pixels.shape[1] == (112 if width < 112 else 224)
                assert abs(int(item.pixels[row, 5, 5, 0]) - file_id * 10) <= 1, "the picture is not that of its id"
                seen[file_id] = True
    assert sorted(seen) == list(range(23))
    assert [i for i, value in sorted(seen.items()) if value is not True] == [2, 7, 12, 17, 22]
