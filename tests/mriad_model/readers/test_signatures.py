"""Files that fail while they are opened or read are rejected, each by itself."""

import errno
import os
from pathlib import Path

import pytest

from mriad_model.enums import RejectionReason
from mriad_model.errors import RejectedFile
from mriad_model.readers import signatures
from mriad_model.readers.images import reading
from mriad_model.readers.signatures import opened, volume_kind

UNMAPPED = Path("/proc/self/mem")  # a regular file whose first bytes give EIO


def test_a_file_whose_bytes_cannot_be_read_is_unreadable() -> None:
    with pytest.raises(RejectedFile) as rejected:
        volume_kind(UNMAPPED)
    assert rejected.value.reason is RejectionReason.UNREADABLE
    assert rejected.value.detail == os.strerror(errno.EIO)


def test_a_picture_whose_bytes_cannot_be_read_is_unreadable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "require_size", lambda *_: None)  # its stated size is 0
    with pytest.raises(RejectedFile) as rejected:
        reading.read_image(UNMAPPED)
    assert rejected.value.reason is RejectionReason.UNREADABLE


def test_a_folder_that_closes_gives_a_reason_without_the_files_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: Path) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))

    monkeypatch.setattr(signatures, "open_regular", closed)
    monkeypatch.setattr(Path, "lstat", closed)
    monkeypatch.setattr(Path, "is_symlink", closed)
    with pytest.raises(RejectedFile) as rejected, opened(tmp_path / "name.png"):
        pass
    assert rejected.value.reason is RejectionReason.UNREADABLE
    assert "name.png" not in str(rejected.value)


def test_a_link_is_told_from_other_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RejectedFile) as rejected, opened(tmp_path / "link"):
        pass
    assert rejected.value.reason is RejectionReason.SYMLINK
