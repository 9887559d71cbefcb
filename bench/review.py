"""What the page of `fastsim review` costs: 10,000 groups of 30,000 images in headless Chromium.

    python -m bench.review [--groups 10000] [--seconds 8] [--json FILE]

Needs chromium with chromedriver (Debian: chromium-driver) and selenium. The images are hard links to drawn ones, and 30 more
of 12 megapixels; the pairs are made up, as it is the page that is measured. It prints, against the bars of the project: the
first paint with groups, frames while the list scrolls (60 a second are possible), a decision from the key to the row that
shows it, thumbnails of 12 megapixels that were never decoded before, and the server's memory before and after thousands of
thumbnails. What the page shows is checked against the store first.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import numpy as np

from bench import common, photos

LARGE = 30
"""Images of 12 megapixels: ten groups of three."""
PLAIN = 300
"""Different files among the others; the rest are hard links to them."""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SCROLL = """
const done = arguments[arguments.length - 1];
const scroller = document.querySelector('.scroller');
const frames = [];
let last = performance.now();
const until = last + 1000 * arguments[0];
function step(now) {
  frames.push(now - last);
  last = now;
  scroller.scrollTop += 60;
  if (now < until) requestAnimationFrame(step); else done(frames.slice(2));
}
requestAnimationFrame(step);
"""
DECIDE = """
const done = arguments[arguments.length - 1];
const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
const times = [];
async function go() {
  for (let i = 0; i < 60; i += 1) {
    const counted = document.querySelector('#counted');
    const before = counted.textContent;
    const start = performance.now();
    press('Enter');
    while (counted.textContent === before) await new Promise((next) => setTimeout(next, 0));
    times.push(performance.now() - start);
    await new Promise((next) => setTimeout(next, 30));
  }
  done(times);
}
go();
"""


def draw(folder: Path, groups: int) -> list[Path]:
    """Draw the images: 3 a group, the first ten groups of 12 megapixels."""
    folder.mkdir()
    base = folder / "base"
    base.mkdir()
    photos.make_photos(base, None, PLAIN, (500, 375), copies=0)
    plain = sorted(base.iterdir())
    large = folder / "large"
    large.mkdir()
    photos.make_photos(large, None, LARGE, (4000, 3000), copies=0)
    sources = [*sorted(large.iterdir()), *(plain[number % PLAIN] for number in range(LARGE, 3 * groups))]
    paths = []
    for number in range(3 * groups):
        parent = folder / f"{number // 3000:02d}"
        parent.mkdir(exist_ok=True)
        path = parent / f"IMG_{number:05d}.jpg"
        os.link(sources[number], path)
        paths.append(path)
    return paths


def make_store(paths: list[Path], where: Path) -> None:
    """Store a review of `paths`, three a group."""
    from fastsim.records.files import MediaFile, Snapshot
    from fastsim.review.found import UNVERIFIED, Found
    from fastsim.review.store import Store

    files = tuple(MediaFile(i, str(path), str(path.parents[1]), Snapshot.of(str(path))) for i, path in enumerate(paths))
    n = len(files)
    first = np.arange(0, n, 3)
    left, right = np.concatenate([first, first, first + 1]), np.concatenate([first + 1, first + 2, first + 2])
    order = np.lexsort([right, left])
    score = np.random.default_rng(2).uniform(0.76, 1.0, len(left)).astype(np.float32)
    sizes = np.tile(np.array([[500, 375]], np.int32), (n, 1))
    sizes[:LARGE] = 4000, 3000
    settings = {"thres": 0.75, "floor": 0.6, "verify": False, "rules": ["largest"], "title": "bench"}
    found = Found(
        files, sizes, left[order], right[order], score, np.full(len(left), UNVERIFIED, np.int8), settings,
        vectors=np.zeros((n, 256), np.float16),
    )  # fmt: skip
    Store.create(where, found).close()


@contextmanager
def serving(plan: Path, env: dict[str, str]) -> Iterator[tuple[int, str, float]]:
    """(process id, address, seconds until it listened) of a server."""
    start = time.perf_counter()
    command = common.fastsim("review", str(plan), "--no-browser")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield process.pid, found[0], time.perf_counter() - start
                return
        raise SystemExit("the server printed no address")
    finally:
        process.terminate()
        process.wait()


def resident(pid: int, field: str = "VmRSS") -> float:
    """Megabytes of memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1000  # type: ignore[index]


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def thumbnails(opener: OpenerDirector, base: str, numbers: list[int], size: int) -> float:
    """Seconds for these thumbnails, six at a time as a browser asks."""

    def ask(number: int) -> int:
        with opener.open(f"{base}/thumb/{number}?s={size}") as answer:
            assert answer.headers["Content-Type"] == "image/jpeg"
            return len(answer.read())

    start = time.perf_counter()
    with ThreadPoolExecutor(6) as pool:
        assert min(pool.map(ask, numbers)) > 500
    return time.perf_counter() - start


