"""A network that stays loaded, for searches that come one after another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fastsim import decode, embedding
from fastsim.cache.compiled_networks import CompiledStore
from fastsim.config import Compute
from fastsim.errors import FastsimError, reason_of, shown
from fastsim.inputs.digest import digest_of
from fastsim.model import load_model
from fastsim.records.files import MediaFile, Snapshot
from fastsim.retrieval.sets import Embedded
from fastsim.run.progress import NullProgress


class Session:
    """Embed images with one network, loaded once. Used from one thread."""

    def __init__(self, compute: Compute) -> None:
        self._compute = replace(compute, batch=1)
        self._network = embedding.opener(
            load_model(compute.model), runtime=compute.runtime, device=compute.device, batch=1, threads=compute.workers,
            size=compute.size, store=CompiledStore(Path(compute.cache)) if compute.cache else None,
        )()  # fmt: skip

    def embed(self, paths: Sequence[str], *, hashed: bool) -> Embedded:
        """Return the rows of images in the order of `paths`; hashed: with the digests of their bytes.

        Raises FastsimError for an image that cannot be read.
        """
        files = [_file(number, path, hashed) for number, path in enumerate(paths)]
        compute, quiet = self._compute, NullProgress()
        with (
            closing(decode.frame_batches(
                files, size=compute.size, batch=1, workers=compute.workers, device=compute.device,
            )) as frames,
            quiet.bar("", None, "") as bar,
        ):  # fmt: skip
            embeddings, skipped = embedding.embed(self._network, frames, bar)
        if skipped:
            raise FastsimError(f"{shown(skipped[0].path)}: {skipped[0].reason}; name images that can be read")
        digests = {file.id: file.snapshot.digest for file in files if file.snapshot.digest is not None}
        return Embedded("", files, replace(embeddings, digests=digests))


def _file(number: int, path: str, hashed: bool) -> MediaFile:
    real = os.path.realpath(path)
    try:
        snapshot = Snapshot.of(real)
        if hashed:
            snapshot = replace(snapshot, digest=digest_of(real))
    except (OSError, ValueError) as error:
        raise FastsimError(f"{shown(path)}: {reason_of(error)}; name images that can be read") from None
    return MediaFile(number, real, real, snapshot)
