"""The list of formats: every file is recognised by its name or by its first bytes, and no two formats claim the same."""

from __future__ import annotations

import io
import struct
from collections import Counter

import av
import cv2
import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fastsim.inputs.formats import (
    FORMATS,
    IMAGES,
    NEVER_LOOKED_INTO,
    SHARED_SUFFIXES,
    VIDEOS,
    Kind,
    by_content,
    by_suffix,
    suffixes,
)
from fastsim.inputs.signatures import HEAD_BYTES, is_apple_double

PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (48, 64, 3)).astype(np.uint8))


def content(data: bytes) -> str | None:
    found = by_content(data[:HEAD_BYTES])
    return None if found is None else found.name


def test_no_two_formats_share_a_suffix_or_a_name() -> None:
    counted = Counter(suffix for one in FORMATS for suffix in one.suffixes)
    assert not [suffix for suffix, n in counted.items() if n > 1]
    assert not [name for name, n in Counter(one.name for one in FORMATS).items() if n > 1]
    assert not suffixes(Kind.IMAGE) & suffixes(Kind.VIDEO)
    assert not set(counted) & NEVER_LOOKED_INTO
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in (*counted, *NEVER_LOOKED_INTO))
    assert set(counted) >= SHARED_SUFFIXES


def test_a_suffix_that_others_use_too_comes_from_a_format_with_a_signature() -> None:
    for suffix in SHARED_SUFFIXES:
        found = by_suffix("a" + suffix)
        assert found is not None
        assert found.signature is not None, suffix


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.JPG", "JPEG"), ("b.tar.Png", "PNG"), (".jpg", "JPEG"), ("jpg", None), ("a.", None), ("x.dng", "RAW"),
     ("x.JXL", "JPEG XL"), ("x.M2T", "MPEG-TS"), ("x.exr", "OpenEXR")],
)  # fmt: skip
def test_a_name_tells_its_format(name: str, expected: str | None) -> None:
    found = by_suffix(name)
    assert (found.name if found else None) == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [("JPEG", "JPEG"), ("MPO", "JPEG"), ("PNG", "PNG"), ("WEBP", "WebP"), ("GIF", "GIF"), ("BMP", "BMP"),
     ("TIFF", "TIFF"), ("AVIF", "AVIF"), ("JPEG2000", "JPEG 2000"), ("PPM", "PNM"), ("ICO", "ICO"), ("DDS", "DDS")],
)  # fmt: skip
def test_what_pillow_writes_is_recognised_by_content(form: str, expected: str) -> None:
    stream = io.BytesIO()
    PICTURE.save(stream, form)
    assert content(stream.getvalue()) == expected


@pytest.mark.parametrize(
    ("suffix", "expected"), [(".hdr", "Radiance HDR"), (".ras", "Sun raster"), (".pfm", "PNM"), (".pam", "PNM")]
)
def test_what_opencv_writes_is_recognised_by_content(suffix: str, expected: str) -> None:
    pixels = np.asarray(PICTURE)
    done, data = cv2.imencode(suffix, pixels.astype(np.float32) if suffix in (".hdr", ".pfm") else pixels)
    assert done
    assert content(bytes(data)) == expected


def test_heic_is_recognised_by_content() -> None:
    stream = io.BytesIO()
    pillow_heif.from_pillow(PICTURE).save(stream, quality=50)
    assert content(stream.getvalue()) == "HEIC"


