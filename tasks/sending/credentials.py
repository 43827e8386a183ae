"""Who mriad is to a DICOMweb server: from a file that its owner alone can read, or from netrc."""

import os
from collections.abc import Generator
from netrc import netrc
from pathlib import Path
from typing import Final

import httpx

from mriad_model.errors import SettingsError
from mriad_model.paths import escape_path
from tasks.runtime.home import plain

OPEN: Final = "{path} can be read by others than its owner: run chmod 600 {path}"
NO_CREDENTIALS: Final = "{path}: one line, USER:PASSWORD or Bearer TOKEN"
UNREADABLE: Final = "{path}: {why}"
DEFAULT: Final = "default"  # of netrc: whichever host is asked
BEARER: Final = "bearer "


class NetrcOfHosts(httpx.Auth):
    """A file's user and password for the host that is asked; none where `default` alone fits."""

    def __init__(self, path: Path) -> None:
        self._hosts = netrc(str(path)).hosts

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        user, _, password = self._hosts.get(request.url.host, ("", "", ""))
        if password and request.url.host != DEFAULT:
            yield from httpx.BasicAuth(user, password).auth_flow(request)
        else:
            yield request


class BearerToken(httpx.Auth):
    """A token in each request's header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def credentials(file: Path | None, netrc_file: Path | None = None) -> httpx.Auth | None:
    """What to sign in with: of the file, else of `~/.netrc` for that host, else nothing.

    Raises:
        SettingsError: the file cannot be read, others can read it, or it holds no credentials.
    """
    if file is None:
        kept = netrc_file or Path.home() / ".netrc"
        if not kept.is_file():
            return None
        _refuse_open(kept)
        try:
            return NetrcOfHosts(kept)
        except Exception as error:  # netrc's own errors quote the line
            why = UNREADABLE.format(path=escape_path(kept), why="no netrc")
            raise SettingsError(why) from error
    _refuse_open(file)
    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = plain(error) if isinstance(error, OSError) else "no text"
        raise SettingsError(UNREADABLE.format(path=escape_path(file), why=why)) from error
    if text.lower().startswith(BEARER) and len(text.split()) == 2 and text.isascii():
        return BearerToken(text.split()[1])
    user, colon, password = text.partition(":")
    if not user or not colon or "\n" in text:
        raise SettingsError(NO_CREDENTIALS.format(path=escape_path(file)))
    return httpx.BasicAuth(user, password)


def _refuse_open(path: Path) -> None:
    try:
        status = os.stat(path)  # noqa: PTH116 - follows links, as opening does
    except OSError as error:
        raise SettingsError(UNREADABLE.format(path=escape_path(path), why=plain(error))) from error
    if status.st_mode & 0o077:
        raise SettingsError(OPEN.format(path=escape_path(path)))
