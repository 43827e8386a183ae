"""SQLite's side of the record: the file `mriad.db` of a home, and how connections to it are set."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPICursor

from mriad_model.errors import HomeError

DATABASE: Final = "mriad.db"
WAITING_SECONDS: Final = 30  # for another process that writes: an answer, not a hope
LOOK_SECONDS: Final = 0.02

_PRAGMAS: Final = (
    # First, for the ones after may have to wait. Two writers take turns; a chunk's
    # transaction lasts milliseconds.
    f"PRAGMA busy_timeout = {1000 * WAITING_SECONDS}",
    # Off by default in SQLite, and off means that a row may point to nothing.
    "PRAGMA foreign_keys = ON",
    # Without it INSERT OR REPLACE would delete a row past the append-only triggers.
    "PRAGMA recursive_triggers = ON",
    # A commit that returned survives a power cut: one fsync a chunk, for a record of
    # decisions. NORMAL could lose the last ones in WAL mode.
    "PRAGMA synchronous = FULL",
    # Sorting for a query needs no space on a disk that may be full or read-only.
    "PRAGMA temp_store = MEMORY",
)


def set_up(made: Engine) -> None:
    """Have the engine's connections and transactions set up."""
    event.listen(made, "connect", _set_up)
    event.listen(made, "begin", _begin)


def _set_up(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours to say, see _begin
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def refuse_writes(made: Engine) -> None:
    """Have the engine's connections read only."""
    event.listen(made, "connect", lambda c, _: c.execute("PRAGMA query_only = ON"))


def _begin(connection: Connection) -> None:
    # A transaction that starts reading and then writes fails at once with "database is
    # locked" when another wrote in between; one that begins IMMEDIATE waits its turn.
    immediate = connection.get_execution_options().get("mriad_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def url_to_write(path: Path) -> URL:
    """The database to read and write, which is there."""
    return _url(path, "mode=rw")


def url_to_read(path: Path) -> URL:
    """The database only to read.

    A WAL database needs its `-wal` and `-shm` files to be read; the connection makes and removes
    them in a home that can be written. In another those of a writer are used; without any, nobody
    writes, and SQLite may take the file as immutable
    (https://www.sqlite.org/wal.html#read_only_databases).
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return _url(path, "mode=rw")
    index, log = (path.with_name(f"{path.name}-{end}") for end in ("shm", "wal"))
    in_use = index.exists() or (log.exists() and log.stat().st_size > 0)
    return _url(path, "mode=ro" if in_use else "immutable=1&mode=ro")


def _url(path: Path, options: str) -> URL:
    query = dict(option.split("=") for option in options.split("&"))
    name = f"file:{quote(os.fsencode(path.absolute()))}"
    return URL.create("sqlite", database=name, query={**query, "uri": "true"})


def make_private(path: Path) -> None:
    """Make the file before SQLite does, which would let others read it. HomeError if not.

    An existing one is not opened: closing it would drop all locks that SQLite holds on it in this
    process (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
            why = "Permission denied" if path.is_file() else "not a file"
            raise _not_writable(path, why) from error
    except OSError as error:
        raise _not_writable(path, error.strerror or type(error).__name__) from error


def _not_writable(path: Path, why: str) -> HomeError:
    return HomeError(
        f"The record {path} cannot be written: {why}; "
        "check the home folder's permissions and its disk"
    )


def use_wal(made: Engine) -> None:
    """Write-ahead log: who reads never waits for who writes. Kept in the file once set.

    For this one statement SQLite waits for no other process, which may be setting it too.
    """
    connection = made.raw_connection()
    until = time.monotonic() + WAITING_SECONDS
    try:
        while not _is_wal_set(connection.cursor(), last=time.monotonic() >= until):
            time.sleep(LOOK_SECONDS)
    finally:
        connection.close()


def _is_wal_set(cursor: DBAPICursor, *, last: bool) -> bool:
    """Whether it could be set; at the last try what hinders is raised."""
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
