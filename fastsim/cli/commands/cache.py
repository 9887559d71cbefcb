"""Show or remove the cache (`fastsim cache info`, `fastsim cache clear`)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from fastsim.cache import compiled_networks, embeddings
from fastsim.cache.embeddings import default_folder
from fastsim.errors import ExitCode, FastsimError, quoted, shown
from fastsim.report.results import in_bytes, plural
from fastsim.run.terminal import out


def info(chosen: str | None) -> ExitCode:
    """Print what the cache holds."""
    folder = _folder(chosen)
    try:
        found = embeddings.info(folder)
    except sqlite3.OperationalError as error:  # no access, a read-only disk, or locked for long
        raise FastsimError(f"the embedding cache in {shown(str(folder))} can't be read ({error})") from None
    except sqlite3.DatabaseError as error:
        option = f" --cache {quoted(chosen)}" if chosen else ""
        raise FastsimError(
            f"the embedding cache in {shown(str(folder))} is damaged ({error}); the next run makes a new one, "
            f"or remove it with: fastsim cache clear{option}"
        ) from None
    networks = compiled_networks.files(folder)
    if found is None and not networks:
        out(f"No embedding cache in {shown(str(folder))}.")
        return ExitCode.DONE
    if found is not None:
        out(f"{shown(str(found.path))}: {in_bytes(found.bytes)}, {plural(found.files, 'file')} known")
    for key, count in found.networks if found else ():
        model, size, device, runtime, version = [*key.split(" "), *("?" * 5)][:5]
        out(f"  {plural(count, 'vector')}: model {model[:12]}, size {size}, {device}, {runtime} {version}")
    if networks:
        size = in_bytes(sum(path.stat().st_size for path in networks))
        out(f"{plural(len(networks), 'compiled network')} in {shown(str(folder))}: {size}")
    return ExitCode.DONE


def clear(chosen: str | None) -> ExitCode:
    """Remove the cache."""
    folder = _folder(chosen)
    try:
        freed = embeddings.clear(folder)
    except OSError as error:
        raise FastsimError(
            f"the embedding cache in {shown(str(folder))}: {error.strerror}; nothing else was done"
        ) from None
    if freed is None:
        out(f"No embedding cache in {shown(str(folder))}.")
    else:
        out(f"Removed the embedding cache in {shown(str(folder))} ({in_bytes(freed)}).")
    return ExitCode.DONE


def _folder(chosen: str | None) -> Path:
    return Path(chosen or default_folder())
