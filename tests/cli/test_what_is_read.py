"""Which files a folder scan reads: by name or content, system folders left out and counted, extras named."""

from __future__ import annotations

import io
import json
import os
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
import pytest
from PIL import Image
from support import Run


def picture(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """Return a drawn picture; another seed is clearly another one."""
    grid = np.random.default_rng(seed).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def save(path: Path, seed: int = 1, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(path, **options)
    return path


def result(tmp_path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((tmp_path / "r.json").read_text())
    return loaded


TRASH = [
    ".Trash-1000/files",
    "$RECYCLE.BIN/S-1-5-21",
    "#recycle",
    ".local/share/Trash/files",
    ".Trashes/501",
    "@Recycle",
]
SNAPSHOTS = [
    ".snapshots/7/snapshot",
    "~snapshot/daily",
    ".zfs/snapshot/a",
    "@GMT-2020.01.01-00.00.00",
    "Backups.backupdb",
]
THUMBNAILS = ["@eaDir/a.jpg", ".thumbnails/large", ".@__thumb", "__MACOSX/in"]
LIBRARIES = ["P.photoslibrary/originals/0", "Lightroom Previews.lrdata/1", "X.cocatalog/Cache"]


def test_system_folders_are_left_out_counted_and_read_when_asked_for(run: Run, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    for i, folder in enumerate([*TRASH, *SNAPSHOTS, *THUMBNAILS, *LIBRARIES, "sub/.git/lfs"]):
        save(inside / "Pictures" / f"{i}.jpg", i)
        save(inside / folder / f"{i}.jpg", i)
    done = run("images", inside, "--thres", "0.95", "--mode", "clean_move", "--outs", "out", "--json", "r.json")
    assert "Nothing to do" in done.stdout
    assert (
        "Left out: 6 trash folders, 5 snapshot folders, 4 thumbnail or system folders, 3 photo libraries, "
        "1 version control folder; --include-system reads them."
    ) in done.stdout
    assert result(tmp_path)["left_out"]["system"]["photo library"] == 3
    assert result(tmp_path)["counts"]["files"] == 19
    run("images", inside, "--thres", "0.95", "--dry-run", "--include-system", "--keep", "path", "--json", "r.json")
    assert result(tmp_path)["counts"]["files"] == 38
    kept = {m["path"] for g in result(tmp_path)["groups"] for m in g["members"] if m["keeper"]}
    assert sum("/Pictures/" in path for path in kept) >= 15, "no live picture goes for one in a bin or a snapshot"
    assert result(tmp_path)["left_out"]["system"] == {}


def test_an_input_that_lies_in_a_system_folder_is_read_with_a_word(run: Run, tmp_path: Path) -> None:
    trash = tmp_path / ".Trash-1000"
    save(trash / "files" / "a.jpg")
    save(trash / "files" / "b.jpg")
    done = run(
        "images", trash / "files", "--thres", "0.95", "--mode", "clean_move", "--outs", "out", "--json", "r.json"
    )
    assert result(tmp_path)["counts"]["redundant"] == 1
    assert f"{trash} is a trash folder; it is read" in done.stdout


def test_nothing_is_taken_out_of_a_photo_library_that_is_named(run: Run, tmp_path: Path) -> None:
    library = tmp_path / "X.photoslibrary"
    save(library / "originals" / "a.jpg")
    save(library / "derivatives" / "a.jpg")
    for mode in ("clean_move", "group_move"):
        done = run("images", library / "originals", "--thres", "0.95", "--mode", mode, code=2)
        assert "inside a photo library" in done.stderr
    run("images", library, "--thres", "0.95", "--json", "r.json")
    assert result(tmp_path)["counts"]["groups"] == 1
    assert len(list(library.rglob("*.jpg"))) == 2


def test_shadow_files_of_macs_are_passed_over_without_a_word_and_a_picture_of_such_a_name_is_not(
    run: Run, tmp_path: Path
) -> None:
    save(tmp_path / "in" / "a.jpg", 1)
    save(tmp_path / "in" / "._b.jpg", 2)
    (tmp_path / "in" / "._a.jpg").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(4000))
    (tmp_path / "in" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500))
    done = run("images", tmp_path / "in", "--dry-run")
    assert done.stdout.startswith("2 images")
    assert "kipped" not in done.stdout
    assert "Left out" not in done.stdout
    listed = "\0".join(str(path) for path in (tmp_path / "in").iterdir() if path.suffix == ".jpg").encode()
    assert run("images", "-", "--dry-run", stdin=listed).stdout.startswith("2 images")


def test_pictures_of_unknown_or_missing_suffix_are_found_by_their_first_bytes(run: Run, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    for name, form in (("a", "JPEG"), ("b.jpg_original", "JPEG"), ("c.bak", "PNG"), ("d.download", "WEBP"),
                       ("e.1", "GIF"), ("f.dat", "TIFF"), ("g.image", "BMP"), ("h.part", "AVIF")):  # fmt: skip
        save(inside / name, 5, format=form)
    (inside / "notes").write_text("BM is how this text begins")
    (inside / "notes.md").write_text("P1 is a project\n")
    (inside / "film.dat").write_bytes(b"\0\0\1\xba" + bytes(999))
    done = run("images", inside, "--thres", "0.9", "--dry-run", "--json", "r.json")
    assert done.stdout.count("a.1") == 0
    assert result(tmp_path)["counts"]["files"] == 8
    assert result(tmp_path)["skipped"] == []


def test_every_documented_format_is_found_in_a_folder(run: Run, tmp_path: Path) -> None:
    inside, image = tmp_path / "in", picture(5, 128, 128)
    inside.mkdir()
    for suffix in ("jpg", "png", "webp", "bmp", "tif", "gif", "jp2", "avif", "ppm", "tga", "ico", "dds"):
        image.save(inside / f"a.{suffix}")
    image.save(inside / "a.mpo", format="MPO", save_all=True, append_images=[image])
    planes = np.moveaxis(np.asarray(image), 2, 0).tobytes()
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 128, 128, 8, 3) + struct.pack(">IIIH", 0, 0, 0, 0)
    (inside / "a.psd").write_bytes(header + planes)
    pillow_heif.from_pillow(image).save(inside / "a.HEIC")
    run("images", inside, "--thres", "0.9", "--dry-run", "--json", "r.json")
    counts = result(tmp_path)["counts"]
    assert (counts["files"], counts["skipped"], counts["grouped"]) == (15, 0, 15)


def test_what_nothing_reads_is_counted_in_one_line_and_never_called_broken(run: Run, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    save(inside / "a.jpg")
    for i in range(30):
        (inside / f"scan_{i}.exr").write_bytes(b"\x76\x2f\x31\x01" + bytes(90))
    (inside / "named.svg").write_text("<svg/>")
    done = run("images", inside, inside / "named.svg", "--dry-run", "--json", "r.json")
    assert result(tmp_path)["counts"]["files"] == 1
    assert result(tmp_path)["skipped"] == []
    assert "Not read: 30 OpenEXR files, 1 SVG file; fastsim has no reader for this format yet" in done.stdout
    assert "broken" not in done.stdout


HIDE = """
import importlib.util
_find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in {hidden!r} else _find(name, *more)
"""


def test_files_without_their_reader_are_counted_with_the_command_that_installs_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HIDE.format(hidden=["rawpy", "pillow_jxl", "pillow_heif"]))
    monkeypatch.syspath_prepend(tmp_path / "site")
    inside = tmp_path / "in"
    save(inside / "a.jpg")
    for i in range(25):
        pillow_heif.from_pillow(picture(i)).save(inside / f"IMG_{i}.HEIC")
    (inside / "IMG_1.dng").write_bytes(b"II*\0" + bytes(99))
    (inside / "IMG_4").write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(99))
    (inside / "x.jxl").write_bytes(b"\xff\x0a" + bytes(99))
    done = run("images", inside, "--dry-run", "--json", "r.json")
    assert result(tmp_path)["left_out"]["unread"] == {"HEIC": 25, "RAW": 2, "JPEG XL": 1}
    lines = [line for line in done.stdout.splitlines() if line.startswith("Not read")]
    assert lines == [
        "Not read: 25 HEIC files; to read them: pip install pillow-heif",
        "Not read: 2 RAW files; to read them: pip install 'fastsim-dedup[raw]'",
        "Not read: 1 JPEG XL file; to read them: pip install 'fastsim-dedup[jxl]'",
    ]
    assert result(tmp_path)["skipped"] == []
    assert "pip install 'fastsim-dedup[raw]'" in run("doctor").stdout
    compared = run("compare", inside / "a.jpg", inside / "IMG_1.HEIC", code=1)
    assert "1 HEIC file" in compared.stderr


def film(path: Path, container: str, codec: str, **options: str) -> None:
    """Six seconds of a moving square."""
    stream = io.BytesIO()
    with av.open(stream, "w", container, options=options) as made:
        video = made.add_stream(codec, rate=10)
        video.width, video.height = 176, 144
        video.pix_fmt = {"gif": "rgb8", "apng": "rgb24", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        for i in range(60):
            pixels = np.array(picture(3, 176, 144))
            pixels[20:60, 2 * i : 2 * i + 40] = (250, 250 - 4 * i, 20)
            made.mux(video.encode(av.VideoFrame.from_ndarray(pixels).reformat(format=video.pix_fmt)))
        made.mux(video.encode(None))
    path.write_bytes(stream.getvalue())


def test_videos_are_found_by_suffix_or_content_and_moving_pictures_are_videos(run: Run, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    films = [("a.mp4", "mp4", "mpeg4"), ("b.mjpeg", "mjpeg", "mjpeg"), ("c.m2t", "mpegts", "mpeg2video"),
             ("d.gif", "gif", "gif"), ("e.rm", "rm", "rv20"), ("f", "matroska", "mpeg4"), ("g.bin", "flv", "flv1"),
             ("i.nut", "nut", "mpeg4"), ("j.png", "apng", "apng")]  # fmt: skip
    for name, container, codec in films:
        film(inside / name, container, codec)
    save(inside / "still.gif")
    save(inside / "still.png")
    (inside / "script.ts").write_text("const a: number = 1;\n" * 500)
    (inside / "sound.dat").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    run("video-duplicates", inside, "--json", "r.json")
    found = result(tmp_path)
    assert found["skipped"] == []
    assert found["counts"]["videos"] == len(films)
    [group] = found["groups"]
    assert {os.path.basename(one["path"]) for one in group["videos"]} == {name for name, _, _ in films}


def test_hard_links_whose_names_differ_only_in_case_are_two_images(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", 1)
    os.link(tmp_path / "in" / "a.png", tmp_path / "in" / "A.png")
    save(tmp_path / "in" / "other.png", 2)
    if len(os.listdir(tmp_path / "in")) != 3:
        pytest.skip("needs a file system that knows case")
    run("images", "in", "--thres", "0.9", "--dry-run", "--json", "r.json")
    [group] = result(tmp_path)["groups"]
    assert sorted(os.path.basename(one["path"]) for one in group["members"]) == ["A.png", "a.png"]
