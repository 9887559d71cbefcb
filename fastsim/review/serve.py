"""Serve a review until it is ended, and open it in the user's browser."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from fastsim.config import usable_cpus
from fastsim.review.pictures import Pictures
from fastsim.review.routes import Routes
from fastsim.review.runs import Runs
from fastsim.review.server import Route, Server
from fastsim.review.session import Session
from fastsim.review.store import Store


def serve(store: Store, *, outs: str, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve the review until Ctrl-C. say: called with the address once it can be opened. Raises FastsimError."""
    session = Session(store)
    runs = Runs(session, os.path.abspath(outs))
    with Server(Routes(session, runs, Pictures(usable_cpus())), port) as server:
        threading.Thread(target=_import_decoders, daemon=True, name="fastsim-import").start()
        say(server.address)
        if browser:
            _open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            runs.stop()


def serve_videos(route: Route, *, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve a page that only shows, until Ctrl-C. Raises FastsimError."""
    with Server(route, port) as server:
        say(server.address)
        if browser:
            _open(server.address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _import_decoders() -> None:
    """Import what the first thumbnail needs, while the browser starts."""
    import fastsim.decode.preview  # noqa: F401


def _open(address: str) -> None:
    """Open a browser that has windows of its own; one that runs in the terminal would take it over."""
    if sys.platform not in ("win32", "darwin") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    import webbrowser

    webbrowser.open(address)
