"""What a viewer would show of odd files: pages and frames, transparency, many bits, colour profiles, damage, limits."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw, features
from PIL.PngImagePlugin import PngInfo
from support import wide_gamut

from fastsim.decode import decoder, frames, memory
from fastsim.decode.colour import to_srgb
from fastsim.decode.decoder import decode_file
from fastsim.decode.memory import Budget
from fastsim.decode.picture import Picture, UnreadableError
from fastsim.decode.values import to_8_bits, used_range

SIZE = 96


def read(path: Path) -> Picture:
    return decode_file(str(path), lambda _width, _height: SIZE)


def scene(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (5, 6, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def differ(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


# ---- pages and frames ----


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif", "avif"])
def test_all_frames_of_a_short_file_are_compared(tmp_path: Path, suffix: str) -> None:
    pages = [scene(k) for k in range(5)]
    pages[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=pages[1:], duration=100)
    picture = read(tmp_path / f"a.{suffix}")
    about = picture.content
    assert (about.frames, about.frames_total, abs(about.kind), about.damage) == (5, 5, 5, "")
    assert len(picture.squares) == about.views
    for square, page in zip(picture.squares, pages, strict=False):
        expected = np.asarray(page.resize((SIZE, SIZE), Image.Resampling.BOX))
        assert differ(square, expected) < 16


def test_a_document_and_an_animation_of_as_many_frames_are_of_different_kinds(tmp_path: Path) -> None:
    for name in ("a.tif", "a.gif"):
        scene(0).save(tmp_path / name, save_all=True, append_images=[scene(1)])
    assert read(tmp_path / "a.tif").content.kind == -read(tmp_path / "a.gif").content.kind == -2


def test_of_many_frames_some_are_chosen_evenly_the_first_and_the_last_included() -> None:
    for total in (1, 2, 16, 17, 100, 4001):
        chosen = frames.chosen(total)
        assert chosen[0] == 0
        assert chosen[-1] == total - 1
        assert len(chosen) == min(total, frames.MOST_FRAMES)
        assert max(np.diff(chosen), default=1) - min(np.diff(chosen), default=1) <= 1


def test_the_last_page_counts_beyond_the_sixteenth(tmp_path: Path) -> None:
    for name, last in (("a.tif", 99), ("b.tif", 98)):
        pages = [scene(k, 64, 48) for k in (*range(39), last)]
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    a, b = read(tmp_path / "a.tif"), read(tmp_path / "b.tif")
    assert (a.content.frames, a.content.frames_total) == (16, 40)
    assert differ(a.squares[0], b.squares[0]) == 0
    assert differ(a.squares[-1], b.squares[-1]) > 20


def test_smaller_copies_inside_a_tiff_are_no_pages(tmp_path: Path) -> None:
    import tifffile

    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as out:
        out.write(np.asarray(scene(0)), photometric="rgb")
        out.write(np.asarray(scene(0, 160, 120)), photometric="rgb", subfiletype=1)
    assert read(tmp_path / "pyramid.tif").content.frames_total == 1


def test_further_shots_of_an_mpo_count_and_copies_do_not(tmp_path: Path) -> None:
    scene(0).save(tmp_path / "copy.mpo", save_all=True, append_images=[scene(0)])
    scene(0).save(tmp_path / "shots.mpo", save_all=True, append_images=[scene(1), scene(2)])
    scene(0).save(tmp_path / "preview.mpo", save_all=True, append_images=[scene(3, 80, 60)])
    assert [read(tmp_path / f"{name}.mpo").content.frames_total for name in ("copy", "shots", "preview")] == [1, 3, 1]


def test_frames_before_a_break_are_compared_where_most_are_there(tmp_path: Path) -> None:
    pages = [scene(k) for k in range(6)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: int(len(data) * 0.9)])
    try:
        about = read(tmp_path / "a.tif").content
        assert about.damage
    except UnreadableError as error:
        assert str(error)


def test_more_frames_than_can_be_decoded_in_a_while_are_refused_with_their_number(tmp_path: Path) -> None:
    canvas = b"GIF89a" + struct.pack("<HHBBB", 12000, 9000, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    (tmp_path / "a.gif").write_bytes(canvas + frame * 400 + b"\x3b")
    with pytest.raises(UnreadableError, match=r"400 frames of 12000x9000 pixels"):
        read(tmp_path / "a.gif")


# ---- transparency ----


def icon(colour: tuple[int, int, int], draw: Callable[[ImageDraw.ImageDraw], None]) -> Image.Image:
    image = Image.new("RGBA", (128, 128), (*colour, 0))
    draw(ImageDraw.Draw(image))
    return image


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_white_drawings_on_nothing_are_seen_on_black_and_come_first(tmp_path: Path, suffix: str) -> None:
    white, black = (255, 255, 255, 255), (0, 0, 0, 255)
    icon((255, 255, 255), lambda d: d.ellipse([20, 20, 108, 108], fill=white)).save(tmp_path / f"white.{suffix}")
    icon((0, 0, 0), lambda d: d.ellipse([20, 20, 108, 108], fill=black)).save(tmp_path / f"black.{suffix}")
    on_black, on_white = read(tmp_path / f"white.{suffix}").squares
    assert on_black[SIZE // 2, SIZE // 2].min() > 240
    assert on_black[0, 0].max() < 15
    assert on_white.min() > 240
    main, other = read(tmp_path / f"black.{suffix}").squares
    assert main[SIZE // 2, SIZE // 2].max() < 15
    assert main[0, 0].min() > 240
    assert other.max() < 15


def test_a_picture_flattened_on_white_is_the_main_view_of_the_transparent_one(tmp_path: Path) -> None:
    image = scene(3).convert("RGBA")
    image.putalpha(Image.radial_gradient("L").resize(image.size))
    image.save(tmp_path / "a.png")
    flat = Image.new("RGBA", image.size, "white")
    flat.alpha_composite(image)
    flat.convert("RGB").save(tmp_path / "flat.png")
    assert differ(read(tmp_path / "a.png").squares[0], read(tmp_path / "flat.png").squares[0]) < 1.5


def test_alpha_that_hides_everything_is_left_out_and_opaque_alpha_makes_one_view(tmp_path: Path) -> None:
    for alpha in (0, 255):
        image = scene(4).convert("RGBA")
        image.putalpha(alpha)
        image.save(tmp_path / f"{alpha}.png")
        [square] = read(tmp_path / f"{alpha}.png").squares
        assert differ(square, np.asarray(scene(4).resize((SIZE, SIZE), Image.Resampling.BOX))) < 4


def test_large_transparent_pictures_are_shrunk_in_bands_to_the_same_pixels(tmp_path: Path) -> None:
    small = scene(5, 600, 500).convert("RGBA")
    small.putalpha(Image.radial_gradient("L").resize(small.size))
    large = small.resize((3000, 2500), Image.Resampling.BICUBIC)
    small.save(tmp_path / "small.png")
    large.save(tmp_path / "large.png", compress_level=1)
    for a, b in zip(read(tmp_path / "small.png").squares, read(tmp_path / "large.png").squares, strict=True):
        assert differ(a, b) < 3


# ---- many bits ----


def test_a_16_bit_copy_has_the_pixels_of_its_8_bit_twin(tmp_path: Path) -> None:
    import tifffile

    rgb = np.asarray(scene(6))
    Image.fromarray(rgb).save(tmp_path / "a.png")
    expected = read(tmp_path / "a.png").squares[0]
    tifffile.imwrite(tmp_path / "deep.tif", rgb.astype(np.uint16) * 257, photometric="rgb")
    tifffile.imwrite(
        tmp_path / "planes.tif",
        np.moveaxis(rgb.astype(np.uint16) * 257, 2, 0),
        photometric="rgb",
        planarconfig="separate",
    )
    tifffile.imwrite(tmp_path / "float.tif", (rgb / 255).astype(np.float32), photometric="rgb")
    for name in ("deep.tif", "planes.tif", "float.tif"):
        assert differ(read(tmp_path / name).squares[0], expected) < 2, name


def test_narrow_ranges_are_spread_and_marks_left_out() -> None:
    thermal = np.random.default_rng(0).integers(7000, 8500, (60, 80)).astype(np.uint16)
    thermal[0, 0] = 0
    thermal[1, 1] = 65535
    assert used_range(thermal) == (thermal[thermal > 0].min(), thermal[thermal < 65535].max())
    height = np.linspace(-50, 900, 4800).reshape(60, 80).astype(np.float32)
    expected = to_8_bits(height)
    for mark in (np.nan, np.inf, -9999.0, -3.4028235e38, 1e20):
        holes = height.copy()
        holes[5:9, 5:9] = mark
        assert differ(to_8_bits(holes), expected) < 2
    assert to_8_bits(height)[-1, -1] == 255
    assert to_8_bits(np.full((4, 4), 300, np.uint16)).std() == 0


@pytest.mark.parametrize("low", [0, 100, 180])
@pytest.mark.parametrize("reach", [20, 75])
def test_bytes_in_a_wider_type_keep_their_contrast(low: int, reach: int) -> None:
    grey = np.random.default_rng(1).integers(low, low + reach, (60, 80)).astype(np.uint8)
    for wide in (grey.astype(np.uint16) * 257, grey.astype(np.uint16) << 8, (grey / 255).astype(np.float32)):
        assert np.abs(to_8_bits(wide).astype(int) - grey).max() <= 1


def test_declared_no_data_is_left_out(tmp_path: Path) -> None:
    import tifffile

    height = np.linspace(200, 260, 4800).reshape(60, 80).astype(np.float32)
    plain = to_8_bits(height)
    height[:10, :10] = 190.0
    tifffile.imwrite(tmp_path / "a.tif", height, extratags=[(42113, "s", 0, "190", True)])
    square = read(tmp_path / "a.tif").squares[0]
    assert differ(square[20:, 20:, 0], np.asarray(Image.fromarray(plain).resize((SIZE, SIZE)))[20:, 20:]) < 3


@pytest.mark.parametrize("bands", [2, 5, 7])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_tiff_files_with_many_bands_are_read(tmp_path: Path, bands: int, kind: type) -> None:
    import tifffile

    rgb = np.asarray(scene(7))
    values = np.concatenate([rgb, rgb, rgb], axis=2)[..., :bands].astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig")
    shown = rgb if bands > 2 else rgb[..., :1].repeat(3, 2)
    expected = np.asarray(Image.fromarray(shown).resize((SIZE, SIZE), Image.Resampling.BOX))
    assert differ(read(tmp_path / "a.tif").squares[0], expected) < 4


def psd(planes: np.ndarray, mode: int, *, version: int = 1, runs: bool = False) -> bytes:
    count, height, width = planes.shape
    depth = planes.dtype.itemsize * 8
    head = struct.pack(">4sH6xHIIHH", b"8BPS", version, count, height, width, depth, mode)
    body = bytes(8) + (bytes(8) if version == 2 else bytes(4))
    lines = [plane[row].astype(planes.dtype.newbyteorder(">")).tobytes() for plane in planes for row in range(height)]
    if not runs:
        return head + body + b"\0\0" + b"".join(lines)
    packed = [
        b"".join(bytes([len(line[k : k + 128]) - 1]) + line[k : k + 128] for k in range(0, len(line), 128))
        for line in lines
    ]
    table = b"".join(len(one).to_bytes(4 if version == 2 else 2, "big") for one in packed)
    return head + body + b"\0\1" + table + b"".join(packed)


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("version", [1, 2])
def test_photoshop_files_of_16_bits_and_the_large_kind_are_read(tmp_path: Path, version: int, runs: bool) -> None:
    rgb = np.asarray(scene(8))
    deep = np.moveaxis(rgb.astype(np.uint16) * 257, 2, 0)
    cmyk = np.concatenate([deep, np.full_like(deep[:1], 65535)])  # stored with white as full
    suffix = "psd" if version == 1 else "psb"
    for name, planes, mode in (("rgb", deep, 3), ("cmyk", cmyk, 4)):
        (tmp_path / f"{name}.{suffix}").write_bytes(psd(planes, mode, version=version, runs=runs))
        expected = np.asarray(Image.fromarray(rgb).resize((SIZE, SIZE), Image.Resampling.BOX))
        assert differ(read(tmp_path / f"{name}.{suffix}").squares[0], expected) < 4


@pytest.mark.parametrize(
    ("bits", "masks"),
    [(16, (0xF800, 0x07E0, 0x001F)), (16, (0x0E, 0x01C0, 0x3000)), (32, (0xFF000000, 0xFF0, 0xFF0000))],
)
def test_bmp_files_with_bit_fields_of_any_layout_are_read(
    tmp_path: Path, bits: int, masks: tuple[int, int, int]
) -> None:
    rgb = np.asarray(scene(9, 100, 60))
    values = np.zeros(rgb.shape[:2], np.uint32)
    for channel, mask in enumerate(masks):
        shift = (mask & -mask).bit_length() - 1
        values |= ((rgb[..., channel] / 255 * (mask >> shift) + 0.5).astype(np.uint32)) << shift
    line = values.astype(f"<u{bits // 8}")[::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, 100, 60, 1, bits, 3, len(line), 0, 0, 0, 0) + struct.pack("<III", *masks)
    (tmp_path / "a.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 66 + len(line), 0, 0, 66) + header + line)
    assert differ(read(tmp_path / "a.bmp").squares[0], np.asarray(Image.fromarray(rgb).resize((SIZE, SIZE)))) < 40


def test_a_bmp_with_a_mask_of_alpha_is_seen_on_white_and_on_black(tmp_path: Path) -> None:
    masks = (0x0F00, 0x00F0, 0x000F, 0xF000)
    pixels = np.full((20, 30), 0x0F00, "<u2")  # red, and clear
    pixels[:, 15:] |= 0xF000
    header = struct.pack("<IiiHHIIiiII", 56, 30, 20, 1, 16, 3, pixels.nbytes, 0, 0, 0, 0) + struct.pack("<IIII", *masks)
    (tmp_path / "a.bmp").write_bytes(
        b"BM" + struct.pack("<IHHI", 70 + pixels.nbytes, 0, 0, 70) + header + pixels.tobytes()
    )
    picture = read(tmp_path / "a.bmp")
    assert picture.content.views == len(picture.squares) == 2
    on_white, on_black = picture.squares
    row = SIZE // 2
    assert (on_white[row, 2].tolist(), on_black[row, 2].tolist()) == ([255, 255, 255], [0, 0, 0])
    assert on_white[row, -2].tolist() == on_black[row, -2].tolist() == [255, 0, 0]


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_orientation_by_xmp_is_none_for_an_avif(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'
    scene(9).save(tmp_path / "a.avif", xmp=xmp)
    scene(9).save(tmp_path / "plain.avif")
    turned = Image.Exif()
    turned[0x0112] = 3
    scene(9).save(tmp_path / "turned.avif", exif=turned)
    plain = read(tmp_path / "plain.avif").squares[0]
    assert differ(read(tmp_path / "a.avif").squares[0], plain) < 1
    assert differ(read(tmp_path / "turned.avif").squares[0], plain[::-1, ::-1]) < 4


# ---- colours ----


def test_colour_profiles_are_applied_and_broken_ones_cost_nothing(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    scene(10).save(tmp_path / "plain.png")
    scene(10).save(tmp_path / "srgb.png", icc_profile=srgb)
    scene(10).save(tmp_path / "broken.jpg", icc_profile=b"x" * 500, quality=95)
    expected = read(tmp_path / "plain.png").squares[0]
    assert differ(read(tmp_path / "srgb.png").squares[0], expected) == 0
    assert differ(read(tmp_path / "broken.jpg").squares[0], expected) < 4
    lab = ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    ImageCms.applyTransform(scene(10), to_lab).save(tmp_path / "lab.tif")
    assert differ(read(tmp_path / "lab.tif").squares[0], expected) < 6  # colours outside of 8-bit Lab steps


def test_a_wide_gamut_copy_looks_like_its_srgb_twin() -> None:
    profile = wide_gamut()
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    image = scene(11)
    wide = ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), source, outputMode="RGB")
    assert wide is not None
    stored = np.asarray(wide)
    assert differ(stored, np.asarray(image)) > 4
    assert differ(to_srgb(stored, "RGB", profile), np.asarray(image)) < 2.5


# ---- damage ----


def jpeg(seed: int, **options: object) -> bytes:
    stream = io.BytesIO()
    scene(seed, 800, 600).save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_jpeg_without_its_end_marker_is_intact(tmp_path: Path, progressive: bool, lost: int) -> None:
    data = jpeg(12, progressive=progressive)
    (tmp_path / "whole.jpg").write_bytes(data)
    (tmp_path / "a.jpg").write_bytes(data[:-lost])
    whole, cut = read(tmp_path / "whole.jpg"), read(tmp_path / "a.jpg")
    assert cut.content.damage == ""
    assert differ(whole.squares[0], cut.squares[0]) == 0


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_data_is_damaged_and_compared_where_most_is_there(tmp_path: Path, progressive: bool) -> None:
    data = jpeg(13, progressive=progressive)
    (tmp_path / "whole.jpg").write_bytes(data)
    (tmp_path / "cut.jpg").write_bytes(data[: int(len(data) * 0.8)])
    (tmp_path / "zeros.jpg").write_bytes(data[: int(len(data) * 0.8)] + bytes(int(len(data) * 0.2)))
    middle = len(data) // 2
    (tmp_path / "hole.jpg").write_bytes(data[:middle] + b"\xff\xd0\x12\x34" * 50 + data[middle + 200 :])
    for name in ("cut", "zeros", "hole"):
        about = read(tmp_path / f"{name}.jpg").content
        assert about.damage, name
        assert "\n" not in about.damage
    (tmp_path / "little.jpg").write_bytes(jpeg(13)[:4000])
    with pytest.raises(UnreadableError, match=r"damaged: .*%"):
        read(tmp_path / "little.jpg")


def png(seed: int, **options: object) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 30, (240, 320, 3)).astype(np.uint8)
    Image.fromarray(np.asarray(scene(seed)) // 2 + noise).save(stream, "PNG", **options)
    return stream.getvalue()


def test_wrong_checksums_and_missing_data_of_a_png_are_damage(tmp_path: Path) -> None:
    data = bytearray(png(14))
    (tmp_path / "whole.png").write_bytes(data)
    whole = read(tmp_path / "whole.png")
    assert whole.content.damage == ""
    data[-16] ^= 1  # the checksum of the last chunk of pixels
    (tmp_path / "checksum.png").write_bytes(data)
    found = read(tmp_path / "checksum.png")
    assert "checksum" in found.content.damage
    assert differ(found.squares[0], whole.squares[0]) == 0
    (tmp_path / "cut.png").write_bytes(data[: int(len(data) * 0.8)])
    found = read(tmp_path / "cut.png")
    assert "cut short" in found.content.damage
    assert differ(found.squares[0][: SIZE // 2], whole.squares[0][: SIZE // 2]) < 2
    (tmp_path / "little.png").write_bytes(data[: int(len(data) * 0.3)])
    with pytest.raises(UnreadableError, match="% of the image is there"):
        read(tmp_path / "little.png")
    (tmp_path / "no_end.png").write_bytes(png(14)[:-12])
    assert read(tmp_path / "no_end.png").content.damage == ""


def test_long_text_and_profiles_of_a_png_cost_nothing(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("workflow", "x" * 3_000_000, zip=True)
    info.add_itxt("XML:com.adobe.xmp", "y" * 5_000_000, zip=True)
    info.add_text("parameters", "z" * 2_000_000)
    scene(15).save(tmp_path / "a.png", pnginfo=info, icc_profile=bytes(2_000_000))
    scene(15).save(tmp_path / "b.png")
    a, b = read(tmp_path / "a.png"), read(tmp_path / "b.png")
    assert a.content.damage == ""
    assert differ(a.squares[0], b.squares[0]) == 0


def test_a_gif_that_is_cut_short_is_damaged(tmp_path: Path) -> None:
    pages = [scene(k).quantize(32) for k in range(6)]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:])
    assert read(tmp_path / "a.gif").content.damage == ""
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[:-1])
    assert read(tmp_path / "a.gif").content.damage == ""  # all frames are there, only the end mark is not
    (tmp_path / "a.gif").write_bytes(data[: int(len(data) * 0.95)])
    assert read(tmp_path / "a.gif").content.damage


# ---- memory ----


def chunk(name: bytes, body: bytes, length: int | None = None) -> bytes:
    return (
        struct.pack(">I", len(body) if length is None else length)
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body))
    )


def header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0x40000100, 300_000_000])
def test_chunk_lengths_are_held_to_the_size_of_the_file(tmp_path: Path, length: int) -> None:
    data = zlib.compress(bytes((4 * 64 + 1) * 64))
    (tmp_path / "a.png").write_bytes(header(64, 64) + chunk(b"IDAT", data, length) + chunk(b"IEND", b""))
    assert "longer than the file" in read(tmp_path / "a.png").content.damage


def test_a_header_without_data_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(header(4000, 4000) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))
    with pytest.raises(UnreadableError, match="4000x4000 pixels by its header"):
        read(tmp_path / "a.png")


def test_a_picture_that_needs_more_than_is_free_is_skipped_with_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (5000, 5000)).save(tmp_path / "a.bmp")
    monkeypatch.setattr(memory, "available_bytes", lambda: 100_000_000)
    with pytest.raises(UnreadableError, match=r"needs about \d+ MB of memory to decode, 60 MB are free"):
        read(tmp_path / "a.bmp")
    monkeypatch.undo()
    assert read(tmp_path / "a.bmp").size == (5000, 5000)


def test_threads_share_the_budget_and_a_large_picture_waits_until_it_is_alone() -> None:
    import threading

    budget, order = Budget(), []

    def take(name: str, need: int) -> None:
        with budget.take(need):
            order.append(name)

    with budget.take(memory.SHARED // 2):
        fits = threading.Thread(target=take, args=("fits", memory.SHARED // 4))
        large = threading.Thread(target=take, args=("large", memory.SHARED))
        fits.start()
        fits.join(10)
        large.start()
        large.join(0.2)
        assert order == ["fits"]
    large.join(10)
    assert order == ["fits", "large"]


def test_limits_of_the_process_and_its_groups_count() -> None:
    import resource

    before = memory.available_bytes()
    assert before > 1 << 20
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + 500_000_000, hard))
    try:
        assert memory.available_bytes() <= 500_000_000
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_a_sparse_file_is_looked_at_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(tmp_path / "a.jpg", "wb") as stream:
        stream.truncate(1_500_000_000)
    with pytest.raises(UnreadableError, match="not an image"):
        read(tmp_path / "a.jpg")
    with open(tmp_path / "b.jpg", "wb") as stream:
        stream.write(jpeg(16))
        stream.truncate(1_500_000_000)
    monkeypatch.setattr(memory, "available_bytes", lambda: 2_000_000_000)
    with pytest.raises(UnreadableError, match=r"needs about 1\.5 GB"):
        read(tmp_path / "b.jpg")


def test_pipes_and_devices_are_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    for path in (tmp_path / "a.jpg", Path("/dev/zero")):
        with pytest.raises(UnreadableError, match="not a regular file"):
            read(path)
    assert decoder.MAX_BYTES > 0
