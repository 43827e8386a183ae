"""What others can do to a home is found, and said in one line."""

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from db.engine.sqlite import DATABASE
from mriad_model.errors import SettingsError
from tasks.runtime import permissions
from tasks.runtime.home import (
    FOLDERS,
    PROXY_KEY,
    SERVER_KEY,
    SITE_KEY,
    WEB_KEY,
    prepare_home,
    proxy_secret,
    server_secret,
    web_secret,
)
from tasks.runtime.permissions import openings, openings_text

IS_ROOT = os.geteuid() == 0
NOBODY = 65534


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with a record, keys and a model, in a folder of root's or ours."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        made = prepare_home(Path(folder) / "home")
        for name in (
            DATABASE,
            f"{DATABASE}-wal",
            f"{DATABASE}-shm",
            SITE_KEY,
            "models/a.safetensors",
        ):
            (made / name).touch(0o600)
        server_secret(made)
        web_secret(made)
        proxy_secret(made)
        yield made


@pytest.fixture
def no_private_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permissions, "_is_private", lambda _group, _owner: False)


def told(home: Path) -> dict[str, str]:
    return {os.path.relpath(each.path, home): each.what for each in openings(home)}


def test_a_home_as_it_is_made_is_its_owners_alone(home: Path) -> None:
    assert told(home) == {}
    assert openings_text(openings(home)) is None


@pytest.mark.parametrize(
    "name",
    [
        DATABASE,
        f"{DATABASE}-wal",
        f"{DATABASE}-shm",
        SITE_KEY,
        SERVER_KEY,
        WEB_KEY,
        PROXY_KEY,
        "models/a.safetensors",
    ],
)
@pytest.mark.parametrize(
    ("mode", "what"),
    [(0o604, "read"), (0o602, "changed"), (0o606, "changed"), (0o640, "read"), (0o660, "changed")],
)
def test_a_file_that_others_can_read_or_change_is_named(
    home: Path, name: str, mode: int, what: str, no_private_groups: None
) -> None:
    (home / name).chmod(mode)
    assert told(home) == {name: f"can be {what} by others (chmod go-rwx)"}


@pytest.mark.parametrize("name", [".", "models", "heatmaps", "reports", "logs", "work", "healthy"])
@pytest.mark.parametrize("mode", [0o702, 0o777, 0o1777, 0o720])
def test_a_folder_that_others_can_write_is_named(
    home: Path, name: str, mode: int, no_private_groups: None
) -> None:
    (home / name).chmod(mode)
    assert told(home) == {name: "can be changed by others (chmod go-w)"}


def test_scans_may_be_delivered_by_others(home: Path) -> None:
    (home / "inbox").chmod(0o777)
    home.chmod(0o711)
    assert told(home) == {}
    assert "inbox" in FOLDERS


def test_a_folder_above_the_home_counts_unless_only_owners_can_move_what_is_theirs(
    home: Path,
) -> None:
    home.parent.chmod(0o777)
    assert told(home) == {"..": "can be changed by others (chmod go-w)"}
    home.parent.chmod(0o1777)  # as /tmp
    assert told(home) == {}


def test_folders_above_the_place_that_a_link_leads_to_count(home: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(home)
    home.parent.chmod(0o777)
    assert [each.path for each in openings(link)] == [home.parent]


def test_a_group_counts_unless_it_is_the_owners_private_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / DATABASE).chmod(0o640)
    monkeypatch.setattr(permissions, "_is_private", lambda _group, _owner: True)
    assert told(home) == {}
    monkeypatch.setattr(permissions, "_has_access_list", lambda _path: True)
    assert told(home) == {DATABASE: "can be read by others (chmod go-rwx)"}


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a file away")
@pytest.mark.parametrize("name", [".", "models", DATABASE, SITE_KEY])
def test_what_belongs_to_another_user_is_named(home: Path, name: str) -> None:
    os.chown(home / name, NOBODY, NOBODY)
    assert told(home) == {name: f"belongs to another user (uid {NOBODY})"}


def test_a_warning_is_one_line_with_the_first_of_many(home: Path) -> None:
    for name in ("models", "logs", "work", "reports"):
        (home / name).chmod(0o777)
    warning = openings_text(openings(home))
    assert warning is not None
    assert warning.startswith(f"warning: {home}/models can be changed by others (chmod go-w), ")
    assert warning.endswith(", and 1 more; mriad check lists all")
    assert "\n" not in warning


@pytest.mark.parametrize(
    ("name", "made"),
    [(SERVER_KEY, server_secret), (WEB_KEY, web_secret), (PROXY_KEY, proxy_secret)],
)
def test_a_secret_is_made_once_for_the_owner_alone(
    home: Path, name: str, made: Callable[[Path], object]
) -> None:
    secret = made(home)
    assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert made(home) == secret
    (home / name).unlink()
    assert made(home) != secret


def test_a_secret_that_others_can_read_is_used_no_more(home: Path) -> None:
    (home / SERVER_KEY).chmod(0o644)
    (home / WEB_KEY).chmod(0o644)
    with pytest.raises(SettingsError, match=r"can be read by others .*a new one is made"):
        server_secret(home)
    with pytest.raises(SettingsError, match=r"can be read by others .*a new one is made"):
        web_secret(home)


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a file away")
def test_a_secret_that_another_has_laid_there_is_not_used(home: Path) -> None:
    os.chown(home / SERVER_KEY, NOBODY, NOBODY)
    with pytest.raises(SettingsError, match=r"belongs to another user"):
        server_secret(home)


@pytest.mark.parametrize("content", [b"", b"mriad:\n", b"mriad:" + b"0" * 63, b"x:" + b"0" * 64])
def test_a_damaged_secret_is_refused(home: Path, content: bytes) -> None:
    (home / SERVER_KEY).write_bytes(content)
    (home / WEB_KEY).write_bytes(content)
    with pytest.raises(SettingsError, match="is damaged"):
        server_secret(home)
    with pytest.raises(SettingsError, match="is damaged"):
        web_secret(home)
