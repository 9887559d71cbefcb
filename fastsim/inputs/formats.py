"""List all formats: how files are recognised by suffix or by their first bytes, and what reads them.

Discovery, decoders, `doctor`, --help and the documentation take it from here.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from fastsim.errors import pip_install
from fastsim.inputs import signatures as s
from fastsim.inputs.signatures import Signature


class Kind(StrEnum):
    """Kind of media of a format."""

    IMAGE = "image"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Reader:
    """A library that decodes files."""

    name: str
    """Common name."""
    package: str
    """Name on the package index."""
    module: str
    """Name to import."""
    extra: str | None = None
    """Extra of fastsim that installs it; None: it is in the base installation."""

    def is_installed(self) -> bool:
        """Return whether it can be found; it is not imported."""
        return _is_installed(self.module)

    @property
    def install_command(self) -> str:
        """Return the command that installs it."""
        return pip_install(self.extra) if self.extra else f"pip install {self.package}"


OPENCV = Reader("OpenCV", "opencv-python-headless", "cv2")
PILLOW = Reader("Pillow", "pillow", "PIL")
PILLOW_HEIF = Reader("pillow-heif", "pillow-heif", "pillow_heif")
RAWPY = Reader("rawpy", "rawpy", "rawpy", "raw")
PILLOW_JXL = Reader("pillow-jxl-plugin", "pillow-jxl-plugin", "pillow_jxl", "jxl")
OURS = Reader("fastsim", "fastsim", "fastsim")
FFMPEG = Reader("FFmpeg", "av", "av")


@dataclass(frozen=True, slots=True)
class Format:
    """A format: how its files are recognised, and what reads them."""

    name: str
    kind: Kind
    suffixes: tuple[str, ...]
    """Lower case, with the dot; no two formats share one."""
    reader: Reader | None
    """None: nothing reads it here. It is listed so that its files are counted, not ignored."""
    signature: Signature | None = None
    """Takes the first `signatures.HEAD_BYTES` bytes; None for a format without a mark at its beginning."""
    pillow: tuple[str, ...] = ()
    """Pillow's names, for formats that Pillow identifies; the module that registers them is PIL's
    `<plugin>ImagePlugin`.
    """
    plugin: str = ""

    def is_readable(self) -> bool:
        """Return whether its reader is installed."""
        return self.reader is not None and self.reader.is_installed()


# pillow: one or more of Pillow's names, separated by spaces.
def _image(
    name: str,
    suffixes: str,
    reader: Reader | None,
    signature: Signature | None = None,
    *,
    pillow: str = "",
    plugin: str = "",
) -> Format:
    return Format(name, Kind.IMAGE, tuple(suffixes.split()), reader, signature, tuple(pillow.split()), plugin)


def _video(name: str, suffixes: str, signature: Signature | None = None, reader: Reader | None = FFMPEG) -> Format:
    return Format(name, Kind.VIDEO, tuple(suffixes.split()), reader, signature)


_JPEG_2000 = rb"\x00\x00\x00\x0cjP  \r\n\x87\n.{8}(?!mjp2)|\xff\x4f\xff\x51"
_PNM = rb"P[1-6]\s(\s|#[^\n]*\n)*\d+\s|P7\n(#[^\n]*\n)*(WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE)\s|P[Ff]\n\d+\s+\d+\s+-?\d"

IMAGES: tuple[Format, ...] = (
    _image(
        "JPEG", ".jpg .jpeg .jpe .jfif .jif .jfi .pjpeg .pjp .jps .insp", OPENCV, s.starts(b"\xff\xd8\xff"),
        pillow="JPEG", plugin="Jpeg",
    ),
    _image("MPO", ".mpo", OPENCV, None, pillow="MPO", plugin="Mpo"),
    _image("PNG", ".png .apng .pns", OPENCV, s.is_png, pillow="PNG", plugin="Png"),
    _image("WebP", ".webp", OPENCV, s.riff(b"WEBP"), pillow="WEBP", plugin="WebP"),
    _image("GIF", ".gif", PILLOW, s.starts(b"GIF87a", b"GIF89a"), pillow="GIF", plugin="Gif"),
    _image("BMP", ".bmp .dib", OPENCV, s.is_bmp, pillow="BMP DIB", plugin="Bmp"),
    _image("TIFF", ".tif .tiff .btf .tf8 .bigtiff", OPENCV, s.is_tiff, pillow="TIFF", plugin="Tiff"),
    _image("HEIC", ".heic .heics .heif .heifs .hif", PILLOW_HEIF, s.is_heic, pillow="HEIF"),
    _image("AVIF", ".avif .avifs", OPENCV, s.is_avif, pillow="AVIF", plugin="Avif"),
    _image(
        "JPEG 2000", ".jp2 .j2k .j2c .jpc .jpf .jpx .jpm", OPENCV, s.matches(_JPEG_2000),
        pillow="JPEG2000", plugin="Jpeg2K",
    ),
    _image("PNM", ".pbm .pgm .ppm .pnm .pam .pfm", OPENCV, s.matches(_PNM), pillow="PPM", plugin="Ppm"),
    _image("TGA", ".tga", PILLOW, None, pillow="TGA", plugin="Tga"),
    _image("ICO", ".ico", PILLOW, s.is_ico, pillow="ICO", plugin="Ico"),
    _image("PSD", ".psd", PILLOW, s.starts(b"8BPS\0\1"), pillow="PSD", plugin="Psd"),
    _image("DDS", ".dds", PILLOW, s.starts(b"DDS |\0\0\0"), pillow="DDS", plugin="Dds"),
    _image("Radiance HDR", ".hdr .rgbe .xyze", OPENCV, s.starts(b"#?RADIANCE", b"#?RGBE")),
    _image("Sun raster", ".ras .sr .sun", OPENCV, s.starts(b"\x59\xa6\x6a\x95")),
    _image(
        "RAW",
        ".dng .nef .nrw .cr2 .cr3 .crw .arw .srf .sr2 .raf .orf .ori .rw2 .rwl .pef .srw .x3f .erf .mef .mos .mrw .3fr "
        ".fff .iiq .kdc .dcr .dcs .k25 .gpr .bay",
        RAWPY, s.is_raw,
    ),
    _image("JPEG XL", ".jxl", PILLOW_JXL, s.starts(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"), pillow="JXL"),
    _image("OpenEXR", ".exr", None, s.starts(b"\x76\x2f\x31\x01")),
    _image("PSB", ".psb", OURS, s.starts(b"8BPS\0\2")),
    _image("SVG", ".svg .svgz", None),
)  # fmt: skip
"""Formats of still images, the common ones first."""

VIDEOS: tuple[Format, ...] = (
    _video("MP4 and QuickTime", ".mp4 .m4v .mov .qt .3gp .3g2 .f4v .f4p .ismv .insv .mj2 .mjp2 .lrv .360", s.is_mp4),
    _video("Matroska and WebM", ".mkv .mk3d .webm", s.starts(b"\x1a\x45\xdf\xa3")),
    _video("AVI", ".avi .divx .amv", s.matches(rb"RIFF.{4}(AVI |AVIX|AMV )")),
    _video(
        "MPEG",
        ".mpg .mpeg .mpe .m1v .m2v .vob .evo .vro .m2p .mod .tod",
        s.matches(rb"(\x00|)\x00\x00\x01[\xba\xb3\xb0\xb5]|RIFF.{4}CDXA"),
    ),
    _video("MPEG-TS", ".ts .mts .m2ts .m2t .tp .trp", s.is_mpeg_ts),
    _video("Windows Media", ".wmv .asf .dvr-ms", s.starts(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")),
    _video("Flash Video", ".flv .kux", s.starts(b"FLV\1")),
    _video("Ogg", ".ogv .ogm .ogx", s.is_ogg_video),
    _video("RealMedia", ".rm .rmvb .rmhd .ivr", s.starts(b".RMF", b".R1M")),
    _video("DV", ".dv .dif", s.matches(rb"\x1f\x07\x00[\x3f\xbf]")),
    _video("MXF", ".mxf", s.starts(b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02")),
    _video("H.264", ".h264 .264 .avc .h26l .x264 .jsv", s.is_h264),
    _video("H.265", ".h265 .265 .hevc .x265", s.is_h265),
    _video("H.266", ".h266 .266 .vvc"),
    _video("MJPEG", ".mjpeg .mjpg"),
    _video("DHAV (CCTV)", ".dav", s.starts(b"DHAV")),
    _video("IVF", ".ivf", s.starts(b"DKIF")),
    _video("AV1", ".obu .av1"),
    _video("VC-1", ".vc1 .rcv"),
    _video("H.261 and H.263", ".h261 .h263"),
    _video("YUV4MPEG", ".y4m", s.starts(b"YUV4MPEG2")),
    _video("NUT", ".nut", s.starts(b"nut/multimedia")),
    _video("Windows TV", ".wtv", s.starts(b"\xb7\xd8\x00\x20\x37\x49\xda\x11")),
    _video("NuppelVideo", ".nuv", s.starts(b"NuppelVideo\0", b"MythTVVideo\0")),
    _video("Nullsoft Video", ".nsv", s.starts(b"NSVf", b"NSVs")),
    _video("Bink and Smacker", ".bik .bk2 .smk", s.matches(rb"BIK[a-k]|KB2[a-k]|SMK[24]")),
    _video("GXF", ".gxf", s.starts(b"\0\0\0\0\1\xbc")),
    _video("FLIC", ".fli .flc"),
    _video("Phantom Cine and SER", ".cine .ser", s.starts(b"LUCAM-RECORDER", b"CI\x2c\0")),
    _video("Magic Lantern", ".mlv", s.starts(b"MLVI")),
    _video("Vivo and id RoQ", ".viv .roq", s.starts(b"\x84\x10\xff\xff\xff\xff")),
)
"""Formats of videos, all of them read by FFmpeg."""

FORMATS = IMAGES + VIDEOS

NEVER_LOOKED_INTO = frozenset(
    (
        *(".aae", ".acr", ".arp", ".dop", ".dr4", ".exv", ".json", ".mie", ".nksc", ".on1", ".pp3", ".thm", ".vrd"),
        *(".xmp", ".aac", ".aif", ".aiff", ".ape", ".flac", ".m4a", ".m4b", ".mka", ".mks", ".mp3", ".oga", ".opus"),
        *(".wav", ".wma", ".wv"),
    )
)
"""Suffixes of sidecars and of sound: such a file is not an image or video, even if its first bytes are those of one
(`.thm` is a thumbnail).
"""

SHARED_SUFFIXES = frozenset(
    (
        *(".ts", ".mod", ".tod", ".dif", ".ser", ".360", ".avc", ".hdr", ".ras", ".sr", ".sun", ".pfm", ".pns", ".jps"),
        *(".mos", ".fff", ".bay", ".cine", ".sr2", ".srf", ".tp", ".rm"),
    )
)
"""Suffixes that other kinds of files have as well (TypeScript, music, headers of scientific data): a file is an image
or video only if its first bytes are.
"""

_BY_SUFFIX = {suffix: one for one in FORMATS for suffix in one.suffixes}


def suffix_of(name: str) -> str:
    """Return the suffix of a file name, lower case, with the dot; empty without one. A name like `.jpg` is all suffix."""
    return f".{name.rpartition('.')[2]}".lower() if "." in name else ""


def by_suffix(name: str) -> Format | None:
    """Return the format that a file's name suggests, whatever its content."""
    return _BY_SUFFIX.get(suffix_of(name))


