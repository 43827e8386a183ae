"""What the database says when it fails, in one plain line: what, where, what to do."""

import sqlite3
from typing import Final

from sqlalchemy.engine import ExceptionContext

from mriad_model.errors import HomeError, MriadError, RecordError

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
    sqlite3.SQLITE_BUSY: (
        RecordError,
        "another program has kept it locked; wait for that to end and run again",
    ),
    sqlite3.SQLITE_LOCKED: (
        RecordError,
        "another program has kept it locked; wait for that to end and run again",
    ),
}


def plain_error(error: BaseException, where: str) -> MriadError | None:
    """The error a user should meet instead of a driver's, or None where it is ours to mend."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return RecordError(f"The record {where}: a row names another that is not there")
    known = _SQLITE.get(code & 0xFF)  # the low byte is the primary code
    if known is None:
        return None
    kind, text = known
    return kind(f"The record {where}: {text} ({error})")


class PlainErrors:
    """Listener for SQLAlchemy's `handle_error`: raises our errors in place of the driver's."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __call__(self, context: ExceptionContext) -> None:
        """Raise the plain error where there is one; SQLAlchemy's own is raised elsewhere."""
        plain = plain_error(context.original_exception, self._where)
        if plain is not None:
            raise plain from context.original_exception
