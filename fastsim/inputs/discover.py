"""Find the files of the input: each once, in a fixed order, regardless of spelling, links and overlaps."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from fastsim.errors import UsageError, reason_of, shown
from fastsim.inputs import ignore_files
from fastsim.inputs.archive_files import archive_files
from fastsim.inputs.archives import is_archive, split_member, unread_archive
from fastsim.inputs.filters import NO_FILTERS, Filters
from fastsim.inputs.formats import Format, Kind, plain_suffixes
from fastsim.inputs.names import folded_name
from fastsim.inputs.recognition import recognise
from fastsim.inputs.references import References
from fastsim.inputs.selection import Rules, globs
from fastsim.inputs.signatures import is_apple_double
from fastsim.inputs.system_folders import SystemKind, holder, is_trashed
from fastsim.records.files import ASIDE_PREFIX, MEMBER, PART_PREFIX, LeftOut, MediaFile, Skipped, Snapshot
from fastsim.run.progress import Bar

RUN_MARK = "fastsim_journal.jsonl"
"""A folder that holds this file is the output of a run (a test compares it with the name that journal uses)."""

_Id = tuple[object, ...]
"""Equal for two paths that are the same file or folder on disk."""


class Listing(NamedTuple):
    """The result of discovery."""

    files: tuple[MediaFile, ...]
    """Ids 0 .. n-1, in the order of the bytes of their real, absolute paths."""
    skipped: tuple[Skipped, ...]
    """Files and folders that could not be read."""
    left_out: LeftOut


def discover(
    inputs: Sequence[str],
    *,
    listed: Sequence[str] = (),
    recursive: bool,
    exclude: Sequence[str],
    follow_links: bool,
    outs: str | None,
    kind: Kind,
    bar: Bar | None,
    include_system: bool = False,
    references: Sequence[str] = (),
    filters: Filters = NO_FILTERS,
) -> Listing:
    """List the files below `inputs` that are of one kind, by their suffix or, if that is unknown, by their content.

    inputs: folders and files; a file named here is taken whatever it is, and an input that is a link is resolved.
    listed: the same from a list that a program made, of which missing files are skipped. exclude: globs; a file or
    folder is left out if one matches its name, its path below the input, or its whole path (`*` crosses `/`). outs: a
    folder that is never entered. include_system: also enter folders of `system_folders`, which are otherwise counted
    in `left_out`; an input inside one is read in any case. references: folders that are read as inputs are, and whose
    files are marked. filters: further conditions on files other than references; those that fail, and what
    `.fastsimignore` files name, are counted in `left_out`.

    Every file is listed once, even if inputs overlap. Without `follow_links`, links inside folders are ignored. With
    it, they are followed, but a link whose target is in the list already is dropped, so that a link is never kept in
    place of its own target. Output folders of earlier runs are not entered, and are named in `left_out`. Files that no
    installed library reads are counted in `left_out`. FIFOs, sockets, devices and the `._` files of macOS are ignored;
    empty and hidden files are listed.

    Raises UsageError for an input that does not exist, is neither file nor folder, or is inside `outs`.
    """
    real_outs = None if outs is None else os.path.realpath(outs)
    rules = Rules(kind, globs(exclude), recursive, follow_links, real_outs, include_system, plain_suffixes(kind))
    scan = _Scan(rules, bar)
    marks = References(references, (*inputs, *listed))
    for text in references:  # first: of two paths of one file, that of the reference counts
        scan.add_input(text)
    for text in inputs:
        scan.add_input(text)
    for text in listed:
        try:
            scan.add_input(text, listed=True)
        except MissingInputError as error:
            scan.skipped[os.path.abspath(text)] = Skipped(os.path.abspath(text), error.reason)
    scan.add_linked()
    skipped = tuple(sorted(scan.skipped.values(), key=lambda skipped: os.fsencode(skipped.path)))
    files, filtered = filters.applied(marks.marked(scan.files()))
    return Listing(files, skipped, replace(scan.left_out(), filtered=filtered))


def read_list(stream: BinaryIO) -> tuple[str, ...]:
    """Return the paths of a list: one per line, or each ended by NUL if the list holds a NUL (`find -print0`).

    If every line ends with a carriage return (a list that was made on Windows), it is not part of the names.
    """
    data = stream.read()
    if b"\0" in data:
        return tuple(os.fsdecode(part) for part in data.split(b"\0") if part)
    lines = [line for line in data.split(b"\n") if line]
    if os.name == "nt" or all(line.endswith(b"\r") for line in lines):
        lines = [line.removesuffix(b"\r") for line in lines]
    return tuple(os.fsdecode(line) for line in lines if line)


class MissingInputError(UsageError):
    """Report an input that does not exist, or cannot be reached."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{shown(text)}: {reason}; give files or folders that exist, or - for a list")
        self.reason = reason


