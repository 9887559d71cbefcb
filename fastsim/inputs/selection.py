"""Select the files and folders of the input that take part, by the options of a scan."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fastsim.inputs.formats import Kind, by_suffix, suffix_of
from fastsim.inputs.system_folders import SystemKind, folder_kind


@dataclass(frozen=True, slots=True)
class Rules:
    """The options of a scan, resolved."""

    kind: Kind
    exclude: re.Pattern[str] | None
    recursive: bool
    follow_links: bool
    outs: str | None
    include_system: bool
    plain: frozenset[str]
    """`formats.plain_suffixes` of `kind`."""

    def excluded(self, name: str, relative: str, path: str) -> bool:
        """Return whether a glob of --exclude matches a file or folder."""
        if self.exclude is None:
            return False
        match = self.exclude.match
        if os.sep != "/":
            relative, path = relative.replace(os.sep, "/"), path.replace(os.sep, "/")
        return match(name) is not None or match(relative) is not None or match(path) is not None

    def is_plain(self, name: str) -> bool:
        """Return whether a name settles that a file is wanted and can be read.

        Fast, because it is asked for almost every file.
        """
        return name[0] != "." and suffix_of(name) in self.plain

    def is_named_media(self, name: str) -> bool:
        """Return whether a name alone suggests a file of this kind."""
        found = by_suffix(name)
        return found is not None and found.kind == self.kind

    def system_kind(self, name: str, parent: str) -> SystemKind | None:
        """Return what system folder `name` is, if those are left out."""
        return None if self.include_system else folder_kind(name, parent)

    def in_outs(self, path: str) -> bool:
        """Return whether `path` is inside the output folder."""
        if self.outs is None:
            return False
        path, outs = os.path.normcase(path), os.path.normcase(self.outs)
        return path == outs or path.startswith(outs.rstrip(os.sep) + os.sep)


def globs(exclude: Sequence[str]) -> re.Pattern[str] | None:
    """Return one pattern for all globs. A leading `**/` means at any depth; a trailing slash changes nothing."""
    patterns = []
    for glob in exclude:
        text = glob.replace("\\", "/") if os.name == "nt" else glob
        text = text.removeprefix("./").rstrip("/")
        anywhere = text.removeprefix("**/")
        patterns.append(("(?s:.*/)?" if anywhere != text else "") + fnmatch.translate(anywhere))
    return re.compile("|".join(patterns), re.IGNORECASE if os.name == "nt" else 0) if patterns else None
