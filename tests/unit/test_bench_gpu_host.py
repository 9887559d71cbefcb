"""What prepares and runs a visit to an offline GPU machine, as far as a CPU shows it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gpu.host import device_code, pack, there


@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=4), room=st.integers(20, 100))
def test_archives_are_cut_into_calls_that_fit_and_join_again(sizes: list[int], room: int) -> None:
    archives = {f"a{k}": bytes([k]) * size for k, size in enumerate(sizes)}
    calls = pack.cut(archives, room)
    assert all(0 < sum(map(len, call.values())) <= room for call in calls)
    joined: dict[str, bytes] = {}
    for call in calls:
        for name, data in call.items():
            joined[name.split(".")[0]] = joined.get(name.split(".")[0], b"") + data
    assert joined == archives
    names = [name for call in calls for name in call]
    for name in archives:
        own = [part for part in names if part.startswith(f"{name}.")]
        assert sorted(own) == sorted(f"{name}.tar.xz.{k}of{len(own)}" for k in range(len(own)))


@pytest.mark.skipif(any(shutil.which(tool) is None for tool in ("nvcc", "cc")), reason="needs nvcc and a C compiler")
def test_code_for_other_gpus_is_overwritten_and_the_rest_stays(tmp_path: Path) -> None:
    source = tmp_path / "k.cu"
    source.write_text(
        'extern "C" __global__ void ours(int *x) { *x = 1; }\nextern "C" void call() { ours<<<1, 1>>>(0); }\n'
    )
    architectures = [part for sm in (80, 90) for part in ("-gencode", f"arch=compute_{sm},code=sm_{sm}")]
    architectures += ["-gencode", "arch=compute_80,code=compute_80"]
    library = tmp_path / "k.so"
    done = subprocess.run(
        ["nvcc", "-shared", "-Xcompiler", "-fPIC", "-cudart", "none", *architectures, "-o", str(library), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"nvcc links no library here: {done.stderr.strip()[:100]}")
    before = library.read_bytes()
    freed = device_code.keep_architecture(library, 90)
    after = library.read_bytes()
    assert freed > 0 and len(after) == len(before) and after[:64] == before[:64]
    with library.open("r+b") as file, device_code.mmap.mmap(file.fileno(), 0) as data:
        (container,) = device_code.containers(data)
        assert [(entry.arch, entry.is_ptx) for entry in container.entries] == [(90, False)]
        empty = b"x" * 8
        assert device_code._replace(data, container, empty) == container.stop - container.body - 8


def test_a_call_runs_its_steps_whatever_one_does_and_ends_with_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.dumps({"rows": [["tile", "simple", "1.2 ms", ""]]})
    bench = f"import pathlib, sys; pathlib.Path(sys.argv[2]).write_text({rows!r})"
    steps = (
        there.Step("good", 20, 1, there.python("-c", "print('RESULT all is well')")),
        there.Step("bad", 20, 1, there.python("-c", "print('why'); raise SystemExit(4)")),
        there.Step("hangs", 1, 1, there.python("-c", "import time; time.sleep(60)")),
        there.Step("missing", 5, 1, ("no-such-program",)),
        there.Step("bench", 20, 1, there.python("-c", bench, "--out", str(tmp_path / "b.json"))),
        there.Step("late", 20, 10**6, there.python("-c", "1")),
    )
    monkeypatch.setitem(there.CALLS, "1", steps)
    monkeypatch.setattr(there, "OUT", tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["there.py", "1", "--seconds", "60"])
    assert there.main() == 1
    states = {one["step"]: one["state"] for one in json.loads((tmp_path / "out" / "steps-1.json").read_text())}
    assert states["good"] == states["bench"] == "ok" and states["bad"] == "exit 4" and states["hangs"] == "out of time"
    assert states["missing"].startswith("can't start") and states["late"].startswith("not begun")
    shown = capsys.readouterr().out
    assert "| good | ok |" in shown and "all is well" in shown and "tile; simple; 1.2 ms" in shown
    assert "--- the end of bad (exit 4)\nwhy" in shown
    assert "RESULT all is well" in (tmp_path / "out" / "log-1.txt").read_text()


def test_every_step_names_what_exists() -> None:
    for steps in there.CALLS.values():
        for step in steps:
            for argument in step.command:
                if argument.startswith("tests/"):
                    assert (there.ROOT / argument).exists(), argument
            if "-m" in step.command:
                module = step.command[step.command.index("-m") + 1]
                if module.startswith("bench"):
                    path = there.ROOT / module.replace(".", "/")
                    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_an_archive_that_travels_in_pieces_is_unpacked_with_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "a.txt").write_text("here")
    with tarfile.open(tmp_path / "av.tar.xz", "w:xz") as tar:
        tar.add(tmp_path / "package", "package")
    data = (tmp_path / "av.tar.xz").read_bytes()
    for call, piece in (("1", data[:50]), ("2", data[50:])):
        (tmp_path / "checkout" / f".gpu{call}").mkdir(parents=True)
        (tmp_path / "checkout" / f".gpu{call}" / f"av.tar.xz.{int(call) - 1}of2").write_bytes(piece)
    monkeypatch.setattr(there, "ROOT", tmp_path / "checkout")
    monkeypatch.setattr(there, "PARTS", tmp_path / "parts")
    monkeypatch.setattr(there, "SITE", tmp_path / "site")
    there.unpack("1")
    assert "1 of 2 pieces are here" in capsys.readouterr().out and not (tmp_path / "site").exists()
    there.unpack("2")
    assert (tmp_path / "site" / "package" / "a.txt").read_text() == "here"
    there.unpack("2")
    assert "was unpacked before" in capsys.readouterr().out
