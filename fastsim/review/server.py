"""The HTTP server: who may ask, and how answers go out. What is answered is in `routes.py`.

It listens on 127.0.0.1. A request is answered if it names this server as its host (which ends DNS rebinding), and carries
the cookie that the first page set in exchange for the token of its address. Nothing is changed by GET; POST has to be
JSON, from a page of this server.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastsim import __version__
from fastsim.errors import FastsimError

HOST = "127.0.0.1"
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_MOST_BODY = 8 * 2**20
_CHUNK = 1 << 20
_SECONDS = 60.0
"""A connection that says nothing for so long is closed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `path`: a file that is sent in place of `body`."""

    body: bytes = b""
    kind: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None

    @classmethod
    def json(cls, value: object, status: HTTPStatus = HTTPStatus.OK) -> Answer:
        """Answer with data for the page's own code."""
        return cls(json.dumps(value).encode("ascii"), "application/json", status)

    @classmethod
    def problem(cls, status: HTTPStatus, text: str) -> Answer:
        """One line that says what is wrong."""
        return cls.json({"problem": text}, status)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: a path without its query, the query's last value of each name, and the JSON of a POST."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]


Route = Callable[[Request], Answer]


class Server(ThreadingHTTPServer):
    """Serves `route` on loopback; `address` is what a browser opens."""

    daemon_threads = True

    def __init__(self, route: Route, port: int = 0) -> None:
        """Open the port. Raises FastsimError if it is taken."""
        self.route = route
        self.token = secrets.token_urlsafe(32)
        self.session = secrets.token_urlsafe(32)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise FastsimError(f"--port {port}: {error.strerror}; give another port, or leave it out") from None
        self.port = int(self.server_address[1])
        self.cookie = f"fastsim-{self.port}"
        self.hosts = frozenset({f"{HOST}:{self.port}", f"localhost:{self.port}"})

    @property
    def address(self) -> str:
        """The address with the token, which a browser needs once."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of browsers that close connections."""
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = f"fastsim/{__version__}"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing: the terminal belongs to the command."""

    def _answer(self, make: Callable[[str, dict[str, str]], Answer]) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        try:
            answer = make(parts.path, query)
        except LookupError:
            answer = Answer.problem(HTTPStatus.NOT_FOUND, "there is nothing of that name")
        except FastsimError as error:
            answer = Answer.problem(HTTPStatus.CONFLICT, str(error))
        except (ValueError, TypeError) as error:
            answer = Answer.problem(HTTPStatus.BAD_REQUEST, f"not understood ({error})")
        self._send(answer)

    def _get(self, path: str, query: dict[str, str]) -> Answer:
        if self.headers.get("Host") not in self.server.hosts:
            return Answer.problem(HTTPStatus.FORBIDDEN, "this server answers under its own name only")
        if path == "/" and hmac.compare_digest(query.get("token", "").encode(), self.server.token.encode()):
            cookie = f"{self.server.cookie}={self.server.session}; HttpOnly; SameSite=Strict; Path=/"
            return Answer(status=HTTPStatus.SEE_OTHER, headers={"Set-Cookie": cookie, "Location": "/"})
        if not self._is_known():
            return Answer.problem(HTTPStatus.FORBIDDEN, "open the address that fastsim review printed")
        return self.server.route(Request("GET", path, query, {}))

    def _post(self, path: str, query: dict[str, str]) -> Answer:
        given = self.headers.get("Content-Length") or "0"
        if not given.isdecimal() or int(given) > _MOST_BODY:
            self.close_connection = True
            return Answer.problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too much at once")
        length = int(given)
        data = self.rfile.read(length)
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in self.server.hosts or origin != f"http://{host}" or not self._is_known():
            return Answer.problem(HTTPStatus.FORBIDDEN, "only pages of this server may change anything")
        if self.headers.get_content_type() != "application/json":
            return Answer.problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "JSON is needed")
        body = json.loads(data or b"{}")
        if not isinstance(body, dict):
            return Answer.problem(HTTPStatus.BAD_REQUEST, "an object is needed")
        return self.server.route(Request("POST", path, query, body))

    def _is_known(self) -> bool:
        try:
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return False
        given = cookies.get(self.server.cookie)
        return given is not None and hmac.compare_digest(given.value.encode(), self.server.session.encode())

    def _send(self, answer: Answer) -> None:
        try:
            if answer.path is not None:
                self._send_file(answer)
            else:
                self._head(answer, len(answer.body))
                self.wfile.write(answer.body)
        except (OSError, ValueError):  # the browser has gone elsewhere
            self.close_connection = True

    def _send_file(self, answer: Answer) -> None:
        with open(answer.path or "", "rb") as stream:
            left = size = os.fstat(stream.fileno()).st_size
            wanted = re.fullmatch(r"bytes=(\d{1,18})-(\d{1,18})?", self.headers.get("Range", ""))
            if wanted is not None and int(wanted[1]) < size:  # players ask for parts of a video
                first, last = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
                stream.seek(first)
                left = max(0, last - first + 1)
                part = {"Content-Range": f"bytes {first}-{last}/{size}"}
                answer = replace(answer, status=HTTPStatus.PARTIAL_CONTENT, headers={**answer.headers, **part})
            self._head(replace(answer, headers={"Accept-Ranges": "bytes", **answer.headers}), left)
            while left and (chunk := stream.read(min(_CHUNK, left))):
                self.wfile.write(chunk)
                left -= len(chunk)
        if left:  # it became shorter meanwhile
            self.close_connection = True

    def _head(self, answer: Answer, length: int) -> None:
        self.send_response(answer.status)
        headers = {
            "Content-Type": answer.kind, "Content-Length": str(length), "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin", "X-Frame-Options": "DENY", **answer.headers,
        }  # fmt: skip
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