def in_browser(address: str, groups: int, seconds: float, profile: str) -> dict[str, Any]:
    """Paint, scroll and decide; milliseconds."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_script_timeout(120)
        paints = []
        for turn in range(4):
            driver.get(address if turn == 0 else address.partition("?")[0])
            painted = "return performance.getEntriesByName('fastsim-painted')[0]?.startTime"
            while (paint := driver.execute_script(painted)) is None:
                time.sleep(0.02)
            paints.append(paint)
        told = driver.execute_script("return document.querySelector('#shown-count').textContent")
        assert told.startswith(f"{groups:,} "), told
        time.sleep(1)
        frames = driver.execute_async_script(SCROLL, seconds)
        nodes = driver.execute_script("return document.querySelectorAll('*').length")
        driver.execute_script("document.querySelector('.scroller').scrollTop = 0")
        time.sleep(1)
        decisions = driver.execute_async_script(DECIDE)
        errors = [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert not errors, errors
    finally:
        driver.quit()
    return {"paints": paints, "frames": frames, "decisions": decisions, "nodes": nodes}


def report(found: dict[str, Any]) -> None:
    """Print the figures beside their bars."""
    frames, decisions = sorted(found["frames"]), sorted(found["decisions"])
    rows = [
        ("first paint with groups, cold browser, ms", f"{found['paints'][0]:.0f}", 1000),
        ("first paint with groups, again, ms", f"{statistics.median(found['paints'][1:]):.0f}", 1000),
        (f"frame while scrolling, median of {len(frames):,}, ms", f"{statistics.median(frames):.1f}", 17),
        ("frame while scrolling, 95th percentile, ms", f"{frames[int(0.95 * len(frames))]:.1f}", 34),
        ("elements in the page", found["nodes"], ""),
        (f"decision, median of {len(decisions)}, ms", f"{statistics.median(decisions):.1f}", 50),
        ("decision, 95th percentile, ms", f"{decisions[int(0.95 * len(decisions))]:.1f}", ""),
        (f"{LARGE} thumbnails of 12 megapixels, 160 px, cold, s", f"{found['cold_160']:.2f}", 0.5),
        (f"{LARGE} thumbnails of 12 megapixels, 320 px, cold, s", f"{found['cold_320']:.2f}", 0.5),
        ("CPU a thumbnail of 12 megapixels, ms", f"{found['cpu_ms']:.0f}", ""),
        ("server listens after, s", f"{found['start']:.2f}", ""),
        ("server's memory after the browser, MB", f"{found['memory']:.0f}", 200),
        (f"... after {found['many']:,} thumbnails, peak, MB", f"{found['memory_many']:.0f}", 200),
        ("kept thumbnails, at most, MB", f"{found['cache_limit']:.0f}", ""),
    ]
    print(common.table(["", "measured", "bar"], rows))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=8, help="of scrolling")
    parser.add_argument("--json")
    options = parser.parse_args()
    if shutil.which("chromedriver") is None:
        raise SystemExit("needs chromium and chromedriver")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = {**os.environ, "FASTSIM_DATA_DIR": str(folder / "data"), "FASTSIM_CACHE_DIR": str(folder / "cache")}
        os.environ.update(env)
        from fastsim.review.pictures import MOST_BYTES
        from fastsim.review.store import path_for

        plan = folder / "plan.jsonl"
        plan.write_text('{"format": "fastsim-plan", "version": 2}\n')
        where = path_for(("plan", os.path.realpath(plan)))
        make_store(draw(folder / "photos", options.groups), where)
        found: dict[str, Any] = {"cache_limit": MOST_BYTES / 1e6}
        with serving(plan, env) as (pid, address, _):
            opener = build_opener(HTTPCookieProcessor())
            opener.open(address).read()
            base = address.partition("/?")[0]
            thumbnails(opener, base, [LARGE], 160)  # the decoders are imported
            before = cpu_seconds(pid)
            found["cold_160"] = thumbnails(opener, base, list(range(LARGE)), 160)
            found["cold_320"] = thumbnails(opener, base, list(range(LARGE)), 320)
            found["cpu_ms"] = 1000 * (cpu_seconds(pid) - before) / (2 * LARGE)
        with serving(plan, env) as (pid, address, start):
            found["start"] = start
            found |= in_browser(address, options.groups, options.seconds, str(folder / "profile"))
            found["memory"] = resident(pid)
            opener = build_opener(HTTPCookieProcessor())
            opener.open(address).read()
            numbers = list(range(LARGE, min(3 * options.groups, 6000)))
            thumbnails(opener, address.partition("/?")[0], numbers, 320)
            found["many"], found["memory_many"] = len(numbers), resident(pid, "VmHWM")
    print(common.machine(), f"load {os.getloadavg()[0]:.1f}")
    report(found)
    common.write_json(options.json, found)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
