import inspect
import os
import socket
import sys
from pathlib import Path

import pytest

from mriad_model.enums import RejectionReason
from mriad_model.errors import NoScans
from mriad_model.readers import folders
from mriad_model.readers.folders import list_files


def touch(path, data=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(folder, glob="*"):
    return [found.path.relative_to(folder).as_posix() for found in list_files(folder, glob)]


def test_files_come_in_the_order_of_their_paths(tmp_path):
    for name in ("b.png", "a/z.png", "a/b/c.png", "C.png", "a/a.png", "c/x.png"):
        touch(tmp_path / name)
    assert names(tmp_path) == ["C.png", "a/a.png", "a/b/c.png", "a/z.png", "b.png", "c/x.png"]


def test_a_file_tells_its_size_time_and_inode(tmp_path):
    path = touch(tmp_path / "a.png", b"12345")
    os.utime(path, ns=(7, 1_700_000_000_000_000_001))
    (found,) = list_files(tmp_path)
    assert (found.size, found.mtime_ns) == (5, 1_700_000_000_000_000_001)
    assert found.inode == path.stat().st_ino
    assert found.rejection is None


def test_dotfiles_and_copies_under_way_are_passed_over(tmp_path):
    for name in (".DS_Store", "a.png.part", "b.TMP", ".hidden/c.png", "d.png"):
        touch(tmp_path / name)
    assert names(tmp_path) == ["d.png"]


def test_the_pattern_matches_in_any_case(tmp_path):
    for name in ("a.jpg", "B.JPG", "c.jpeg", "d.png", "deep/e.Jpg"):
        touch(tmp_path / name)
    assert names(tmp_path, "*.jpg") == ["B.JPG", "a.jpg", "deep/e.Jpg"]
    assert names(tmp_path, "*.JPG") == ["B.JPG", "a.jpg", "deep/e.Jpg"]


def test_links_are_listed_and_never_followed(tmp_path):
    outside = touch(tmp_path / "outside" / "secret.png").parent
    folder = tmp_path / "inbox"
    touch(folder / "a.png")
    (folder / "loop").symlink_to(folder)
    (folder / "out").symlink_to(outside)
    (folder / "dangling").symlink_to("nowhere")
    assert {found.path.name: found.rejection for found in list_files(folder)} == {
        "a.png": None,
        "dangling": RejectionReason.SYMLINK,
        "loop": RejectionReason.SYMLINK,
        "out": RejectionReason.SYMLINK,
    }


def test_pipes_and_sockets_are_listed_as_not_regular(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    assert [found.rejection for found in list_files(tmp_path)] == [RejectionReason.NOT_REGULAR] * 2


def test_a_folder_that_cannot_be_opened_does_not_vanish(tmp_path, monkeypatch):
    touch(tmp_path / "open" / "a.png")
    touch(tmp_path / "shut" / "b.png")
    scandir = os.scandir

    def guarded(path):
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(folders.os, "scandir", guarded)
    assert [(found.path.name, found.rejection) for found in list_files(tmp_path, "*.png")] == [
        ("a.png", None),
        ("shut", RejectionReason.UNREADABLE),
    ]


def test_a_file_that_goes_away_meanwhile_is_no_error(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        touch(tmp_path / name)
    found = list_files(tmp_path)
    next(found)
    (tmp_path / "b.png").unlink()
    assert [rest.path.name for rest in found] == ["c.png"]


def test_names_in_any_bytes_are_listed(tmp_path):
    raw = b"caf\xe9\n.png"
    with open(os.fsencode(tmp_path) + b"/" + raw, "wb") as file:  # noqa: PTH123
        file.write(b"x")
    (found,) = list_files(tmp_path)
    assert os.fsencode(found.path.name) == raw


def test_folders_nested_deeper_than_python_recurses_are_walked(tmp_path):
    path = touch(tmp_path.joinpath(*["d"] * 300, "a.png"))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        found = list(list_files(tmp_path))
    finally:
        sys.setrecursionlimit(limit)
    assert [file.path for file in found] == [path]


def test_a_file_given_instead_of_a_folder_is_listed_alone(tmp_path):
    path = touch(tmp_path / "a.png")
    touch(tmp_path / "b.png")
    assert [found.path for found in list_files(path, "*.jpg")] == [path]


def test_the_folder_itself_may_be_a_link(tmp_path):
    touch(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to("real")
    assert names(tmp_path / "link") == ["a.png"]


def test_a_missing_folder_is_said_at_once(tmp_path):
    with pytest.raises(NoScans, match="cannot look into the folder: No such file"):
        list_files(tmp_path / "nowhere")


def test_an_empty_folder_has_no_files(tmp_path):
    assert list(list_files(tmp_path)) == []
