"""The home folder: what lies where, made on first use for the owner alone; its keys."""

import errno
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from db.engine.sqlite import DATABASE
from db.repository.intake.scans import has_pseudonyms
from mriad_model.errors import HomeError, SettingsError
from mriad_model.files import make_folder, write_atomically, write_once
from mriad_model.pseudonyms import KEY_BYTES
from tasks.runtime.connections import database

FOLDERS = ("inbox", "healthy", "models", "heatmaps", "reports", "logs", "work")
SITE_KEY = "site.key"
SERVER_KEY = "server.key"
WEB_KEY = "web.key"
PROXY_KEY = "proxy.key"
WEB_ADDRESS = "web.address"
ADDRESS = re.compile(r"https?://[\w.:\[\]-]+")
WEB_USED = "web.used"  # the sign-in tokens that were used
SERVER_USER = "mriad"  # Prefect's form of a secret is USER:PASSWORD
STALE_WORK_SECONDS = 2 * 24 * 3600.0
JUST_MADE_SECONDS = 10.0


def prepare_home(home: Path) -> Path:
    """Make the home and its folders where they are missing (0700); returns its absolute path.

    Raises:
        HomeError: it cannot be made or written; one line says why.
    """
    home = Path(os.path.abspath(home))  # noqa: PTH100 - resolve() would follow a symlinked home
    try:
        for folder in (home, *(home / name for name in FOLDERS)):
            make_folder(folder)
    except OSError as error:
        raise HomeError(f"{home}: {plain(error)}; choose another home with --home") from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise HomeError(f"{home}: read-only; mend its permissions or choose another with --home")
    return home


def is_home(folder: Path) -> bool:
    """Whether a folder is a home, or is being made one by hand: with scans to learn from."""
    # As of `os`: a folder that may not be read is none here, and an error where it is written.
    return any(os.path.exists(folder / name) for name in (DATABASE, *FOLDERS[:3]))  # noqa: PTH110


@contextmanager
def work_folder(home: Path, run_id: int) -> Iterator[Path]:
    """An empty folder for a run's intermediate files, removed at its end.

    A run holds a lock on its folder while it lives, so that the next removes what a killed one
    left: it may have filled the disk. Without such locks the folder's age decides.
    """
    work = home / "work"
    for old in work.iterdir():
        if _is_left_behind(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = work_of(home, run_id)
    shutil.rmtree(folder, ignore_errors=True)  # a flow that starts again keeps its run
    make_folder(folder)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def work_of(home: Path, run_id: int) -> Path:
    """The folder for a run's intermediate files."""
    return home / "work" / f"run-{run_id}"


def _is_left_behind(folder: Path) -> bool:
    """Whether the run that a scratch folder belongs to is dead."""
    try:
        age = time.time() - folder.stat().st_mtime
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # it went away meanwhile
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # there are no locks here
        return age > STALE_WORK_SECONDS
    finally:
        os.close(lock)
    return age > JUST_MADE_SECONDS  # its run may be about to lock it


def site_key(home: Path) -> bytes:
    """The key that patients' pseudonyms are made with; made on first use, for the owner alone.

    Raises:
        SettingsError: the key is damaged, others can read it, or it is gone though the record
            holds pseudonyms, which a new one would not match.
        HomeError: it cannot be written.
    """
    path = home / SITE_KEY
    if not os.path.lexists(path):
        # Another process may make the key, and record pseudonyms, between the two questions.
        if has_pseudonyms(database(str(home))) and not os.path.lexists(path):
            raise SettingsError(
                f"{path} is gone, and the record holds pseudonyms made with it: restore it from "
                "a backup, or the same patients would go by other names"
            )
        _make_key(path, "")
    text, status = _key_in(path)
    if status.st_mode & 0o077:
        raise SettingsError(
            f"{path} can be read by others than its owner, so its pseudonyms may be known: "
            f"run chmod 600 {path}"
        )
    if not re.fullmatch(f"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise SettingsError(
            f"{path} is damaged, it holds no key of {KEY_BYTES} bytes: restore it from a backup"
        )
    return bytes.fromhex(text)


def server_secret(home: Path) -> str:
    """What the home's Prefect server and its clients know, and nobody else; made on first use.

    Raises:
        SettingsError: the file is damaged, or others can read it or have made it.
        HomeError: it cannot be written.
    """
    return _secret(home / SERVER_KEY, f"{SERVER_USER}:")


def web_secret(home: Path) -> bytes:
    """What signs who is let in to the pages; made on first use. Without the file all are out.

    Raises:
        SettingsError: the file is damaged, or others can read it or have made it.
        HomeError: it cannot be written.
    """
    return bytes.fromhex(_secret(home / WEB_KEY, ""))


def proxy_secret(home: Path) -> str:
    """What a proxy before the pages shows, to be believed who has logged in; made on first use.

    Raises:
        SettingsError: the file is damaged, or others can read it or have made it.
        HomeError: it cannot be written.
    """
    return _secret(home / PROXY_KEY, "")


def note_pages_address(home: Path, address: str) -> None:
    """Keep where the reader's pages are found, so that reports link to them."""
    write_atomically(home / WEB_ADDRESS, f"{address}\n".encode())


def pages_address(home: Path) -> str | None:
    """Where the reader's pages are found, or were last; None where none were served yet."""
    try:
        text = (home / WEB_ADDRESS).read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    return text if ADDRESS.fullmatch(text) else None


def _secret(path: Path, before: str) -> str:
    """A key file's text, made on first use: `before`, then 32 bytes in hex."""
    if not os.path.lexists(path):
        _make_key(path, before)
    text, status = _key_in(path)
    anew = "stop what runs of mriad and remove it; a new one is made"
    if status.st_uid != os.geteuid():
        raise SettingsError(f"{path} belongs to another user (uid {status.st_uid}): {anew}")
    if status.st_mode & 0o077:
        raise SettingsError(f"{path} can be read by others than its owner: {anew}")
    if not re.fullmatch(f"{before}[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise SettingsError(f"{path} is damaged: {anew}")
    return text


def _make_key(path: Path, before: str) -> None:
    try:
        write_once(path, f"{before}{secrets.token_hex(KEY_BYTES)}\n".encode())
    except OSError as error:
        raise HomeError(f"{path}: {plain(error)}") from error


def _key_in(path: Path) -> tuple[str, os.stat_result]:
    try:
        status = path.stat()
        text = path.read_text("ascii").strip() if path.is_file() else ""
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        raise SettingsError(f"{path}: {plain(error)}; mend it or restore it") from error
    return text, status


def plain(error: OSError) -> str:
    """An OSError in a few plain words, without the path that the caller names anyway."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space and run again, nothing was half-written"
    return os.strerror(error.errno).lower() if error.errno else str(error)
