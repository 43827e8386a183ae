"""A copy of the record, whole and of one moment, whoever writes meanwhile."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from db.engine.errors import plain_error
from mriad_model.errors import RecordError


def copy_record(engine: Engine, copy: Path) -> None:
    """Copy a record in SQLite to a file that is not there yet, its owner's alone; then try it.

    One step of SQLite's backup reads one state (https://www.sqlite.org/backup.html); in WAL mode
    writers do not wait for it.

    Raises:
        RecordError: the record, or its copy, is damaged.
        HomeError: the disk is full, or failed.
        OSError: the copy cannot be made.
    """
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with closing(engine.raw_connection()) as source, closing(sqlite3.connect(copy)) as made:
            source.driver_connection.backup(made, pages=-1)  # type: ignore[union-attr]
            (said,) = made.execute("PRAGMA integrity_check(1)").fetchone()
            lost = made.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise plain_error(error, str(copy)) or error from error
    if said != "ok" or lost is not None:
        why = said if lost is None else f"a row of {lost[0]} names one that is not there"
        raise RecordError(
            f"The record's copy is damaged ({why}): mriad check says if the record is"
        )
