"""The DALI decoder on the CPU (device_id=None): the same pictures as OpenCV's, under the same ids, whatever is broken."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fastsim import decode
from fastsim.device import Device
from fastsim.records.files import MediaFile, Skipped, Snapshot
from fastsim.records.rows import FrameBatch

dali = pytest.importorskip("fastsim.decode.dali", reason="needs nvidia-dali")


def media(folder: Path) -> list[MediaFile]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [MediaFile(10 * k + 3, str(path), str(folder), Snapshot.of(str(path))) for k, path in enumerate(paths)]


def by_id(items: object) -> tuple[dict[int, np.ndarray], dict[int, tuple[int, int]], dict[int, str]]:
    pixels, sizes, skipped = {}, {}, {}
    for item in items:  # type: ignore[attr-defined]
        if isinstance(item, Skipped):
            skipped[item.id] = item.reason
            continue
        assert isinstance(item, FrameBatch)
        for file_id, picture, size in zip(item.ids.tolist(), item.pixels, item.sizes.tolist(), strict=True):
            assert file_id not in pixels
            pixels[file_id], sizes[file_id] = picture, tuple(size)
    return pixels, sizes, skipped


def both(files: list[MediaFile], batch: int, size: int | None = 96) -> tuple[list, dali.Counts]:
    counts: list = []
    choose = decode.choose_size if size is None else lambda _w, _h: size
    ours = by_id(
        dali.frame_batches(files, choose_size=choose, batch=batch, workers=2, device=None, report=counts.append)
    )
    theirs = by_id(decode.frame_batches(files, size=size, batch=batch, workers=2))
    return [ours, theirs], counts[0]


@pytest.mark.parametrize("size", [96, None])
def test_the_pictures_are_those_of_the_cpu_backend(photos: Path, size: int | None) -> None:
    (ours, theirs), counts = both(media(photos), 3, size)
    assert ours[0].keys() == theirs[0].keys() and ours[1:] == theirs[1:]
    assert counts.device >= 5 and counts.opencv >= 2  # JPEGs; PNG and WebP
    for file_id, picture in ours[0].items():
        assert picture.shape == theirs[0][file_id].shape
        assert np.abs(picture.astype(int) - theirs[0][file_id]).mean() < 3


def test_a_broken_file_costs_itself_and_nothing_else(photos: Path) -> None:
    jpeg = (photos / "holiday" / "hills.jpg").read_bytes()
    middle = len(jpeg) // 2
    (photos / "a broken.jpg").write_bytes(jpeg[:200] + bytes(300) + b"\xff\xd9")
    (photos / "holiday" / "i cut off.jpg").write_bytes(jpeg[:middle])
    (photos / "none.jpg").write_bytes(b"")
    (photos / "text.jpg").write_bytes(b"no picture")
    files = media(photos)
    for batch in (1, 2, 4, 64):
        (ours, theirs), _ = both(files, batch)
        assert ours[0].keys() == theirs[0].keys()
        assert ours[2] == theirs[2]
        assert len(ours[0]) + len(ours[2]) == len(files)


def test_orientation_grey_and_tiny_pictures(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (9, 14, 3), np.uint8)
    picture = cv2.resize(pixels, (140, 90), interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    for k in range(1, 9):
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([k]) + b"\0\0\0\0\0\0"
        segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
        (tmp_path / f"turned{k}.jpg").write_bytes(data[:2] + segment + data[2:])
    cv2.imwrite(str(tmp_path / "grey.jpg"), picture[..., 0])
    cv2.imwrite(str(tmp_path / "tiny.jpg"), picture[:1, :1])
    (ours, theirs), counts = both(media(tmp_path), 4, 64)
    assert counts == (10, 0, 0)
    assert ours[1] == theirs[1]
    for file_id, picture in ours[0].items():
        assert np.abs(picture.astype(int) - theirs[0][file_id]).mean() < 4


def test_a_batch_is_bounded_by_its_decoded_bytes(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in [*photos.rglob("*.png"), *photos.rglob("*.webp")]:
        path.unlink()
    files = media(photos)
    sizes = [dali.device_size(Path(file.path).read_bytes()) for file in files]
    largest = max(3 * width * height for width, height in filter(None, sizes))
    fed: list[int] = []
    submit = dali._Decoder._submit

    def watched(self: object, items: list) -> object:
        fed.append(len(items))
        assert sum(item.decoded_bytes for item in items) <= largest
        return submit(self, items)

    monkeypatch.setattr(dali._Decoder, "_submit", watched)
    monkeypatch.setattr(dali, "BATCH_BYTES", largest)
    (ours, theirs), counts = both(files, 64)
    assert ours[0].keys() == theirs[0].keys() and counts == (len(files), 0, 0)
    assert len(fed) > 1 and max(fed) < len(files)


@pytest.mark.parametrize(
    "text", ["CUDA allocation failed", "cudaErrorMemoryAllocation (2): out of memory", "std::bad_alloc"]
)
def test_a_device_without_memory_is_told_apart_from_broken_files(
    photos: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    failing = dali.is_out_of_memory(RuntimeError(text))
    taken, calls = dali.taken, []

    def short(pictures: object, device: object) -> object:
        calls.append(pictures)
        if len(calls) == 1:
            raise RuntimeError(text)
        return taken(pictures, device)

    monkeypatch.setattr(dali, "taken", short)
    files = media(photos)
    (ours, theirs), counts = both(files, 2)
    assert ours[0].keys() == theirs[0].keys() and ours[2] == theirs[2]
    assert counts.no_memory == (2 if failing else 0)
    assert counts.opencv + counts.device == len(files)
    assert failing == (text != "CUDA allocation failed")


def test_a_note_names_each_reason_for_which_opencv_decoded(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def few(*_args: object, report: object, **_options: object) -> object:
        report(dali.Counts(3, 7, 2))  # type: ignore[operator]
        return iter(())

    monkeypatch.setattr(dali, "frame_batches", few)
    notes: list[str] = []
    list(decode.frame_batches([], size=64, batch=2, workers=1, device=Device.parse("cuda:0"), note=notes.append))
    assert notes == [
        "decoded by DALI: 3, by OpenCV (no JPEGs, or broken ones): 5",
        "decoded by DALI: 3, by OpenCV (the GPU had no memory for them): 2",
    ]
