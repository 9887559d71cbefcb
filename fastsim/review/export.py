"""A review as a folder of files for someone else: thumbnails and a page that needs no server.

The page changes nothing; what is decided in it is saved as a file, which `fastsim apply` takes on the machine of the review.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from fastsim.decode.picture import UnreadableError
from fastsim.errors import FastsimError, UsageError, reason_of, shown
from fastsim.files import owned
from fastsim.records.files import MediaFile
from fastsim.review.pictures import Pictures
from fastsim.review.rows import Rows, totals
from fastsim.review.session import Session
from fastsim.review.store import Store, folder
from fastsim.review.views import View
from fastsim.run.progress import Bar

FORMAT = "fastsim-decisions"
_VERSION = 1
_MODULES = (
    "dom.js", "state.js", "static_api.js", "compare.js", "groups.js", "threshold.js", "rules.js", "finish.js", "videos.js",
    "app.js",
)  # fmt: skip
"""The parts of the page in an order in which each follows what it imports."""
_SIZE = 320
_EXPORT = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "[^"]*";\n', re.MULTILINE)
_MOST_BYTES = 1 << 28


def check_target(path: str) -> None:
    """Raise UsageError unless `path` is a new or empty folder, or one that `write_export` has made."""
    inside = os.listdir(path) if os.path.isdir(path) else []
    if os.path.lexists(path) and not os.path.isdir(path):
        raise UsageError(f"--export {shown(path)}: it is not a folder; name a new or an empty one")
    if inside and not os.path.exists(os.path.join(path, "data.js")):
        raise UsageError(f"--export {shown(path)}: it is not empty; name a new or an empty folder")
    if inside:
        owned.check_target("--export", os.path.join(path, "index.html"), owned.HTML)


def write_export(session: Session, path: str, bar: Bar, workers: int) -> None:
    """Write the page of a review to the folder `path`. Raises FastsimError."""
    static = resources("fastsim.review") / "static"
    page = (static / "index.html").read_text(encoding="utf-8")
    page = page.replace("<!doctype html>", f"<!doctype html><!-- {owned.NOTE} -->", 1).replace("/static/", "")
    page = page.replace(
        '<script type="module" src="app.js"></script>',
        '<script src="data.js" defer></script>\n<script src="page.js" defer></script>',
    )
    try:
        os.makedirs(os.path.join(path, "thumbs"), exist_ok=True)
        for name in ("style.css", "icon.svg"):
            _write(path, name, (static / name).read_text(encoding="utf-8"))
        _write(path, "page.js", bundled({name: (static / name).read_text(encoding="utf-8") for name in _MODULES}))
        _write(path, "data.js", f"window.fastsimReview = {json.dumps(_data(session))};\n")
        _write(path, "index.html", page)
        _write_thumbnails(session, path, bar, workers)
    except OSError as error:
        raise FastsimError(f"--export {shown(path)}: {reason_of(error)}; name a folder that can be written") from None


def bundled(modules: Mapping[str, str]) -> str:
    """Return ES modules as one classic script: browsers load no modules from files."""
    parts = ['"use strict";', "const page = {};"]
    for text in modules.values():
        names = ", ".join(_EXPORT.findall(text))
        body = _IMPORT.sub(lambda found: f"const {found[1]} = page;\n", text)
        body = re.sub(r"^export ", "", body, flags=re.MULTILINE)
        parts.append(f"(() => {{\n{body}\nObject.assign(page, {{ {names} }});\n}})();")
    return "\n".join(parts) + "\n"


def read_decisions(path: str) -> dict[str, Any] | None:
    """Return what a file of decisions holds; None for other files. Raises UsageError for a damaged one."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _MOST_BYTES:
            return None
        with open(path, "rb") as file:
            head = file.read(200)
            if FORMAT.encode() not in head:
                return None
            found = json.loads(head + file.read())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return None
    if found.get("version") != _VERSION:
        raise UsageError(f"{shown(path)}: decisions of another version of fastsim; export the review again")
    return found


def import_decisions(path: str, found: Mapping[str, Any]) -> Store:
    """Write the decisions of a file into their review, and return that. Raises UsageError where they do not fit it."""
    key = found.get("review")
    if not isinstance(key, str) or not re.fullmatch(r"[0-9a-f]{8,64}(-[0-9a-f]+)?", key):
        raise UsageError(f"{shown(path)}: it does not name a review; export the review again")
    where = folder() / f"{key}.sqlite"
    if not where.exists():
        raise UsageError(
            f"{shown(path)}: its review is not on this machine, or was removed; apply it where it was exported"
        )
    store = Store(where)
    session = Session(store)
    try:
        decided = {int(number): entry for number, entry in dict(found["files"]).items()}
        session.check_ids(decided)
        for number, (seen, _, _) in decided.items():
            if seen != version_of(session.found.files[number]):
                raise UsageError(f"{shown(path)}: made for another state of the review; export the review again")
        session.part([(int(one), int(other)) for one, other in found.get("apart", [])])
        for done in (False, True):
            keep = {number: bool(entry[1]) for number, entry in decided.items() if bool(entry[2]) == done}
            session.choose(keep, done=done, label="decisions from a file")
    except (LookupError, ValueError, TypeError) as error:
        store.close()
        raise UsageError(f"{shown(path)}: damaged ({type(error).__name__}); save the decisions again") from None
    except FastsimError:
        store.close()
        raise
    return store


def version_of(file: MediaFile) -> str:
    """Return what tells one state of a file from another in a file of decisions."""
    return f"{file.snapshot.size:x}-{file.snapshot.mtime_ns:x}"


def _data(session: Session) -> dict[str, Any]:
    """Everything that the page shows."""
    rows = Rows(session)
    with session.lock:
        groups = [rows.row(members) for members in rows.order(View())]
        for group in groups:
            for file in group["files"]:
                file["version"] = version_of(session.found.files[file["id"]])
        return {
            "format": FORMAT, "version": _VERSION, "review": session.store.path.stem, "groups": groups,
            "summary": {
                "revision": 1, "title": session.found.settings.get("title", ""), "thres": session.thres,
                "floor": session.thres, "rules": session.rules, "rule_names": [], "forms": sorted(set(rows.forms)),
                "histogram": [], "history": 0, "runs": [], "progress": {"what": ""}, **totals(session),
            },
        }  # fmt: skip


def _write_thumbnails(session: Session, path: str, bar: Bar, workers: int) -> None:
    pictures, files = Pictures(workers), session.found.files

    def one(number: int) -> None:
        target = Path(path) / "thumbs" / f"{number}.jpg"
        try:
            target.write_bytes(pictures.thumbnail(files[number], session.places.get(number), _SIZE))
        except (FileNotFoundError, PermissionError, UnreadableError):
            target.unlink(missing_ok=True)
        bar.advance()

    with ThreadPoolExecutor(workers, "fastsim-export") as pool:
        for _ in pool.map(one, _grouped(session)):
            pass


def _grouped(session: Session) -> Iterator[int]:
    for members in session.grouping.members:
        yield from members


def _write(path: str, name: str, text: str) -> None:
    (Path(path) / name).write_text(text, encoding="utf-8", newline="\n")