class _Scan:
    """The state of one discovery: files found, folders entered, and links that are still to be followed."""

    def __init__(self, rules: Rules, bar: Bar | None) -> None:
        self.skipped: dict[str, Skipped] = {}
        self._rules = rules
        self._bar = bar
        self._found: dict[_Id, tuple[str, str, Snapshot]] = {}
        self._contents: set[_Id] = set()
        self._entered: set[_Id] = set()
        self._links: list[tuple[str, str]] = []
        self._system: dict[_Id, SystemKind] = {}
        self._unread: dict[_Id, Format] = {}
        self._inside: dict[str, SystemKind] = {}
        self._earlier: list[str] = []
        self._ignore = ignore_files.IgnoreFiles()
        self._ignored: dict[str, bool] = {}
        self._outs_id = _folder_id(rules.outs) if rules.outs is not None and os.path.isdir(rules.outs) else None

    def left_out(self) -> LeftOut:
        """Return what was counted and not read."""
        system = Counter(kind.value for kind in self._system.values())
        unread = Counter(one.name for one in self._unread.values())
        return LeftOut(
            dict(system.most_common()), dict(unread.most_common()),
            {path: kind.value for path, kind in self._inside.items()}, tuple(sorted(self._earlier)),
            ignored=(len(self._ignored) - sum(self._ignored.values()), sum(self._ignored.values())),
        )  # fmt: skip

    def add_input(self, text: str, listed: bool = False) -> None:
        """Add one input of the command line, or one of a list.

        Raises UsageError, or MissingInputError if it cannot be found.
        """
        if re.match(r"[a-z][a-z0-9+.-]+://", text):
            raise UsageError(f"{shown(text)}: URLs are not read; copy the files to a folder, a tar or a zip first")
        if not text:
            raise UsageError("INPUT '': it is empty; give folders or files (. is the current folder), or - for a list")
        try:
            if MEMBER in text and not os.path.lexists(text) and self._rules.kind == Kind.IMAGE:
                archive, name = split_member(text)
                archive = os.path.realpath(archive)
                if not self._add_archive(archive, os.stat(archive), name):
                    raise FileNotFoundError(2, "no such file in the archive")
                return
            path = os.path.realpath(text, strict=True)
            status = os.stat(path)
        except (OSError, ValueError) as error:
            is_missing = isinstance(error, FileNotFoundError) and MEMBER not in text
            reason = "no such file or folder" if is_missing else reason_of(error)
            raise MissingInputError(text, reason) from None
        if self._rules.in_outs(path):
            raise UsageError(f"{shown(text)}: it lies in the output folder, which is never read; give another --outs")
        if not self._rules.include_system and (held := holder(path)) is not None:
            self._inside[held[1]] = held[0]
        if stat.S_ISDIR(status.st_mode):
            # A set of its own for each input: two inputs may overlap, and --exclude sees other relative paths in each.
            entered: set[_Id] = set()
            self._walk(path, path, entered)
            self._entered |= entered
        elif not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{shown(text)}: neither a file nor a folder; give files or folders")
        elif self._rules.kind == Kind.IMAGE and (is_archive(path) or unread_archive(path)):
            self._add_archive(path, status)
        elif not self._rules.excluded(os.path.basename(path), os.path.basename(path), path):
            self._add_named(path, status, listed)

    def _add_archive(self, path: str, status: os.stat_result, only: str = "") -> int:
        """Add the images of an archive, or one of them; return how many there are, those that are refused included."""
        count = 0
        for one in archive_files(path, status, self._rules):
            name = one.path if isinstance(one, Skipped) else one[0]
            if only and name not in (path, path + MEMBER + only):
                continue
            count += 1
            if isinstance(one, Skipped):
                self.skipped[name] = one
            else:
                self._found.setdefault((name,), (name, path, one[1]))
            if self._bar is not None:
                self._bar.advance()
        return count

    def _add_named(self, path: str, status: os.stat_result, listed: bool) -> None:
        """Add a file that was named itself, whatever it is, except `._` files of macOS in a list."""
        folder, name = os.path.split(path)
        try:
            if listed and name.startswith("._"):
                with open(path, "rb") as stream:
                    if is_apple_double(stream.read(4)):
                        return
            found = recognise(path, name, self._rules.kind)
        except OSError:  # the decoder reports what is wrong
            found = None
        if found is not None and not found.is_readable():
            self._unread[_content_id(status)] = found
            return
        folder_id = _folder_id(folder)
        if status.st_nlink > 1 or status.st_ino == 0:
            path = os.path.join(folder, _name_in_folder(folder, name))
        self._add(path, path, status, folder_id)
        if self._bar is not None:
            self._bar.advance()

    def add_linked(self) -> None:
        """Follow the links that were seen, by their paths, after everything that is real: that takes precedence."""
        while self._links:
            links, self._links = sorted(self._links, key=lambda link: os.fsencode(link[0])), []
            for path, root in links:
                self._add_link(path, root)

    def _add_link(self, path: str, root: str) -> None:
        try:
            status = os.stat(path)
        except OSError as error:
            if self._rules.is_named_media(path) or not os.path.splitext(path)[1]:
                self.skipped[path] = Skipped(path, f"a link that can't be followed: {reason_of(error)}")
            return
        real = os.path.realpath(path)
        if not self._rules.include_system and (held := holder(real)) is not None and holder(root) is None:
            self._system[(held[1],)] = held[0]
            return
        if stat.S_ISDIR(status.st_mode):
            self._walk(path, root, self._entered)
            return
        if not stat.S_ISREG(status.st_mode) or _content_id(status) in self._contents or self._rules.in_outs(real):
            return
        if self._is_wanted(path, os.path.basename(path), status):
            self._add(path, root, status, _folder_id(os.path.dirname(path)))

    def files(self) -> tuple[MediaFile, ...]:
        found = sorted(self._found.values(), key=lambda one: os.fsencode(one[0]))
        return tuple(MediaFile(i, *one) for i, one in enumerate(found))

    def _walk(self, top: str, root: str, entered: set[_Id]) -> None:
        """Add the files of the folder `top` and of folders below it that are not in `entered` yet."""
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
                    # Otherwise copies would be kept, and their originals cleaned away.
                    self._earlier.append(folder)
                    continue
                if any(entry.name == ignore_files.NAME for entry in entries):
                    self._ignore.read(folder)
                waiting += self._take(entries, root, folder_id)
            except OSError as error:
                self.skipped[folder] = Skipped(folder, f"folder not read: {reason_of(error)}")

    def _take(self, entries: list[os.DirEntry[str]], root: str, folder_id: _Id) -> list[str]:
        """Add the files among `entries`, queue links, and return the folders."""
        folders, before = [], len(self._found)
        rules, start = self._rules, len(root.rstrip(os.sep)) + 1
        for entry in entries:
            path, name = entry.path, entry.name
            if rules.excluded(name, path[start:], path) or self._is_ignored(entry, root):
                continue
            if entry.is_symlink() or _is_junction(entry):
                if rules.follow_links and (rules.recursive or not os.path.isdir(path)):
                    self._links.append((path, root))
            elif entry.is_dir(follow_symlinks=False):
                if rules.recursive and not self._is_system(path, name):
                    folders.append(path)
            elif entry.is_file(follow_symlinks=False):
                self._take_file(path, root, entry, folder_id)
        if self._bar is not None:
            self._bar.advance(len(self._found) - before)
        return folders

    def _is_ignored(self, entry: os.DirEntry[str], root: str) -> bool:
        """Whether `.fastsimignore` leaves out a folder, or a file, which is then counted if it is of the wanted kind."""
        folder = entry.is_dir(follow_symlinks=False)
        if not self._ignore.ignores(entry.path, root, folder=folder):
            return False
        if folder or self._rules.is_named_media(entry.name):
            self._ignored[entry.path] = folder
        return True

    def _is_system(self, path: str, name: str) -> bool:
        """Return whether a folder is left out as a system folder; count it if so."""
        kind = self._rules.system_kind(name, os.path.basename(os.path.dirname(path)))
        if kind is not None:
            self._system[(path,)] = kind
        return kind is not None

    def _take_file(self, path: str, root: str, entry: os.DirEntry[str], folder_id: _Id) -> None:
        """Add a file of a folder if it is of the wanted kind and a reader for it is installed."""
        name, rules = entry.name, self._rules
        if name.startswith(PART_PREFIX):
            return
        if name.startswith(ASIDE_PREFIX):
            reason = "an interrupted run set it aside; finish that run with `fastsim apply`, or take it back with `fastsim undo`"
            self.skipped[path] = Skipped(path, reason)
            return
        if not rules.include_system and is_trashed(name):
            if rules.is_named_media(name):
                self._system[(path,)] = SystemKind.TRASHED
            return
        try:
            plain = rules.is_plain(name)
            found = None if plain else recognise(path, name, rules.kind)
            if found is None and not plain:
                return
            # On Windows a DirEntry has no inode, and a stale size.
            status = os.stat(path) if os.name == "nt" else entry.stat(follow_symlinks=False)
            if found is None or found.is_readable():
                self._add(path, root, status, folder_id)
            else:
                self._unread[_content_id(status)] = found
        except OSError as error:
            if self._rules.is_named_media(name):
                self.skipped[path] = Skipped(path, reason_of(error))

    def _is_wanted(self, path: str, name: str, status: os.stat_result) -> bool:
        """Return whether a file is of the wanted kind and can be read here; count it if it cannot. Raises OSError."""
        found = recognise(path, name, self._rules.kind)
        if found is None:
            return False
        if not found.is_readable():
            self._unread[_content_id(status)] = found
            return False
        return True

    def _add(self, path: str, root: str, status: os.stat_result, folder_id: _Id) -> None:
        """Add a file unless it was found by another path.

        Hard links are files of their own: two names, even if only case distinguishes them. The name must be spelled as
        its folder has it.
        """
        content = _content_id(status)
        if status.st_nlink > 1 or status.st_ino == 0:
            self._found.setdefault((folder_id, os.path.basename(path)), (path, root, Snapshot.from_stat(status)))
        else:
            self._found.setdefault(content, (path, root, Snapshot.from_stat(status)))
        self._contents.add(content)


def _folder_id(path: str) -> _Id:
    status = os.stat(path)
    return (status.st_dev, status.st_ino) if status.st_ino else (path,)


def _name_in_folder(folder: str, name: str) -> str:
    """Return how `folder` itself spells `name`: a file system that ignores case or accents opens other spellings, too."""
    try:
        names = os.listdir(folder)
    except OSError:
        return name
    if name in names:
        return name
    folded = folded_name(name)
    return next((one for one in names if folded_name(one) == folded), name)


def _content_id(status: os.stat_result) -> _Id:
    # Size and time too: file systems without real inodes invent numbers, and may give one to two files.
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a Windows junction: a link that does not call itself one (Python 3.12+)."""
    test = getattr(entry, "is_junction", None)
    return test is not None and bool(test())
