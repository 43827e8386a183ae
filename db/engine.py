"""Opening the record: `open_record(home)`, and the two kinds of transaction on it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    NullPool,
    QueuePool,
    create_engine,
    event,
    inspect,
    text,
)

from db.failures import PlainErrors
from mriad_model.errors import HomeError, NotInRecord, RecordError

DATABASE: Final = "mriad.db"
HEAD: Final = "0003"  # the newest step in db/migrations/versions; a test holds them together
_MIGRATION_LOCK: Final = 0x6D72696164  # PostgreSQL advisory lock: "mriad"

_PRAGMAS: Final = (
    # First, for the ones after may have to wait. Two writers take turns; a chunk's
    # transaction lasts milliseconds, so half a minute is an answer, not a hope.
    "PRAGMA busy_timeout = 30000",
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


def engine(url: str | URL, where: str | None = None, *, keep: bool = True) -> Engine:
    """An engine whose errors are plain, and on SQLite whose connections are set up.

    Args:
        url: of the database.
        where: names the record in error messages.
        keep: a few connections open between transactions. On SQLite the last to close folds
            the write-ahead log into the file, three more fsyncs; a transaction of a chunk
            takes 9 ms with, 24 ms without.

    """
    made = create_engine(url, poolclass=QueuePool if keep else NullPool)
    event.listen(made, "handle_error", PlainErrors(where or made.url.render_as_string()))
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _set_up)
        event.listen(made, "begin", _begin)
    return made


def _set_up(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours to say, see _begin
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _refuse_writes(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _begin(connection: Connection) -> None:
    # A transaction that starts reading and then writes fails at once with "database is
    # locked" when another wrote in between; one that begins IMMEDIATE waits its turn.
    immediate = connection.get_execution_options().get("mriad_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One short transaction that writes: committed at the end, undone by any error."""
    with engine.execution_options(mriad_writes=True).begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that reads a single state of the record, whoever writes meanwhile."""
    with engine.connect() as connection:
        yield connection


def open_record(home: Path, *, read_only: bool = False) -> Engine:
    """The record of a home, its tables brought up to date first.

    Args:
        home: the home folder. Made, with a database only its owner can read, if missing.
        read_only: open what is there, in a home that may be read-only; make nothing.

    Raises:
        NotInRecord: read_only, and there is no record yet.
        HomeError: the home cannot be read or written, or the disk is full.
        RecordError: the file is no record of ours, or from a newer version of mriad.

    """
    path = home / DATABASE
    if read_only:
        return _open_to_read(path)
    _make_private(path)
    made = engine(_sqlite_url(path, "mode=rw"), str(path))
    if _is_behind(made, str(path)):
        _use_wal(made)
        migrate(made)
    return made


def migrate(made: Engine) -> None:
    """Bring the tables to the newest version: one transaction, and one process at a time."""
    from alembic import command  # noqa: PLC0415  (half a second, and rarely needed)
    from alembic.config import Config  # noqa: PLC0415

    with writing(made) as connection:
        if made.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "db:migrations")
        command.upgrade(config, "head")


def _open_to_read(path: Path) -> Engine:
    # An empty file is what is left where the disk was full before the first table.
    if not path.is_file() or path.stat().st_size == 0:
        raise NotInRecord(f"There is no record at {path} yet: ingest or score some scans first")
    made = engine(_sqlite_url(path, _read_mode(path)), str(path), keep=False)
    event.listen(made, "connect", _refuse_writes)
    if _is_behind(made, str(path)):
        raise RecordError(
            f"The record {path} is from an older version of mriad: "
            "run a command that writes, such as ingest, to bring it up to date"
        )
    return made


def _read_mode(path: Path) -> str:
    """How to open a database that is only to be read.

    A WAL database needs its `-wal` and `-shm` files even to be read. Where the home can be
    written they come and go with the connection, which must be free to remove them. Where
    it cannot, those of a writer are read along; and where there are none, nobody is writing,
    and SQLite may take the file as immutable
    (https://www.sqlite.org/wal.html#read_only_databases).
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return "mode=rw"
    index, log = (path.with_name(f"{path.name}-{end}") for end in ("shm", "wal"))
    in_use = index.exists() or (log.exists() and log.stat().st_size > 0)
    return "mode=ro" if in_use else "immutable=1&mode=ro"


def _is_behind(made: Engine, where: str) -> bool:
    """Whether steps are still to be taken on the database. Refuses one that is not ours."""
    with reading(made) as connection:
        if inspect(connection).has_table("alembic_version"):
            version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        elif inspect(connection).get_table_names():
            raise RecordError(
                f"The record {where}: it is not a record of mriad; "
                "move it away, or choose another home"
            )
        else:
            version = None
    # Versions are numbers of four digits, so text order is their order.
    if version is not None and version > HEAD:
        raise RecordError(
            f"The record {where} is from a newer version of mriad "
            f"(step {version}; this one knows {HEAD}): update mriad"
        )
    return version != HEAD


def _sqlite_url(path: Path, options: str) -> URL:
    query = dict(option.split("=") for option in options.split("&"))
    name = f"file:{quote(os.fsencode(path.absolute()))}"
    return URL.create("sqlite", database=name, query={**query, "uri": "true"})


def _make_private(path: Path) -> None:
    """Make the file before SQLite does, which would let others read it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise HomeError(
            f"The record {path} cannot be written: {error.strerror}; "
            "check the home folder's permissions and its disk"
        ) from error


def _use_wal(made: Engine) -> None:
    """Write-ahead log: who reads never waits for who writes. Kept in the file once set."""
    connection = made.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
