"""Find the files that belong to images on disk, beside them, by name."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from fastsim.inputs.formats import suffix_of
from fastsim.inputs.sidecar_names import EDITS, FILMS, SOUND, FolderNames, is_raw
from fastsim.records.files import Companion, Role, Snapshot

LONGEST_FILM = 64 * 10**6
"""Bytes: the moving part of a photo is a few seconds long; a larger film is one of its own."""


class Sidecars:
    """The files that belong to the images of a run. Folders are listed when they are first needed."""

    def __init__(self, pictures: Iterable[str], *, pairs: bool, sidecars: bool) -> None:
        """Prepare the search.

        pictures: the paths of all images that take part. pairs: a RAW file belongs to the JPEG or HEIC of its shot.
        sidecars: False leaves all other files that belong to images where they are.
        """
        self._pairs, self._sidecars = pairs, sidecars
        self._pictures: dict[str, list[str]] = {}
        for path in pictures:
            folder, name = os.path.split(path)
            self._pictures.setdefault(folder, []).append(name)
        self._folders: dict[str, _Folder] = {}

    def of(self, path: str) -> tuple[Companion, ...]:
        """Return everything that belongs to the image `path`, even if shared with others; RAW files and films first."""
        folder, name = os.path.split(path)
        return self._folder(folder).of(name) if self._pairs or self._sidecars else ()

    def going_with(self, paths: Collection[str], *, copied: bool) -> dict[str, tuple[Companion, ...]]:
        """Return {image: what goes with it} for the images `paths` that go, each file once.

        A file that belongs to several files goes only if all of them go, or if one of them is `copied`.
        """
        going: dict[str, set[str]] = {}
        for path in paths:
            folder, name = os.path.split(path)
            going.setdefault(folder, set()).add(name)
        found: dict[str, list[Companion]] = {path: [] for path in paths}
        for folder, names in going.items() if self._pairs or self._sidecars else ():
            for name, companion in self._folder(folder).going_with(names, copied):
                found[os.path.join(folder, name)].append(companion)
        return {path: tuple(companions) for path, companions in found.items() if companions}

    def _folder(self, path: str) -> _Folder:
        if path not in self._folders:
            self._folders[path] = _Folder(path, self._pictures.get(path, ()), self._pairs, self._sidecars)
        return self._folders[path]


class _Folder:
    """One folder's files that belong to others."""

    def __init__(self, path: str, pictures: Iterable[str], pairs: bool, sidecars: bool) -> None:
        self._path = path
        try:
            with os.scandir(path) as found:
                entries = {entry.name: entry for entry in found if entry.is_file(follow_symlinks=False)}
        except OSError:  # it no longer exists, which apply will report for its images
            entries = {}
        names = FolderNames(entries, pictures)
        self._companions: dict[str, Companion] = {}
        self._owners: dict[str, list[str]] = {}
        for name in names.candidates:
            owners = names.owners(name, pairs=pairs, sidecars=sidecars)
            companion = self._companion(entries[name]) if owners else None
            if companion is not None:
                self._companions[name], self._owners[name] = companion, owners

    def of(self, name: str) -> tuple[Companion, ...]:
        return self._by_picture.get(name, ())

    def going_with(self, going: Collection[str], copied: bool) -> list[tuple[str, Companion]]:
        """Return (image of `going`, what goes with it)."""
        head = {name: name for name in going}
        enough = any if copied else all
        order = sorted(self._owners, key=lambda name: _ORDER.index(self._companions[name].role))
        found: list[tuple[str, Companion]] = []
        for _ in range(3):  # a sidecar may belong to a film that belongs to an image
            for name in order:
                if name not in head and enough(owner in head for owner in self._owners[name]):
                    head[name] = next(head[owner] for owner in self._owners[name] if owner in head)
                    found.append((head[name], self._companions[name]))
        return found

    @cached_property
    def _by_picture(self) -> Mapping[str, tuple[Companion, ...]]:
        found: dict[str, list[Companion]] = {}
        for name in sorted(self._owners, key=lambda name: _ORDER.index(self._companions[name].role)):
            for picture in self._pictures_of(name, 3):
                found.setdefault(picture, []).append(self._companions[name])
        return {picture: tuple(companions) for picture, companions in found.items()}

    def _pictures_of(self, name: str, depth: int) -> dict[str, None]:
        """Return the images to which `name` belongs in the end."""
        found: dict[str, None] = {}
        for owner in self._owners[name]:
            if owner not in self._owners:
                found[owner] = None
            elif depth:
                found |= self._pictures_of(owner, depth - 1)
        return found

    def _companion(self, entry: os.DirEntry[str]) -> Companion | None:
        try:
            status = os.stat(entry.path, follow_symlinks=False)
        except OSError:
            return None
        role = _role(entry.name)
        if not stat.S_ISREG(status.st_mode) or (role == Role.FILM and status.st_size > LONGEST_FILM):
            return None
        return Companion(os.path.join(self._path, entry.name), Snapshot.from_stat(status), role)


_ORDER = (Role.RAW, Role.FILM, Role.EDITS, Role.SOUND, Role.DATA)


def _role(name: str) -> Role:
    suffix = suffix_of(name)
    if is_raw(name):
        return Role.RAW
    if suffix in FILMS:
        return Role.FILM
    if suffix in EDITS:
        return Role.EDITS
    return Role.SOUND if suffix in SOUND else Role.DATA
