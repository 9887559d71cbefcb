"""Define the digest by which fastsim identifies the content of a file."""

from __future__ import annotations

import hashlib

from fastsim.inputs.archives import open_source

_CHUNK = 1 << 20


def digest_of(path: str) -> bytes:
    """Return BLAKE2b-256 of the bytes of the file `path`. Raises OSError."""
    digest = hashlib.blake2b(digest_size=32)
    with open_source(path) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()
