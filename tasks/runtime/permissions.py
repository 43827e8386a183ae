"""What other users than its owner and root can do to a home: change it, or read private files.

A group counts as other users too, unless it is the owner's private one: of the owner's name, with
nobody else in it, and no access list. `inbox/` may be written by whoever delivers scans.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from db.engine.sqlite import DATABASE
from mriad_model.paths import escape_path
from tasks.runtime.home import PROXY_KEY, SERVER_KEY, SITE_KEY, WEB_KEY

FOLDERS = ("healthy", "models", "heatmaps", "reports", "logs", "work", "views", ".prefect")
FILES = (
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    f"{DATABASE}-journal",
    SITE_KEY,
    SERVER_KEY,
    WEB_KEY,
    PROXY_KEY,
)
MOST_NAMED = 3
READ, WRITE = 0o4, 0o2
ROOT = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """Something that others can do to a file or a folder."""

    path: Path
    what: str  # after the path: "can be read by others (chmod go-rwx)"

    @property
    def text(self) -> str:
        """The path and what others can do, on one line."""
        return f"{escape_path(self.path)} {self.what}"


def openings(home: Path) -> list[Opening]:
    """All there are: on the way to the home, of its folders, record, keys and models."""
    models = sorted((home / "models").glob("*.safetensors"))
    return [
        *_found(_way_to(home), WRITE, sticky_helps=True),
        *_found([home, *(home / name for name in FOLDERS)], WRITE),
        *_found([*(home / name for name in FILES), *models], READ | WRITE),
    ]


def openings_text(found: list[Opening]) -> str | None:
    """One line for all of them; None where there are none."""
    if not found:
        return None
    more = f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    named = ", ".join(each.text for each in found[:MOST_NAMED])
    return f"warning: {named}{more}; mriad check lists all"


def _way_to(home: Path) -> list[Path]:
    """The folders above the home, also where links lead: who can write there can put another."""
    way = {*home.parents, *Path(os.path.realpath(home)).parents}
    return sorted(way, key=lambda folder: (len(folder.parts), folder))


def _found(paths: Iterable[Path], bits: int, *, sticky_helps: bool = False) -> Iterator[Opening]:
    for path in paths:
        with suppress(OSError):  # it isn't there, or goes meanwhile
            status = path.stat()
            if what := _what(path, status, bits, sticky_helps=sticky_helps):
                yield Opening(path, what)


def _what(path: Path, status: os.stat_result, bits: int, *, sticky_helps: bool) -> str | None:
    if status.st_uid not in (ROOT, os.geteuid()):
        return f"belongs to another user (uid {status.st_uid})"
    if sticky_helps and status.st_mode & stat.S_ISVTX:  # as in /tmp: each may move only his own
        return None
    open_to = _others(path, status) & bits
    if open_to & WRITE:
        return f"can be changed by others (chmod {'go-rwx' if bits & READ else 'go-w'})"
    return "can be read by others (chmod go-rwx)" if open_to else None


def _others(path: Path, status: os.stat_result) -> int:
    """The permission bits that others have: all users', and the group's where it counts."""
    group = (status.st_mode >> 3) & 0o7
    if group and _is_private(status.st_gid, status.st_uid) and not _has_access_list(path):
        group = 0
    return group | status.st_mode & 0o7


@lru_cache(maxsize=64)
def _is_private(group: int, owner: int) -> bool:
    try:
        name, entry = pwd.getpwuid(owner).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return entry.gr_name == name and set(entry.gr_mem) <= {name}


def _has_access_list(path: Path) -> bool:
    with suppress(OSError, AttributeError):  # there is none, or this system knows none
        return bool(os.getxattr(path, "system.posix_acl_access"))
    return False
