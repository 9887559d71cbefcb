"""Reference folders: their files are compared against, and stay where they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fastsim.errors import UsageError, shown
from fastsim.records.files import MediaFile


class References:
    """The reference folders of a run. If inputs and references are nested, the inner one decides."""

    def __init__(self, folders: Sequence[str], inputs: Iterable[str]) -> None:
        """folders: those of --reference, as typed; inputs: the paths of all inputs. Raises UsageError."""
        self._inputs = {os.path.realpath(path) for path in inputs} if folders else set()
        self._folders: set[str] = set()
        for text in folders:
            if not os.path.isdir(text):
                raise UsageError(f"--reference {shown(text)}: no such folder; give a folder that exists")
            path = os.path.realpath(text)
            if path in self._inputs:
                raise UsageError(f"--reference {shown(text)}: it is an INPUT as well; leave it out of one of them")
            self._folders.add(path)

    def __bool__(self) -> bool:
        return bool(self._folders)

    def holds(self, path: str) -> bool:
        """Return whether the file `path` (real and absolute) is of a reference folder."""
        return bool(self._folders) and self._owner(path) in self._folders

    def marked(self, files: Iterable[MediaFile]) -> tuple[MediaFile, ...]:
        """Mark the files of reference folders; the root of each file is the reference or the input that it is of."""
        return tuple(self._marked(one) for one in files)

    def _marked(self, file: MediaFile) -> MediaFile:
        owner = self._owner(file.path)
        if owner in self._folders or file.root in self._folders:
            return replace(file, root=owner, reference=owner in self._folders)
        return file

    def _owner(self, path: str) -> str:
        """Return the innermost input or reference that holds `path`."""
        while path not in self._folders and path not in self._inputs:
            parent = os.path.dirname(path)
            if parent == path:
                return path
            path = parent
        return path
