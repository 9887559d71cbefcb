"""Find the files of the input: each once, in a fixed order, whatever the spelling, the links and the overlaps."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from fastsim.errors import UsageError, shown
from fastsim.progress import Bar
from fastsim.records import MediaFile, Skipped, Snapshot

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jpm", ".pbm", ".pgm", ".ppm", ".pnm", ".pam"),
        *(".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif"),
    }
)
VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".divx", ".wmv", ".asf", ".flv", ".f4v", ".mpg"),
        *(".mpeg", ".mpe", ".m1v", ".m2v", ".mts", ".m2ts", ".ts", ".vob", ".ogv", ".ogm", ".3gp", ".3g2", ".mxf"),
        ".y4m",
    }
)

RUN_MARK = "fastsim_journal.jsonl"
"""A folder that holds this file is the output of a run (a test holds it to the name that journal uses)."""

_Id = tuple[object, ...]
"""Equal for two paths that are one thing on disk."""


def discover(
    inputs: Sequence[str],
    *,
    listed: Sequence[str] = (),
    recursive: bool,
    exclude: Sequence[str],
    follow_links: bool,
    outs: str | None,
    suffixes: frozenset[str],
    bar: Bar | None,
) -> tuple[tuple[MediaFile, ...], tuple[Skipped, ...]]:
    """List the files below `inputs` whose suffix is one of `suffixes` (lower case, with the dot).

    inputs: folders and files; a file named here is taken whatever its suffix, and an input that is a link is resolved.
    listed: the same from a list that a program made, where one that is gone by now is skipped and ends nothing.
    exclude: globs; a file or folder is left out where one matches its name, its path below the input, or its whole path
    (`*` crosses `/`). outs: a folder that is never entered.

    Returns the files, ids 0 .. n-1 by the bytes of their real, absolute paths; and what could not be read. Every file
    is there once, even where inputs overlap. Without `follow_links`, links inside folders are passed over. With it,
    they are followed, but one whose target is in the list already is dropped, so that a link is never kept in place of
    its own target. Output folders of earlier runs are not entered, and told. Fifos, sockets and devices are passed
    over; empty and hidden files are listed.
    Raises UsageError for an input that does not exist, is neither file nor folder, or lies in `outs`.
    """
    rules = _Rules(suffixes, _globs(exclude), recursive, follow_links, None if outs is None else os.path.realpath(outs))
    scan = _Scan(rules, bar)
    for text in inputs:
        scan.add_input(text)
    for text in listed:
        try:
            scan.add_input(text)
        except MissingInputError as error:
            scan.skipped[os.path.abspath(text)] = Skipped(os.path.abspath(text), error.reason)
    scan.add_linked()
    return scan.files(), tuple(sorted(scan.skipped.values(), key=lambda skipped: os.fsencode(skipped.path)))


def read_list(stream: BinaryIO) -> tuple[str, ...]:
    """The paths of a list: one a line, or each ended by NUL if the list holds a NUL (`find -print0`).

    Where every line ends with a carriage return (a list that was made on Windows), that is no part of the names.
    """
    data = stream.read()
    if b"\0" in data:
        return tuple(os.fsdecode(part) for part in data.split(b"\0") if part)
    lines = [line for line in data.split(b"\n") if line]
    if os.name == "nt" or all(line.endswith(b"\r") for line in lines):
        lines = [line.removesuffix(b"\r") for line in lines]
    return tuple(os.fsdecode(line) for line in lines if line)


class MissingInputError(UsageError):
    """An input that does not exist, or can't be reached."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{shown(text)}: {reason}; give files or folders that exist, or - for a list")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Rules:
    suffixes: frozenset[str]
    exclude: re.Pattern[str] | None
    recursive: bool
    follow_links: bool
    outs: str | None

    def excluded(self, name: str, relative: str, path: str) -> bool:
        if self.exclude is None:
            return False
        match = self.exclude.match
        if os.sep != "/":
            relative, path = relative.replace(os.sep, "/"), path.replace(os.sep, "/")
        return match(name) is not None or match(relative) is not None or match(path) is not None

    def is_media(self, name: str) -> bool:
        return f".{name.rpartition('.')[2]}".lower() in self.suffixes if "." in name else False

    def in_outs(self, path: str) -> bool:
        if self.outs is None:
            return False
        path, outs = os.path.normcase(path), os.path.normcase(self.outs)
        return path == outs or path.startswith(outs.rstrip(os.sep) + os.sep)