def test_flat_psd_and_raw_files_are_recognised_by_content() -> None:
    assert content(b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 8, 8, 8, 3)) == "PSD"
    assert content(b"8BPS" + struct.pack(">H6xHIIHH", 2, 3, 8, 8, 8, 3)) == "PSB"
    version = struct.pack("<HHI", 50706, 1, 4) + b"\1\4\0\0"
    assert content(b"II*\0" + struct.pack("<IH", 8, 1) + version + bytes(4)) == "RAW"
    make = struct.pack(">HHII", 0x010F, 2, 4, 0) + struct.pack(">HHII", 0x014A, 4, 2, 0)
    assert content(b"MM\0*" + struct.pack(">IH", 8, 2) + make + bytes(4)) == "RAW"
    assert content(b"II*\0\x10\0\0\0CR\2\0" + bytes(64)) == "RAW"
    assert content(b"FUJIFILMCCD-RAW 0201FF") == "RAW"
    assert content(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom") == "RAW"
    assert content(b"\0\0\0\x0cJXL \r\n\x87\n") == "JPEG XL"


@pytest.mark.parametrize(
    ("container", "codec", "expected"),
    [("mp4", "mpeg4", "MP4 and QuickTime"), ("mov", "mjpeg", "MP4 and QuickTime"), ("avi", "mjpeg", "AVI"),
     ("matroska", "mpeg4", "Matroska and WebM"), ("mpegts", "mpeg2video", "MPEG-TS"), ("mpeg", "mpeg1video", "MPEG"),
     ("mpeg1video", "mpeg1video", "MPEG"), ("m4v", "mpeg4", "MPEG"), ("asf", "msmpeg4v3", "Windows Media"),
     ("flv", "flv1", "Flash Video"), ("rm", "rv20", "RealMedia"), ("dv", "dvvideo", "DV"), ("h264", "libx264", "H.264"),
     ("hevc", "libx265", "H.265"), ("ivf", "libvpx", "IVF"), ("yuv4mpegpipe", "rawvideo", "YUV4MPEG"),
     ("nut", "mpeg4", "NUT"), ("mxf", "mpeg2video", "MXF"), ("m2ts", "mpeg2video", "MPEG-TS"),
     ("3gp", "h263", "MP4 and QuickTime"), ("ogg", "libtheora", "Ogg")],
)  # fmt: skip
def test_what_ffmpeg_writes_is_recognised_by_content(container: str, codec: str, expected: str) -> None:
    stream = io.BytesIO()
    try:
        with av.open(stream, "w", "mpegts" if container == "m2ts" else container,
                     options={"mpegts_m2ts_mode": "1"} if container == "m2ts" else {}) as made:  # fmt: skip
            video = made.add_stream(codec, rate=25)
            video.width, video.height = (720, 576) if codec == "dvvideo" else (176, 144)
            video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for value in (20, 200) * 4:
                pixels = np.full((video.height, video.width, 3), value, np.uint8)
                made.mux(video.encode(av.VideoFrame.from_ndarray(pixels)))
            made.mux(video.encode(None))
    except (ValueError, av.error.FFmpegError, LookupError) as error:
        pytest.skip(f"this FFmpeg can't write {codec} in {container}: {error}")
    assert content(stream.getvalue()) == expected


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"BM is how this text begins, and it goes on", b"P1 is a project name", b"GIF", b"import os\n" * 99,
     b"PK\3\4" + bytes(99), b"%PDF-1.7\n", b"<html>", b"RIFF\0\0\0\0WAVEfmt ", b"ID3\4", b"\0" * 3000, b"GGGGGGGG" * 20,
     b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom", b"II*\0"[:3], b"const a = 1;\n" * 200, b"\x7fELF\2\1\1", b"SQLite format 3\0"],
)  # fmt: skip
def test_other_files_are_nothing(data: bytes) -> None:
    assert content(data) is None


def test_shadow_files_of_macs_are_known_and_no_pictures() -> None:
    shadow = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(4000)
    assert is_apple_double(shadow)
    assert content(shadow) is None


@given(st.binary(max_size=300), st.sampled_from([one for one in FORMATS if one.signature]))
def test_no_bytes_break_a_signature(data: bytes, form: object) -> None:
    assert form.signature(data) in (True, False)  # type: ignore[attr-defined]


def test_each_format_is_readable_or_says_what_would_read_it() -> None:
    for one in IMAGES + VIDEOS:
        if one.reader is None:
            assert not one.is_readable()
        elif one.reader.extra is None:
            assert one.is_readable(), one.name
        else:
            assert f"[{one.reader.extra}]'" in one.reader.install_command
