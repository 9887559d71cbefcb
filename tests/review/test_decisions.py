"""What is decided: kept on disk, honoured by later runs, carried out by apply, and taken back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageFilter
from review_server import Served
from support import Run, tree

Begin = Callable[..., Served]


def group_with(server: Served, name: str) -> dict[str, object]:
    return next(row for row in server.rows() if name in [file["name"] for file in row["files"]])


def ids(row: dict[str, object]) -> list[int]:
    return [file["id"] for file in row["files"]]  # type: ignore[attr-defined]


def apply(server: Served, action: str = "move", scope: str = "decided", status: int = 202) -> dict[str, object]:
    plan = server.get("/api/plan", action=action, scope=scope)
    server.post("/api/apply", {"action": action, "scope": scope, "digest": plan["digest"]}, status=status)
    return server.finished()


def test_not_a_duplicate_is_honoured_by_later_runs_until_the_file_changes(
    photos: Path, served: Begin, run: Run
) -> None:
    server = served(photos, "--thres", "0.9")
    row = group_with(server, "town.png")
    assert len(ids(row)) == 2
    server.post("/api/decide", {"apart": [ids(row)]})
    server.end()
    plain = ["images", photos, "--thres", "0.9", "--dry-run", "--verbose"]
    assert "town.png" not in run(*plain).stdout
    assert "1 pair kept apart" in run(*plain).stdout
    assert "town.png" not in run(*plain, "--no-cache").stdout
    assert "town.png" in run(*plain, "--forget-decisions").stdout
    assert "town.png" in run("decisions", "list").stdout
    (photos / "holiday" / "town.png").rename(photos / "renamed.png")
    assert "renamed.png" not in run(*plain).stdout, "by content, not by name"
    with Image.open(photos / "renamed.png") as image:
        image.filter(ImageFilter.GaussianBlur(0.6)).save(photos / "renamed.png")
    assert "renamed.png" in run(*plain).stdout, "the file is another one now"
    assert "1 decision forgotten" in run("decisions", "clear").stdout
    assert "0 pairs" in run("decisions", "list").stdout


def test_not_a_duplicate_leaves_the_rest_of_a_group_together(photos: Path, served: Begin, run: Run) -> None:
    server = served(photos, "--thres", "0.9")
    row = group_with(server, "hills.jpg")
    first, *others = ids(row)
    assert len(others) >= 2
    server.post("/api/decide", {"apart": [[first, other] for other in others]})
    assert sorted(ids(group_with(server, row["files"][1]["name"]))) == sorted(others)
    assert server.post("/api/undo", {})["undone"] == "not a duplicate"
    assert sorted(ids(group_with(server, "hills.jpg"))) == sorted([first, *others])
    assert "0 pairs" in run("decisions", "list").stdout


def test_verified_groups_are_parted_as_well(photos: Path, served: Begin, run: Run) -> None:
    server = served(photos, "--verify")
    row = group_with(server, "hills.jpg")
    assert all(server.get("/api/pair", left=ids(row)[0], right=other)["status"] == "copy" for other in ids(row)[1:])
    pairs = [[one, other] for one in ids(row) for other in ids(row) if one < other]
    server.post("/api/decide", {"apart": pairs})
    server.end()
    assert "hills" not in run("images", photos, "--verify", "--dry-run").stdout


def test_apply_takes_sidecars_along_and_undo_brings_all_back(photos: Path, served: Begin) -> None:
    for name in ("hills small.xmp", "hills again.xmp"):
        (photos / "backup" / name).write_text(name)
    shutil.copy(
        photos / "pebbles.webp", photos / "backup" / "hills again.webp"
    )  # owns the sidecar, too; similar to pebbles
    before = tree(photos)
    server = served(photos, "--thres", "0.9", "--outs", "gone")
    told = apply(server, scope="all")
    assert told["runs"][0]["state"] == "done"
    left = tree(photos)
    assert "backup/hills small.xmp" not in left
    assert ("backup/hills again.xmp" in left) == ("backup/hills again.webp" in left)
    assert all(file["went"].startswith("move") for row in server.rows() for file in row["files"] if not file["keep"])
    server.log_in()
    gone = next(file for row in server.rows() for file in row["files"] if not file["keep"])
    assert server.ask("GET", f"/thumb/{gone['id']}?s=160", Cookie=server.cookie).headers["content-type"] == "image/jpeg"
    server.post("/api/undo", {"run": told["runs"][0]["id"]}, status=202)
    assert server.finished()["runs"][0]["state"] == "undone"
    assert tree(photos) == before


def test_a_file_that_changed_after_its_decision_is_left_alone(photos: Path, served: Begin) -> None:
    server = served(photos, "--thres", "0.9", "--outs", "gone")
    row = group_with(server, "town.png")
    going = next(file for file in row["files"] if not file["keep"])
    server.post("/api/decide", {"done": ids(row)})
    path = next(photos.rglob(going["name"]))
    path.write_bytes(path.read_bytes() + b"!")
    assert (
        "changed"
        in next(file for file in group_with(server, "town.png")["files"] if file["id"] == going["id"])["problem"]
    )
    told = apply(server)
    assert path.exists()
    assert told["runs"][0]["failures"] == 1
    assert "changed" in told["runs"][0]["failed"][0][1]
    answer = server.post("/api/decide", {"apart": [ids(row)]}, status=409)
    assert "changed" in answer["problem"]


def test_a_decision_made_after_the_plan_was_shown_stops_the_apply(photos: Path, served: Begin) -> None:
    server = served(photos, "--thres", "0.9")
    plan = server.get("/api/plan", action="move", scope="all")
    row = group_with(server, "town.png")
    server.post("/api/decide", {"keep": {str(number): True for number in ids(row)}})
    answer = server.post("/api/apply", {"action": "move", "scope": "all", "digest": plan["digest"]}, status=409)
    assert "look at it again" in answer["problem"]


def test_a_group_that_would_lose_every_copy_is_blocked_until_it_is_confirmed(photos: Path, served: Begin) -> None:
    before = tree(photos)
    server = served(photos, "--thres", "0.9", "--outs", "gone")
    row = group_with(server, "town.png")
    server.post("/api/decide", {"keep": {str(number): False for number in ids(row)}, "done": ids(row)})
    plan = server.get("/api/plan", action="delete", scope="decided")
    assert (plan["operations"], plan["blocked_groups"]) == (0, 1)
    server.post("/api/apply", {"action": "delete", "scope": "decided", "digest": plan["digest"]}, status=409)
    assert tree(photos) == before
    server.post("/api/decide", {"confirm": ids(row)})
    told = apply(server, action="delete")
    gone = set(before) - set(tree(photos))
    assert len(gone) == len(ids(row))
    server.post("/api/undo", {"run": told["runs"][0]["id"]}, status=202)
    server.finished()
    assert tree(photos) == before, "even with delete, what has no copy left is moved"


def test_deleting_asks_for_decisions_below_the_threshold_that_deletions_need(photos: Path, served: Begin) -> None:
    before = tree(photos)
    server = served(photos, "--thres", "0.8")
    server.log_in()
    refused = server.ask("GET", "/api/plan?action=delete&scope=all", Cookie=server.cookie)
    assert refused.status == 409
    row = group_with(server, "town.png")
    server.post("/api/decide", {"done": ids(row)})
    told = apply(server, action="delete")
    assert (told["runs"][0]["done"], told["runs"][0]["op"]) == (1, "delete")
    assert len(tree(photos)) == len(before) - 1
    server.post("/api/undo", {"run": told["runs"][0]["id"]}, status=202)
    assert server.finished()["runs"][0]["undone"]["gone"] == 1


def test_a_run_of_images_is_reopened_with_its_plan_and_can_be_taken_back(photos: Path, served: Begin, run: Run) -> None:
    before = tree(photos)
    run("images", photos, "--thres", "0.9", "--mode", "clean_move", "--keep", "newest", "--outs", "gone")
    server = served("gone")
    moved = {file["name"] for row in server.rows() for file in row["files"] if not file["keep"]}
    assert moved == {os.path.basename(name) for name in set(before) - set(tree(photos))}
    assert all(file["went"].startswith("move") for row in server.rows() for file in row["files"] if not file["keep"])
    server.post("/api/undo", {"run": server.get("/api/summary")["runs"][0]["id"]}, status=202)
    server.finished()
    assert tree(photos) == before


def test_a_plan_is_reviewed_before_it_is_applied(photos: Path, served: Begin, run: Run, tmp_path: Path) -> None:
    run("images", photos, "--thres", "0.9", "--mode", "clean_move", "--keep", "oldest", "--plan", "plan.jsonl")
    lines = (tmp_path / "plan.jsonl").read_text().splitlines()[1:-1]
    planned = {json.loads(line)["source"] for line in lines}
    server = served("plan.jsonl")
    going = {file["name"] for row in server.rows() for file in row["files"] if not file["keep"]}
    assert going == {os.path.basename(path) for path in planned}
    keep = next(file for row in server.rows() for file in row["files"] if not file["keep"])
    server.post("/api/decide", {"keep": {str(keep["id"]): True}})
    server.end()
    again = served("plan.jsonl")
    assert keep["name"] not in {file["name"] for row in again.rows() for file in row["files"] if not file["keep"]}


def test_a_review_of_its_own_output_folder_is_the_review_that_made_it(photos: Path, served: Begin) -> None:
    server = served(photos, "--thres", "0.9", "--outs", "gone")
    row = group_with(server, "town.png")
    server.post("/api/decide", {"done": ids(row)})
    apply(server)
    count = len(server.rows())
    server.end()
    again = served("gone")
    assert len(again.rows()) == count > 1
    assert again.get("/api/summary")["decided"] == 1


def test_a_server_that_was_killed_while_it_applied_knows_what_was_done(photos: Path, served: Begin) -> None:
    for number in range(300):
        shutil.copy(photos / "holiday" / "hills.jpg", photos / f"copy {number}.jpg")
    before = tree(photos)
    server = served(photos, "--thres", "0.9", "--outs", "gone")
    plan = server.get("/api/plan", action="move", scope="all")
    server.post("/api/apply", {"action": "move", "scope": "all", "digest": plan["digest"]}, status=202)
    server.kill()
    again = served(photos, "--thres", "0.9", "--outs", "gone")
    runs = again.get("/api/summary")["runs"]
    if not runs:
        return  # it was killed before it moved a file
    if runs[0]["state"] == "stopped":
        again.post("/api/apply", {"resume": runs[0]["id"]}, status=202)
        runs = again.finished()["runs"]
    assert runs[0]["state"] in ("done", "undone")
    assert len(tree(photos)) == len(before) - (plan["operations"] if runs[0]["state"] == "done" else 0)
    if runs[0]["state"] == "undone":
        return
    again.post("/api/undo", {"run": runs[0]["id"]}, status=202)
    again.finished()
    assert tree(photos) == before


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Path]:
    """Return copies of one picture in several formats and folders."""
    folder = tmp_path / "mixed"
    (folder / "keep").mkdir(parents=True)
    from support import MEDIA

    with Image.open(MEDIA / "photos" / "holiday" / "town.png") as image:
        image.save(folder / "a.png")
        image.convert("RGB").save(folder / "a (1).jpg", quality=98)
        image.convert("RGB").save(folder / "keep" / "b.webp", quality=95)
    yield folder


def test_ordered_rules_choose_with_their_effect_shown_first(mixed: Path, served: Begin) -> None:
    server = served(mixed, "--thres", "0.8")

    def kept() -> list[str]:
        return [file["name"] for row in server.rows() for file in row["files"] if file["keep"]]

    (first,) = kept()
    for rules, name in (
        (["format:webp>jpeg"], "b.webp"), (["folder:keep"], "b.webp"), (["format:jpeg"], "a (1).jpg"),
        (["name:original", "format:png"], "a.png"), (["shortest-path"], "a.png"),
    ):  # fmt: skip
        told = server.post("/api/rules", {"rules": rules, "scope": "preview"})
        assert told["changed"] == (kept() != [name]), rules
        server.post("/api/rules", {"rules": rules})
        assert kept() == [name], rules
    row = server.rows()[0]
    server.post("/api/decide", {"keep": {str(file["id"]): file["name"] == "a (1).jpg" for file in row["files"]}})
    server.post("/api/rules", {"rules": ["format:webp"]})
    assert kept() == ["a (1).jpg"], "what was chosen by hand stays"
    server.post("/api/rules", {"rules": ["format:webp"], "scope": "shown", "view": {}})
    assert kept() == ["b.webp"]
    server.post("/api/undo", {})
    assert kept() == ["a (1).jpg"]
    assert first


def test_filters_and_orders_show_what_they_say(photos: Path, served: Begin) -> None:
    server = served(photos, "--thres", "0.9")
    everything = server.rows()
    gains = [row["gain"] for row in everything]
    assert gains == sorted(gains, reverse=True)
    scores = [row["score"] for row in server.rows(sort="score", down=0)]
    assert scores == sorted(scores)
    assert [row["files"][0]["name"] for row in server.rows(text="TOWN.PNG")] in (["town.png"], ["town.jpg"])
    assert server.rows(form="WebP") == []
    server.post("/api/decide", {"done": ids(everything[0])})
    assert len(server.rows(state="undecided")) == len(everything) - 1
    assert len(server.rows(state="decided")) == 1
    server.post("/api/decide", {"accept": {"text": "town"}})
    assert len(server.rows(state="decided")) == 1 + (ids(everything[0]) != ids(group_with(server, "town.png")))


def test_images_can_open_the_review(photos: Path, run: Run) -> None:
    for words in (["--dry-run"], ["--plan", "p.jsonl"], ["--json", "-"]):
        assert "--review goes without" in run("images", photos, "--review", *words, code=2).stderr


def test_files_of_reference_folders_stay_whatever_is_decided(photos: Path, served: Begin) -> None:
    server = served(photos / "holiday", "--reference", photos / "backup", "--thres", "0.9", "--outs", "gone")
    rows = server.rows()
    marked = [file for row in rows for file in row["files"] if file.get("reference")]
    assert marked
    assert all(file["keep"] for file in marked)
    answer = server.post("/api/decide", {"keep": {str(marked[0]["id"]): False}}, status=409)
    assert "reference" in answer["problem"]
    before = tree(photos / "backup")
    told = apply(server, scope="all")
    assert told["runs"][0]["done"] == sum(not file["keep"] for row in rows for file in row["files"]) > 0
    assert tree(photos / "backup") == before


def test_reference_folders_are_known_from_a_plan(photos: Path, served: Begin, run: Run) -> None:
    words = ("--reference", photos / "backup", "--thres", "0.9", "--mode", "clean_move", "--plan", "plan.jsonl")
    run("images", photos / "holiday", *words)
    server = served("plan.jsonl")
    files = [file for row in server.rows() for file in row["files"]]
    marked = [file for file in files if file.get("reference")]
    assert marked and all(file["keep"] for file in marked)
    assert not all(file["keep"] for file in files)
    assert "reference" in server.post("/api/decide", {"keep": {str(marked[0]["id"]): False}}, status=409)["problem"]
