"""`.fastsimignore`: files in folders of the input that say, as .gitignore does, what there is left out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastsim.errors import UsageError, reason_of, shown

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

NAME = ".fastsimignore"
_LONGEST = 1 << 20
"""Bytes of such a file."""


class IgnoreFiles:
    """The ignore files of the folders that were read so far.

    As with git, the innermost one that matches decides, in it the last pattern, and nothing below an ignored folder is
    taken.
    """

    def __init__(self) -> None:
        self._specs: dict[str, GitIgnoreSpec] = {}

    def read(self, folder: str) -> None:
        """Read the ignore file of `folder`, which is there. Raises UsageError if it can't be read or understood."""
        from pathspec import GitIgnoreSpec  # most inputs have none

        path = os.path.join(folder, NAME)
        try:
            if not os.path.isfile(path):  # a pipe would wait for ever
                return
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                text = stream.read(_LONGEST + 1)
        except OSError as error:
            raise UsageError(
                f"{shown(path)}: can't be read ({reason_of(error)}); make it readable, or remove it"
            ) from None
        if len(text) > _LONGEST:
            raise UsageError(f"{shown(path)}: longer than {_LONGEST // 2**20} MiB; shorten it, or remove it")
        try:
            self._specs[folder] = GitIgnoreSpec.from_lines(map(_inside, text.splitlines()))
        except ValueError as error:
            raise UsageError(f"{shown(path)}: no gitignore pattern ({shown(str(error))}); put it right") from None

    def ignores(self, path: str, root: str, *, folder: bool) -> bool:
        """Return whether `path`, below the input `root`, is left out; `folder`: it is one."""
        if not self._specs:
            return False
        above = os.path.dirname(path)
        while True:
            spec = self._specs.get(above)
            if spec is not None:
                name = os.path.relpath(path, above).replace(os.sep, "/") + ("/" if folder else "")
                verdict = _verdict(spec, name)
                if verdict is not None:
                    return verdict
            if above == root or above == os.path.dirname(above):
                return False
            above = os.path.dirname(above)


def _verdict(spec: GitIgnoreSpec, name: str) -> bool | None:
    """Return what the last pattern that matches `name` itself says; None if none does.

    pathspec lets a pattern match all below a folder, too, which git decides at the folder: `ps_d` is where that ends.
    """
    for pattern in reversed(spec.patterns):
        if pattern.include is not None and (found := pattern.match_file(name)) is not None:
            match = found.match
            if "ps_d" not in match.re.groupindex or match.start("ps_d") in (-1, len(name) - 1):
                return bool(pattern.include)
    return None


def _inside(line: str) -> str:
    """Return `line` with `x/**` as `x/**/*`: all that is in x, as git has it, and not x itself, as pathspec has it."""
    return f"{line.rstrip()}/*" if line.rstrip().endswith("/**") else line