class _Scan:
    """The state of one discovery: what was found, which folders were entered, and which links wait for their turn."""

    def __init__(self, rules: _Rules, bar: Bar | None) -> None:
        self.skipped: dict[str, Skipped] = {}
        self._rules = rules
        self._bar = bar
        self._found: dict[_Id, tuple[str, str, Snapshot]] = {}
        self._contents: set[_Id] = set()
        self._entered: set[_Id] = set()
        self._links: list[tuple[str, str]] = []
        self._outs_id = _folder_id(rules.outs) if rules.outs is not None and os.path.isdir(rules.outs) else None

    def add_input(self, text: str) -> None:
        """Take one input of the command line. Raises UsageError, MissingInputError where it can't be found."""
        if not text:
            raise UsageError("INPUT '': it is empty; give folders or files (. is the current folder), or - for a list")
        try:
            path = os.path.realpath(text, strict=True)
            status = os.stat(path)
        except (OSError, ValueError) as error:
            reason = "no such file or folder" if isinstance(error, FileNotFoundError) else _reason(error)
            raise MissingInputError(text, reason) from None
        if self._rules.in_outs(path):
            raise UsageError(f"{shown(text)}: it lies in the output folder, which is never read; give another --outs")
        if stat.S_ISDIR(status.st_mode):
            # A set of its own for each input: two inputs may overlap, and --exclude sees other relative paths in each.
            entered: set[_Id] = set()
            self._walk(path, path, entered)
            self._entered |= entered
        elif not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{shown(text)}: neither a file nor a folder; give files or folders")
        elif not self._rules.excluded(os.path.basename(path), os.path.basename(path), path):
            self._add(path, path, status, _folder_id(os.path.dirname(path)))
            if self._bar is not None:
                self._bar.advance()

    def add_linked(self) -> None:
        """Follow the links that were seen, by their paths, and after all that is real: that comes first."""
        while self._links:
            links, self._links = sorted(self._links, key=lambda link: os.fsencode(link[0])), []
            for path, root in links:
                self._add_link(path, root)

    def _add_link(self, path: str, root: str) -> None:
        try:
            status = os.stat(path)
        except OSError as error:
            if self._rules.is_media(path) or not os.path.splitext(path)[1]:
                self.skipped[path] = Skipped(path, f"a link that can't be followed: {_reason(error)}")
            return
        if stat.S_ISDIR(status.st_mode):
            self._walk(path, root, self._entered)
            return
        wanted = stat.S_ISREG(status.st_mode) and self._rules.is_media(path)
        if wanted and _content_id(status) not in self._contents and not self._rules.in_outs(os.path.realpath(path)):
            self._add(path, root, status, _folder_id(os.path.dirname(path)))

    def files(self) -> tuple[MediaFile, ...]:
        found = sorted(self._found.values(), key=lambda one: os.fsencode(one[0]))
        return tuple(MediaFile(i, *one) for i, one in enumerate(found))

    def _walk(self, top: str, root: str, entered: set[_Id]) -> None:
        """Take the files of the folder `top` and of those below it that are not in `entered` yet."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                folder_id = _folder_id(folder)
                if folder_id == self._outs_id or folder_id in entered:
                    continue
                entered.add(folder_id)
                with os.scandir(folder) as found:
                    entries = list(found)
                if folder != root and any(entry.name == RUN_MARK for entry in entries):
                    # Else copies would be kept, and their originals be cleaned away.
                    reason = "the output of an earlier run, not read; name it as an INPUT if that is wanted"
                    self.skipped[folder] = Skipped(folder, reason)
                    continue
                waiting += self._take(entries, root, folder_id)
            except OSError as error:
                self.skipped[folder] = Skipped(folder, f"folder not read: {_reason(error)}")

    def _take(self, entries: list[os.DirEntry[str]], root: str, folder_id: _Id) -> list[str]:
        """Add the files among `entries`, put links aside, and return the folders."""
        folders, before = [], len(self._found)
        rules, start = self._rules, len(root.rstrip(os.sep)) + 1
        for entry in entries:
            path, name = entry.path, entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if not is_folder and not rules.is_media(name) and not entry.is_symlink():
                continue
            if rules.excluded(name, path[start:], path):
                continue
            if entry.is_symlink() or _is_junction(entry):
                if rules.follow_links and (rules.recursive or not os.path.isdir(path)):
                    self._links.append((path, root))
            elif is_folder:
                if rules.recursive:
                    folders.append(path)
            elif entry.is_file(follow_symlinks=False):
                try:
                    # On Windows a DirEntry knows no inode, and a stale size.
                    status = os.stat(path) if os.name == "nt" else entry.stat(follow_symlinks=False)
                except OSError as error:
                    self.skipped[path] = Skipped(path, _reason(error))
                else:
                    self._add(path, root, status, folder_id)
        if self._bar is not None:
            self._bar.advance(len(self._found) - before)
        return folders

    def _add(self, path: str, root: str, status: os.stat_result, folder_id: _Id) -> None:
        """Add a file unless it is there, maybe by another spelling. Hard links are files of their own: two names."""
        content = _content_id(status)
        if status.st_nlink > 1 or status.st_ino == 0:
            name = unicodedata.normalize("NFC", os.path.basename(path)).casefold()
            self._found.setdefault((folder_id, name), (path, root, Snapshot.from_stat(status)))
        else:
            self._found.setdefault(content, (path, root, Snapshot.from_stat(status)))
        self._contents.add(content)


def _globs(exclude: Sequence[str]) -> re.Pattern[str] | None:
    """One pattern for all globs. A leading `**/` means at any depth; a trailing slash changes nothing."""
    patterns = []
    for glob in exclude:
        text = glob.replace("\\", "/") if os.name == "nt" else glob
        text = text.removeprefix("./").rstrip("/")
        anywhere = text.removeprefix("**/")
        patterns.append(("(?s:.*/)?" if anywhere != text else "") + fnmatch.translate(anywhere))
    return re.compile("|".join(patterns), re.IGNORECASE if os.name == "nt" else 0) if patterns else None


def _folder_id(path: str) -> _Id:
    status = os.stat(path)
    return (status.st_dev, status.st_ino) if status.st_ino else (path,)


def _content_id(status: os.stat_result) -> _Id:
    # Size and time too: file systems without real inodes make numbers up, and may give one to two files.
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """A Windows junction: a link to a folder that does not call itself a link (known from Python 3.12 on)."""
    test = getattr(entry, "is_junction", None)
    return test is not None and bool(test())


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None) or str(error)
    return str(strerror)[:1].lower() + str(strerror)[1:]