def by_content(head: bytes) -> Format | None:
    """Return the format of a file that begins with `head` (`signatures.HEAD_BYTES` bytes, or all of it)."""
    return next((one for one in FORMATS if one.signature is not None and one.signature(head)), None)


def suffixes(kind: Kind) -> frozenset[str]:
    """Return the suffixes of all formats of one kind, including those that need an extra."""
    return frozenset(suffix for one in FORMATS if one.kind == kind for suffix in one.suffixes)


def plain_suffixes(kind: Kind) -> frozenset[str]:
    """Return the suffixes that settle it: a file with one of them is of `kind`, and its reader is installed."""
    readable = (one for one in FORMATS if one.kind == kind and one.is_readable())
    return frozenset(suffix for one in readable for suffix in one.suffixes) - SHARED_SUFFIXES


def summary(kind: Kind) -> str:
    """Return what is read of one kind, in a sentence or two for --help."""
    readable = [one for one in FORMATS if one.kind == kind and one.reader is not None]
    base = ", ".join(one.name for one in readable if one.reader is not None and one.reader.extra is None)
    extras = [f"{one.name} (extra {one.reader.extra})" for one in readable if one.reader and one.reader.extra]
    return f"Formats: {', '.join([base, *extras])}. fastsim doctor lists their suffixes and readers."


@cache
def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
