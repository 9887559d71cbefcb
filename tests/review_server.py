"""`fastsim review` in a process of its own, and requests to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A running server. `address` has the token; `cookie` is what a browser would have got for it."""

    process: subprocess.Popen[str]
    address: str
    cookie: str = field(default="", init=False)

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send exactly these headers, and Host unless it is given."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            sent = {**headers, **({"Content-Length": str(len(body))} if body is not None else {})}
            for name, value in sent.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def log_in(self) -> None:
        """Exchange the token for the cookie."""
        parts = urlsplit(self.address)
        answer = self.ask("GET", f"{parts.path}?{parts.query}")
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def get(self, path: str, **query: object) -> Any:
        answer = self.ask("GET", f"{path}?{urlencode(query)}", Cookie=self._known())
        assert answer.status == 200, answer.body
        return answer.json()

    def post(self, path: str, body: object, status: int = 200) -> Any:
        data = json.dumps(body).encode()
        answer = self.ask(
            "POST", path, data, Cookie=self._known(), Origin=f"http://{self.host}", Content_Type="application/json"
        )
        assert answer.status == status, answer.body
        return answer.json()

    def rows(self, **view: object) -> list[dict[str, Any]]:
        """All groups; a new look at them unless `stamp` says otherwise."""
        view = {"stamp": str(time.monotonic_ns()), **view, "from": 0, "to": 400}
        return list(self.get("/api/rows", **view)["rows"])

    def finished(self) -> dict[str, Any]:
        """Wait for an apply or undo, and return the summary."""
        for _ in range(600):
            told: dict[str, Any] = self.get("/api/summary")
            if not told["progress"]["what"]:
                return told
            time.sleep(0.05)
        raise AssertionError("it does not end")

    def kill(self) -> None:
        """End the server without a word."""
        self.process.kill()
        self.process.wait()

    def end(self) -> str:
        """End the server as Ctrl-C does, and return what it printed after its address."""
        if self.process.poll() is None:
            self.process.terminate() if sys.platform == "win32" else self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=30)[0]

    def _known(self) -> str:
        if not self.cookie:
            self.log_in()
        return self.cookie


def environment(folder: Path) -> dict[str, str]:
    """Return the environment that keeps a run away from the user's own folders.

    The embedding cache is that of the whole test session.
    """
    return {**os.environ, "FASTSIM_DATA_DIR": str(folder / ".data"), "PYTHONPATH": os.pathsep.join(sys.path)}


def start(folder: Path, *args: str) -> Served:
    """Run `fastsim review ARGS...` in `folder` until it prints its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fastsim", "review", *args, "--no-browser"],
        cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line):
            return Served(process, found[0])
    raise AssertionError(f"no address: {said}")
