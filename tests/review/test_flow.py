"""The whole way in a real browser: from a folder by keys alone to apply and undo, with the files on disk checked."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from review_page import Page
from review_server import Served
from support import tree

ACTIVE = "document.querySelector('.group.active')"


def test_from_folder_to_apply_to_undo_by_keys_alone(
    photos: Path, served: Callable[..., Served], page: Page, tmp_path: Path
) -> None:
    before = tree(photos)
    server = served("photos", "--thres", "0.9", "--outs", "gone")
    page.open(server.address)
    assert page.run("location.href") == f"http://{server.host}/"
    groups = int(page.run("document.querySelector('.scroller').getAttribute('aria-rowcount')"))
    assert groups == len(server.rows()) > 2
    for place in range(groups):
        page.until(f"{ACTIVE} && {ACTIVE}.getAttribute('aria-rowindex') === '{place + 1}'")
        page.until(f"{ACTIVE}.querySelector('.file.current') === document.activeElement || {place} === 0")
        page.keys("enter")
        page.until(f"document.querySelector('#counted').textContent.startsWith('{place + 1} of')")
    assert tree(photos) == before, "deciding changes no file"
    page.keys("f")
    page.until("document.querySelector('#apply') && !document.querySelector('#apply').disabled")
    page.run("document.querySelector('#apply').focus()")
    page.keys("enter")
    page.until("document.querySelector('.run.done')")
    gone = {name for name in before if name not in tree(photos)}
    assert len(gone) == sum(not file["keep"] for row in server.rows() for file in row["files"]) > 2
    assert {name for name in tree(tmp_path / "gone") if not name.startswith("fastsim_")} == gone
    page.run("document.querySelector('.take-back').focus()")
    page.keys("enter")
    page.until("document.querySelector('.run.undone')")
    assert tree(photos) == before
    assert not (tmp_path / "gone").exists()
    assert page.problems() == []


def test_keys_change_what_stays(photos: Path, served: Callable[..., Served], page: Page) -> None:
    server = served(photos, "--thres", "0.9")
    page.open(server.address)
    kept = f"[...{ACTIVE}.querySelectorAll('.file')].map((one) => one.classList.contains('keep')).join()"
    first = page.until(kept)
    assert first.startswith("true,false")
    page.keys("2")
    page.until(f"{kept}.startsWith('true,true')")
    page.keys("l", " ")
    page.until(f"{kept}.startsWith('true,false')")
    page.keys("a")
    page.until(f"!{kept}.includes('false')")
    page.keys("x")
    page.until(f"{kept} === '{first}'")
    page.keys("u")
    page.until(f"!{kept}.includes('false')")
    assert any(all(file["keep"] for file in row["files"]) for row in server.rows())


def test_keys_that_follow_each_other_at_once_meet_the_group_that_is_shown(
    photos: Path, served: Callable[..., Served], page: Page
) -> None:
    server = served(photos, "--thres", "0.9")
    page.open(server.address)
    groups = len(server.rows())
    page.until(ACTIVE)
    page.keys(*["enter"] * (groups - 1), "2")
    page.until(f"document.querySelector('#counted').textContent.startsWith('{groups - 1} of')")
    page.until(f"{ACTIVE}.getAttribute('aria-rowindex') === '{groups}'")
    page.until(f"{ACTIVE}.querySelectorAll('.file.keep').length > 1")
    assert [row["state"] for row in server.rows()].count("undecided") == 1


def test_not_a_duplicate_parts_the_group_and_stays_in_its_place(
    photos: Path, served: Callable[..., Served], page: Page
) -> None:
    server = served(photos, "--thres", "0.9")
    page.open(server.address)
    before = len(server.rows())
    page.until(ACTIVE)
    page.keys("N")
    page.until(f"{ACTIVE}.classList.contains('apart')")
    assert len(server.rows()) == before - 1
    assert page.run("document.querySelectorAll('.group').length") >= before - 1
    page.keys("u")
    page.until(f"!{ACTIVE}.classList.contains('apart')")
    assert len(server.rows()) == before


def test_compare_opens_over_the_page_and_shows_the_better_values(
    photos: Path, served: Callable[..., Served], page: Page
) -> None:
    server = served(photos, "--thres", "0.9")
    page.open(server.address)
    page.keys("c")
    page.until("document.querySelectorAll('.pane img.loaded').length >= 2")
    assert "Pixels" in page.text("#compare-table")
    for key, mode in (("b", "blink"), ("s", "swipe"), ("d", "difference")):
        page.keys(key)
        page.until(f"document.querySelector('.stage.by-{mode}')")
    page.keys("d", "z")
    page.until("parseInt(document.querySelector('#zoom-value').textContent) >= 100")
    page.keys("2")
    page.until("document.querySelectorAll('.label.keep').length === 2")
    page.keys("escape")
    page.until("document.querySelector('#compare').hidden")
    assert page.problems() == []


def test_reload_a_second_tab_and_kill_keep_every_decision(
    photos: Path, served: Callable[..., Served], page: Page
) -> None:
    server = served(photos, "--thres", "0.9")
    page.open(server.address)
    page.until(ACTIVE)
    page.keys("2")
    page.until("document.querySelectorAll('.group.active .file.keep').length > 1")
    page.keys("enter")
    page.until("document.querySelector('#counted').textContent.startsWith('1 of')")
    page.driver.refresh()
    page.until("document.querySelector('.group.changed, .group.decided')")
    page.driver.switch_to.new_window("tab")
    page.driver.get(f"http://{server.host}/")
    page.until("document.querySelector('.group.changed, .group.decided')")
    decided = [(file["id"], file["keep"], file["done"]) for row in server.rows() for file in row["files"]]
    server.kill()
    again = served(photos, "--thres", "0.9")
    assert [(file["id"], file["keep"], file["done"]) for row in again.rows() for file in row["files"]] == decided


def test_threshold_and_rules_take_effect_at_once(photos: Path, served: Callable[..., Served], page: Page) -> None:
    server = served(photos, "--thres", "0.9")
    page.open(server.address)
    before = len(server.rows())
    page.run(
        "(() => { const it = document.querySelector('#thres'); it.value = 1; it.dispatchEvent(new Event('input')); })()"
    )
    page.until(f"document.querySelector('#shown-count').textContent !== '{before} groups'")
    assert len(server.rows()) < before
    page.keys("t")
    page.until("document.querySelectorAll('.borderline').length > 0")
    page.keys("m")
    page.until("document.querySelector('#effect .figure')")
    page.run(
        "(() => { document.querySelector('#rule-kind').value = 'newest'; document.querySelector('#rule-add').click(); })()"
    )
    page.until("document.querySelectorAll('#rules li').length === 2")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_hostile_names_stay_text(photos: Path, served: Callable[..., Served], page: Page) -> None:
    hostile = [
        "<img src=x onerror=document.title='owned'>.jpg",
        "a\nb.jpg",
        "\u202egpj.exe.jpg",
        "';--.jpg",
        "%2e%2e.jpg",
    ]
    for name in hostile:
        shutil.copy(photos / "holiday" / "hills.jpg", photos / name)
    with suppress(OSError), open(os.fsencode(photos) + b"/\xff\xfe.jpg", "wb") as file:  # macOS takes no such name
        file.write((photos / "holiday" / "hills.jpg").read_bytes())
    server = served(photos, "--thres", "0.9")
    page.open(server.address)
    page.until("document.querySelectorAll('.picture img.loaded').length >= 6")
    shown = page.run("[...document.querySelectorAll('.name')].map((one) => one.textContent)")
    assert hostile[0] in shown
    assert "a\\nb.jpg" in shown
    assert any("\\udcff" in name for name in shown) or sys.platform == "darwin"
    assert page.run("document.querySelectorAll('.name img').length") == 0
    assert page.run("document.title").endswith("fastsim review")
    page.keys("c")
    page.until("document.querySelectorAll('.pane img.loaded').length >= 2")
    page.keys("escape", "f")
    page.until("document.querySelector('#plan .words')")
    assert page.problems() == []
