"""Who may ask the server, and what it answers to what it should refuse."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from review_server import Served, start
from support import MEDIA

Begin = Callable[..., Served]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a review of the drawn pictures, with the cookie at hand. No test changes its files."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(MEDIA / "photos", folder / "photos")
    found = start(folder, "photos", "--thres", "0.9")
    found.log_in()
    yield found
    found.end()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_listens_on_loopback_alone(server: Served) -> None:
    folder = Path(f"/proc/{server.process.pid}")
    ours = {os.readlink(entry) for entry in (folder / "fd").iterdir() if entry.is_symlink()}
    listening = []
    for family in ("tcp", "tcp6"):
        for line in (folder / "net" / family).read_text().splitlines()[1:]:
            _, address, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in ours:
                listening.append(address)
    port = int(urlsplit(server.address).port or 0)
    assert listening == [f"0100007F:{port:04X}"]


def test_the_token_is_long_and_is_exchanged_for_a_cookie(server: Served) -> None:
    token = server.address.partition("token=")[2]
    assert len(token) >= 43, "256 bits"
    parts = urlsplit(server.address)
    answer = server.ask("GET", f"/?{parts.query}")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "path", ["/", "/api/summary", "/api/rows?from=0&to=1", "/thumb/0?s=160", "/full/0", "/static/app.js"]
)
def test_nothing_is_answered_without_the_cookie(server: Served, path: str) -> None:
    assert server.ask("GET", path).status == 403
    assert server.ask("GET", path, Cookie="fastsim-1=x").status == 403
    assert server.ask("GET", path, Cookie=server.cookie).status == 200


def test_a_wrong_token_is_refused(server: Served) -> None:
    assert server.ask("GET", "/?token=x").status == 403
    assert server.ask("GET", "/?token=%ff%00").status == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", ""])
def test_a_forged_host_is_refused(server: Served, host: str) -> None:
    assert server.ask("GET", "/api/summary", Host=host, Cookie=server.cookie).status == 403


def test_posts_need_this_origin_the_cookie_and_json(server: Served) -> None:
    body, origin = b"{}", f"http://{server.host}"
    good = {"Cookie": server.cookie, "Origin": origin, "Content_Type": "application/json"}
    assert server.ask("POST", "/api/undo", body, **good).status == 200
    for changed, status in (
        ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Cookie": ""}, 403),
        ({"Host": "evil.example"}, 403), ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ):  # fmt: skip
        assert server.ask("POST", "/api/undo", body, **{**good, **changed}).status == status, changed
    without = {name: value for name, value in good.items() if name != "Origin"}
    assert server.ask("POST", "/api/undo", body, **without).status == 403
    for odd in (b"", b"[]", b"\xff", b"{", b'{"keep": 1}', b'{"keep": {"0": true}'):
        assert server.ask("POST", "/api/decide", odd, **good).status in (200, 400), odd


def test_get_changes_nothing_and_post_reads_nothing(server: Served) -> None:
    for path in ("/api/decide", "/api/rules", "/api/apply", "/api/undo"):
        assert server.ask("GET", path, Cookie=server.cookie).status == 404
    origin = f"http://{server.host}"
    answer = server.ask(
        "POST", "/api/summary", b"{}", Cookie=server.cookie, Origin=origin, Content_Type="application/json"
    )
    assert answer.status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../etc/passwd", "/static/../../errors.py", "/static/..%2f..%2ferrors.py", "/static//etc/passwd", "/static/",
        "/static/nothing.js", "/thumb/../0", "/thumb/99999", "/thumb/-1", "/thumb/1e3", "/thumb/%30", "/full/99999",
        "/full/photos", "/full/..%2f..%2fetc%2fpasswd", "//etc/passwd", "/etc/passwd", "/api", "/api/rows/",
        "/thumb/" + "9" * 400, "/thumb/%c2%b2",
    ],
)  # fmt: skip
def test_paths_and_unknown_ids_are_not_found(server: Served, path: str) -> None:
    assert server.ask("GET", path, Cookie=server.cookie).status == 404


def test_unknown_ids_in_decisions_are_refused(server: Served) -> None:
    for body in (
        {"keep": {"99999": True}},
        {"keep": {"../x": True}},
        {"done": [-1]},
        {"apart": [[0, 10**9]]},
        {"confirm": ["a"]},
    ):
        server.post("/api/decide", body, status=404)
    server.post("/api/rules", {"thres": 7}, status=409)
    server.post("/api/rules", {"rules": ["rm -rf"]}, status=409)
    server.post("/api/apply", {"action": "burn"}, status=409)
    server.post("/api/apply", {"action": "move", "scope": "all", "digest": "stale"}, status=409)


def test_every_answer_carries_the_headers_that_confine_a_page(server: Served) -> None:
    for path in ("/", "/static/app.js", "/api/summary", "/thumb/0?s=160", "/full/0", "/nothing"):
        headers = server.ask("GET", path, Cookie=server.cookie).headers
        assert headers["content-security-policy"].startswith("default-src 'self';"), path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_the_page_asks_for_nothing_elsewhere_and_has_no_inline_code() -> None:
    import fastsim.review

    for file in (Path(fastsim.review.__file__).parent / "static").iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, file.name
        assert "https://" not in text, file.name
        assert "innerHTML" not in text, file.name
        assert "<script>" not in text, file.name
        assert "style=" not in text, file.name


def _shape(server: Served, name: str) -> tuple[int, int, bytes]:
    import io

    files = [file for row in server.rows() for file in row["files"] if file["name"] == name]
    answer = server.ask("GET", f"/thumb/{files[0]['id']}?s=160", Cookie=server.cookie)
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.body)) as image:
        return (*image.size, image.convert("RGB").tobytes())


def test_pictures_of_every_kind_are_shown_right(tmp_path: Path, served: Begin) -> None:
    rng = np.random.default_rng(3)
    pixels = np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((40, 40, 1))).astype(np.uint8)  # 320 x 240
    folder = tmp_path / "kinds"
    folder.mkdir()
    whole = Image.fromarray(pixels)
    whole.save(folder / "plain.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    whole.rotate(90, expand=True).save(folder / "turned.jpg", quality=95, exif=exif)
    whole.save(folder / "tiff.tif")
    import pillow_heif

    pillow_heif.from_pillow(whole).save(folder / "phone.heic", quality=95)
    import cv2

    cv2.imwrite(str(folder / "deep.png"), pixels[..., ::-1].astype(np.uint16) * 257)
    clear = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    clear[:, :40, 3] = 0
    Image.fromarray(clear).save(folder / "clear.png")
    server = served(folder, "--thres", "0.6")
    server.log_in()
    names = {file["name"]: file["id"] for row in server.rows() for file in row["files"]}
    assert len(names) == 6, names
    for name, number in names.items():
        width, height, data = _shape(server, name)
        assert (width, height) == (160, 120), name
        seen = np.frombuffer(data, np.uint8).reshape(120, 160, 3).astype(int)
        want = pixels[::2, ::2].astype(int)
        part = (slice(None), slice(24, None))  # beside what is transparent
        assert np.abs(seen - want)[part].mean() < 12, name
        full = server.ask("GET", f"/full/{number}", Cookie=server.cookie)
        sent = "image/png" if name.endswith(".png") else "image/jpeg"
        assert full.headers["content-type"] == sent, name
    _, _, data = _shape(server, "clear.png")
    corner = np.frombuffer(data, np.uint8).reshape(120, 160, 3)[:, :16].astype(int)
    assert {round(value / 41) for value in np.unique(corner)} <= {5, 6}, "a checkerboard of white and light grey"
    assert corner.std() > 10


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs")
def test_a_file_that_is_no_picture_any_more_does_not_leave_the_page(photos: Path, served: Begin) -> None:
    server = served(photos, "--thres", "0.9")
    server.log_in()
    first = server.rows()[0]["files"][0]
    path = next(photos.rglob(first["name"]))
    path.write_text("<script>alert(1)</script>")
    for kind in ("thumb", "full"):
        answer = server.ask("GET", f"/{kind}/{first['id']}?s=160", Cookie=server.cookie)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert b"script" not in answer.body
    path.unlink()
    os.mkfifo(path)
    assert server.ask("GET", f"/full/{first['id']}", Cookie=server.cookie).status == 200


def test_a_port_that_is_taken_is_an_error_with_a_way_on(
    photos: Path, server: Served, run: Callable[..., object]
) -> None:
    port = server.host.partition(":")[2]
    done = run("review", photos, "--port", port, "--no-browser", code=1)
    assert f"--port {port}" in done.stderr
    done = run("review", photos, "--port", "99999", "--no-browser", code=2)
    assert "--port" in done.stderr


def test_a_second_review_of_a_folder_that_lost_a_file_keeps_the_other_decisions(photos: Path, served: Begin) -> None:
    first = served(photos, "--thres", "0.9")
    row = first.rows()[0]
    ids = [file["id"] for file in row["files"]]
    first.post("/api/decide", {"keep": {str(ids[0]): False, str(ids[1]): True}, "done": ids})
    chosen = {file["name"]: (file["keep"], file["done"]) for file in first.rows(stamp="again")[0]["files"]}
    first.end()
    other = next(path for path in photos.rglob("*.*") if path.name not in chosen)
    other.unlink()
    again = served(photos, "--thres", "0.9")
    found = {file["name"]: (file["keep"], file["done"]) for one in again.rows() for file in one["files"]}
    assert {name: found[name] for name in chosen} == chosen


def test_the_answer_to_a_summary_is_plain_ascii_json(server: Served) -> None:
    answer = server.ask("GET", "/api/summary", Cookie=server.cookie)
    assert answer.body.isascii()
    assert json.loads(answer.body)["groups"] > 0
