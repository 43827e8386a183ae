"""The database's errors, each in one plain line: what, where, what to do."""

import sqlite3
from typing import Final

from sqlalchemy.engine import ExceptionContext

from mriad_model.errors import HomeError, MriadError, RecordError

_NO_SUCH_ROW: Final = "a row names another that is not there"
_BUSY: Final = "another program has kept it locked; wait for that to end and run again"
_GONE: Final = "the database cannot be reached; check that it runs, and MRIAD_DATABASE_URL"

# Primary result codes, https://www.sqlite.org/rescode.html
_SQLITE: Final[dict[int, tuple[type[MriadError], str]]] = {
    sqlite3.SQLITE_FULL: (HomeError, "the disk is full; free some space and run again"),
    sqlite3.SQLITE_READONLY: (
        HomeError,
        "it cannot be written; check the permissions of the file and its folder",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        HomeError,
        "it cannot be opened; check that its folder exists and its permissions",
    ),
    sqlite3.SQLITE_PERM: (HomeError, "it cannot be opened; check its permissions"),
    sqlite3.SQLITE_IOERR: (HomeError, "the disk failed to read or write; check it, then run again"),
    sqlite3.SQLITE_NOTADB: (
        RecordError,
        "it is not a record of mriad; move it away, or choose another home",
    ),
    sqlite3.SQLITE_CORRUPT: (RecordError, "it is damaged; restore it from a backup"),
    sqlite3.SQLITE_BUSY: (RecordError, _BUSY),
    sqlite3.SQLITE_LOCKED: (RecordError, _BUSY),
}


# SQLSTATE codes, by how they begin, https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL: Final[dict[str, tuple[type[MriadError], str]]] = {
    "08": (RecordError, _GONE),  # connection exceptions
    "25006": (HomeError, "it is open to be read only"),
    "28": (RecordError, "the database refused us; check the user and the password"),
    "3D": (RecordError, "there is no such database; make it with createdb"),
    "42501": (HomeError, "the user may not do this; check the rights granted to it"),
    "53100": (HomeError, "the database's disk is full; free some space and run again"),
    "53": (RecordError, "the database is out of memory or connections; run again later"),
    "55P03": (RecordError, _BUSY),
    "57P": (RecordError, _GONE),  # it is shutting down or starting up
    "58": (HomeError, "the database's disk failed to read or write; check it, then run again"),
    "XX": (RecordError, "it is damaged; restore it from a backup"),
}


def plain_error(error: BaseException, where: str) -> MriadError | None:
    """The error a user should meet instead of a driver's, or None where it is ours to mend."""
    if hasattr(error, "sqlstate"):
        return _plain_error_of_postgresql(error, where)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return RecordError(f"The record {where}: {_NO_SUCH_ROW}")
    known = _SQLITE.get(code & 0xFF)  # the low byte is the primary code
    if known is None:
        return None
    kind, text = known
    return kind(f"The record {where}: {text} ({error})")


def _plain_error_of_postgresql(error: BaseException, where: str) -> MriadError | None:
    """Without the driver's own words where they may repeat a row, which names files."""
    state = getattr(error, "sqlstate", None)
    if state is None:  # it never came to a connection, or lost it
        lost = type(error).__name__ in ("OperationalError", "ConnectionTimeout")
        line = " ".join(str(error).split())
        return RecordError(f"The record {where}: {_GONE} ({line})") if lost else None
    if state == "23503":
        return RecordError(f"The record {where}: {_NO_SUCH_ROW}")
    for begins, (kind, text) in _POSTGRESQL.items():
        if state.startswith(begins):
            return kind(f"The record {where}: {text}")
    return None


class PlainErrors:
    """Listener for SQLAlchemy's `handle_error`: raises our errors in place of the driver's."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __call__(self, context: ExceptionContext) -> None:
        """Raise the plain error where there is one; SQLAlchemy's own is raised elsewhere."""
        if context.is_pre_ping:  # a connection that is gone: another is made
            return
        plain = plain_error(context.original_exception, self._where)
        if plain is not None:
            raise plain from context.original_exception
