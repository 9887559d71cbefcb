"""Recognise folders of a system or a program: their images are not the user's to sort, and may soon be deleted."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from functools import lru_cache


class SystemKind(StrEnum):
    """Kind of a system folder, as in the summary, in the singular."""

    TRASH = "trash folder"
    SNAPSHOT = "snapshot folder"
    THUMBNAILS = "thumbnail or system folder"
    VERSIONS = "version control folder"
    LIBRARY = "photo library"
    TRASHED = "trashed file"


_TRASH = (
    r"\.trash(-\d+|es|box)?", r"\$recycle\.bin", r"recycle[rd]", r"[#@.$]recycle", r"network trash folder", r"trashbox",
    r"\.dtrash", r"files_trashbin", r"\.?@trash", r"\.mobilebackups\.trash",
)  # fmt: skip
_SNAPSHOT = (
    r"[.~#@]snapshots?", r"\.zfs", r"backups\.backupdb", r"@gmt-.+", r"system volume information", r"\.mobilebackups",
    r"\.stversions", r"\.sync", r"\.ckpt", r"\.snap", r"@sharesnap", r"@recently-snapshot", r"files_versions",
    r".+\.(backupbundle|sparsebundle|timemachine)", r"\.timemachine",
)  # fmt: skip
_THUMBNAILS = (
    r"@eadir", r"[@.](__)?thumb(s|nails|cache)?", r"\.@__thumb", r"thumbs", r"\.xvpics", r"\.bridgecache.*", r"__macosx",
    r"\.picasaoriginals", r"\.apple(double|db|desktop)", r"\.spotlight-v\d+", r"\.fseventsd", r"\.?temporary ?items",
    r"\.documentrevisions-v\d+", r"appdata_oc\w+", r"\.photoprism", r"\.(dropbox\.cache|stfolder|btsync)", r"@synoresource",
    r"@tmp", r"\.@__qini", r"\.nextcloud", r"\.immich",
)  # fmt: skip
_VERSIONS = (r"\.(git|hg|svn|bzr|jj|pijul|fossil)", r"_darcs")
_LIBRARY = (
    r".+\.(photoslibrary|photolibrary|migratedphotolibrary|aplibrary|migratedaplibrary)", r".+\.(lrdata|lrlibrary|lrcat-data)",
    r".+\.(cocatalog|cosessiondb|imovielibrary|fcpbundle|tvlibrary|theater|photoboothlibrary)", r".+\.(lmnr|luminarcatalog)",
    r"(photo booth|iphoto) library",
)  # fmt: skip

_KINDS = (
    (SystemKind.TRASH, _TRASH),
    (SystemKind.SNAPSHOT, _SNAPSHOT),
    (SystemKind.THUMBNAILS, _THUMBNAILS),
    (SystemKind.VERSIONS, _VERSIONS),
    (SystemKind.LIBRARY, _LIBRARY),
)
_NAMES = re.compile("|".join(f"(?P<{kind.name}>{'|'.join(names)})" for kind, names in _KINDS), re.IGNORECASE)
_BELOW = {("share", "trash"): SystemKind.TRASH, (".cache", "thumbnails"): SystemKind.THUMBNAILS,
          ("captureone", "cache"): SystemKind.THUMBNAILS}  # fmt: skip
"""Names that have a meaning only below a certain folder."""
_TRASHED_FILE = re.compile(r"\.trashed-\d+-.+", re.IGNORECASE)
"""Name that Android gives to an image in its bin."""


def folder_kind(name: str, parent: str) -> SystemKind | None:
    """Return what the folder `name` in a folder named `parent` belongs to; None for a folder of the user.

    Case is ignored: disks of Windows and macOS keep their spelling when they are mounted elsewhere. Only `CVS` must be
    upper case, because `cvs` is a word in many languages.
    """
    if name == "CVS":
        return SystemKind.VERSIONS
    found = _NAMES.fullmatch(name)
    if found is not None and found.lastgroup is not None:
        return SystemKind[found.lastgroup]
    return _BELOW.get((parent.casefold(), name.casefold()))


def is_trashed(name: str) -> bool:
    """Return whether a file was put into Android's bin, which renames it in its folder."""
    return name.startswith(".trashed-") and _TRASHED_FILE.fullmatch(name) is not None


def is_passing(path: str) -> bool:
    """Return whether a file is in a folder that is emptied, replaced or rebuilt without the user's action.

    Such a folder is no place for the last copy.
    """
    return is_trashed(os.path.basename(path)) or _is_passing_folder(os.path.dirname(path))


@lru_cache(maxsize=4096)
def _is_passing_folder(path: str) -> bool:
    held = holder(path)
    return held is not None and held[0] in (SystemKind.TRASH, SystemKind.SNAPSHOT, SystemKind.THUMBNAILS)


def holder(path: str) -> tuple[SystemKind, str] | None:
    """Return the kind and the path of the outermost system folder that contains `path`, or is `path`."""
    parts = path.split(os.sep)
    for end in range(1, len(parts) + 1):
        kind = folder_kind(parts[end - 1], parts[end - 2] if end > 1 else "")
        if kind is not None:
            return kind, os.sep.join(parts[:end])
    return None
