"""Decode a still image on the CPU to the squares that the network takes.

A square is RGB uint8[size, size, 3], with EXIF orientation and colour profiles applied and more than 8 bits scaled to
8. The aspect ratio is not kept: the network was trained on squeezed images, and a copy with another aspect ratio
becomes the same square. A file with several pages or frames, or with transparency, has several squares.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from PIL import UnidentifiedImageError

from fastsim.decode import containers, readers
from fastsim.decode.libraries import MAX_PIXELS, PILLOW_FORMATS, TOO_LARGE, Image, configured, plug_in
from fastsim.decode.memory import BUDGET
from fastsim.decode.picture import ChooseSize, Picture, UnreadableError, first_line
from fastsim.errors import reason_of
from fastsim.inputs import formats
from fastsim.inputs.archives import open_source
from fastsim.inputs.signatures import HEAD_BYTES

MAX_BYTES = 2 * 2**30
"""Larger files are skipped, because they would have to be held in memory whole."""
AT_ONCE = 16 * 2**20
"""The headers of files with more bytes are inspected before the whole file is read."""
_Source = bytes | IO[bytes]


def decode_file(path: str, choose_size: ChooseSize) -> Picture:
    """Read and decode one file. Raises UnreadableError."""
    try:
        with configured(), opened(path) as file:
            count = file.seek(0, os.SEEK_END)
            file.seek(0)
            source: _Source = file.read(count) if count <= AT_ONCE else file
            decode, need = _planned(source, path)
            with BUDGET.take(need + (count if count > AT_ONCE else 0)):
                if not isinstance(source, bytes):
                    file.seek(0)
                    source = file.read(count)
                return decode(source, choose_size)
    except UnreadableError:
        raise
    except MemoryError:
        raise UnreadableError("not enough memory to decode it") from None
    except Image.DecompressionBombError:
        raise UnreadableError(TOO_LARGE) from None
    except OSError as error:
        if error.strerror is None:  # Pillow's own
            raise UnreadableError(f"can't be decoded: {first_line(error)}") from error
        raise UnreadableError(reason_of(error)) from None
    except Exception as error:  # an error that the decoder's authors did not expect: skip this file
        raise UnreadableError(f"can't be decoded: {first_line(error)}") from error


def opened(path: str) -> IO[bytes]:
    """Open a regular file, or a member of an archive, of 1 to MAX_BYTES bytes.

    Raises UnreadableError for any other, OSError where it cannot be opened.
    """
    with suppress(FileNotFoundError, NotADirectoryError):  # it may be a member of an archive
        if not stat.S_ISREG(os.stat(path).st_mode):  # a FIFO would wait for a writer
            raise UnreadableError("not a regular file")
    file = open_source(path)
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size == 0:
            raise UnreadableError("empty file")
        if size > MAX_BYTES:
            raise UnreadableError(f"{size / 2**30:.1f} GiB, more than the limit of {MAX_BYTES // 2**30} GiB")
    except BaseException:
        file.close()
        raise
    return file


def _planned(source: _Source, path: str) -> tuple[Callable[[bytes, ChooseSize], Picture], int]:
    """Return the function that decodes the file, and the bytes of memory that it needs."""
    head = source[:HEAD_BYTES] if isinstance(source, bytes) else source.read(HEAD_BYTES)
    known = formats.by_content(head)
    form = known or formats.by_suffix(path)
    names = PILLOW_FORMATS
    if form is not None and form.reader is not None and not form.reader.is_installed():
        raise UnreadableError(f"{form.name} needs {form.reader.name}: {form.reader.install_command}")
    if form is not None and (plan := readers.plan(form.name, head)) is not None:
        decode, size, need = plan
        _check(*size)
        return decode, need
    if form is not None and form.reader in (formats.PILLOW_HEIF, formats.PILLOW_JXL):
        names = plug_in(form.reader)
    own = tuple(name for name in known.pillow if name in names) if known else ()
    header = (_header(source, own) if own else None) or _header(source, names)
    if header is None and known is None and head[:2] != b"BM":  # before a large file is read whole
        raise UnreadableError(readers.NO_PICTURE)
    if header is None:
        return readers.unknown, readers.cost_of_unknown(head)
    _check(*header.size)
    return containers.decoder_of(header, names), containers.cost_of(header)


def _header(source: _Source, names: tuple[str, ...]) -> Any:
    stream: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source
    stream.seek(0)
    try:
        return Image.open(stream, formats=names)
    except UnidentifiedImageError:
        return None
    except (OSError, ValueError, SyntaxError):
        stream.seek(0)
        if stream.read(2) == b"BM":  # a variant that Pillow knows by name only
            return None
        raise


def _check(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableError(TOO_LARGE)
