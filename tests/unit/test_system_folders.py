"""System folders are known by their names, and nothing else is taken for one."""

from __future__ import annotations

import os

import pytest

from fastsim.inputs.system_folders import SystemKind, folder_kind, holder, is_trashed

KNOWN = {
    SystemKind.TRASH: [
        ".Trash", ".Trash-1000", ".Trashes", "$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER", "RECYCLED", "#recycle",
        "@Recycle", ".recycle", "Network Trash Folder", ".dtrash", "share/Trash", "files_trashbin",
    ],
    SystemKind.SNAPSHOT: [
        ".snapshots", ".snapshot", "~snapshot", "#snapshot", ".zfs", "Backups.backupdb", "@GMT-2020.01.02-03.04.05",
        "System Volume Information", ".MobileBackups", ".stversions", ".sync", "files_versions",
    ],
    SystemKind.THUMBNAILS: [
        "@eaDir", ".thumbnails", ".@__thumb", "thumbs", "Thumbs", "__MACOSX", ".AppleDouble", ".Spotlight-V100",
        ".fseventsd", ".cache/thumbnails", ".picasaoriginals", ".photoprism", "appdata_oc1a2b3c", "CaptureOne/Cache",
    ],
    SystemKind.VERSIONS: [".git", ".hg", ".svn", ".bzr", "CVS"],
    SystemKind.LIBRARY: [
        "Photos Library.photoslibrary", "Catalog Previews.lrdata", "X.lrlibrary", "Old.aplibrary", "iPhoto.photolibrary",
        "iPhoto.migratedphotolibrary", "Jobs.cocatalog", "Job.cosessiondb", "PHOTOS.PHOTOSLIBRARY",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in KNOWN.items() for name in names])
def test_system_folders_are_known(kind: SystemKind, name: str) -> None:
    parent, _, folder = name.rpartition("/")
    assert folder_kind(folder, parent) == kind


@pytest.mark.parametrize(
    "name",
    ["Pictures", "2019", "trash", "Trash", "cvs", "thumbnail ideas", "snapshots", "recycle", "git", ".hidden", "sync",
     "My.photos",      "photoslibrary", ".photoslibrary x", "Cache",
     "lrdata", "tmp", "share", "#best", "@home", "~old", "$money", "..."],
)  # fmt: skip
def test_folders_of_the_user_are_not(name: str) -> None:
    assert folder_kind(name, "home") is None


def test_the_outermost_system_folder_of_a_path_is_named() -> None:
    path = os.sep + os.path.join("home", "x.photoslibrary", "originals", ".git", "a.jpg")
    assert holder(path) == (SystemKind.LIBRARY, os.sep + os.path.join("home", "x.photoslibrary"))
    assert holder(os.sep + os.path.join("home", "a.jpg")) is None


def test_the_bin_of_android_is_known_by_its_file_names() -> None:
    assert is_trashed(".trashed-1700000000-IMG_1.jpg")
    assert not is_trashed(".trashed.jpg")
