import errno
import hashlib
import os
import stat

import pytest

from mriad_model import files
from mriad_model.files import (
    NotRegularFileError,
    make_folder,
    open_regular,
    sha256_of,
    write_all_atomically,
    write_atomically,
)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_private_with_its_folders(tmp_path):
    path = tmp_path / "home" / "models" / "a.bin"
    write_atomically(path, b"weights")
    assert path.read_bytes() == b"weights"
    assert mode(path) == 0o600
    assert mode(path.parent) == mode(path.parent.parent) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["a.bin"]


def test_writing_again_replaces_the_whole_file(tmp_path):
    path = tmp_path / "a.bin"
    write_atomically(path, b"a longer first version")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")

    def no_space(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(path, b"new")
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_one_failure_among_many_leaves_none_of_them(tmp_path, monkeypatch):
    synced = []

    def third_fails(descriptor):
        synced.append(descriptor)
        if len(synced) == 3:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files.os, "fsync", third_fails)
    with pytest.raises(OSError, match="Input/output"):
        write_all_atomically({tmp_path / f"{n}.jpg": b"x" for n in range(5)})
    assert list(tmp_path.iterdir()) == []


def test_many_files_are_written_with_one_folder_sync(tmp_path, monkeypatch):
    synced, sync = [], files._sync

    def noted(path, flags):
        synced.append(path)
        sync(path, flags)

    monkeypatch.setattr(files, "_sync", noted)
    write_all_atomically({tmp_path / f"{n}.jpg": bytes([n]) for n in range(5)})
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [
        bytes([n]) for n in range(5)
    ]
    assert len(synced) == 6
    assert synced[-1] == tmp_path


def test_a_name_as_long_as_names_get_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_folder_in_the_way_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "taken", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_folder_that_stands_keeps_its_mode(tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)
    make_folder(tmp_path / "open" / "inner")
    make_folder(tmp_path / "open" / "inner")
    assert mode(tmp_path / "open") == 0o755
    assert mode(tmp_path / "open" / "inner") == 0o700


def test_a_folder_where_a_file_stands_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")


def test_the_hash_is_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"scan" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"scan" * 100_000).hexdigest()


def test_a_pipe_or_device_or_folder_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, files.Path("/dev/zero")):
        with pytest.raises(NotRegularFileError):
            sha256_of(path)


def test_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(OSError, match="symbolic") as caught:
        open_regular(tmp_path / "link")
    assert caught.value.errno == errno.ELOOP
