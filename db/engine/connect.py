"""Opening the record: `open_record(home)`, and the two kinds of transaction on it.

The record of a home is the SQLite file in it, or the PostgreSQL database that a URL names.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, inspect, text
from sqlalchemy import event as events
from sqlalchemy.engine import make_url

from db.engine import chain, postgresql
from db.engine import sqlite as sqlite_file
from db.engine.errors import PlainErrors
from db.engine.sqlite import DATABASE
from db.timestamps import now
from mriad_model.errors import NotInRecord, RecordError, SettingsError

HEAD: Final = "r0015"  # the newest step in db/migrations/versions; a test holds them together
RELEASED: Final = "r"  # begins the numbers of steps; those of versions in development had none
MIGRATIONS: Final = "db:migrations"


def engine(url: str | URL, where: str | None = None, *, keep: bool = True) -> Engine:
    """An engine whose errors are plain, and whose connections are set up.

    `where` names the record in error messages. `keep` a few connections open between transactions:
    on SQLite the last to close folds the write-ahead log into the file, three more fsyncs; a
    transaction of a chunk takes 9 ms with, 24 ms without.

    Raises:
        SettingsError: the database's driver is not installed.
    """
    on_server = make_url(url).get_backend_name() == "postgresql"
    try:
        made = create_engine(
            url,
            poolclass=QueuePool if keep else NullPool,
            pool_pre_ping=on_server,  # the server may have been restarted since
            hide_parameters=True,  # they name files, and so patients
        )
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"the database URL needs {error.name}, which is not installed: "
            "pip install -e '.[postgresql]'"
        ) from error
    events.listen(made, "handle_error", PlainErrors(where or made.url.render_as_string()))
    (postgresql if on_server else sqlite_file).set_up(made)
    return made


@contextmanager
def writing(engine: Engine, *, chained: bool = True) -> Iterator[Connection]:
    """One short transaction that writes: committed at the end, undone by any error.

    Its rows get a link in the chain. `chained` is False where it writes to no table of the chain.
    """
    with engine.execution_options(mriad_writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            postgresql.take_turns(connection)
        before = chain.marks(connection) if chained else {}
        yield connection
        if chained:
            chain.append_link(connection, before, now())


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that reads a single state of the record, whoever writes meanwhile."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            postgresql.hold_still(connection)
        yield connection


def open_record(home: Path, url: str | None = None, *, read_only: bool = False) -> Engine:
    """The record of a home, its tables brought up to date first.

    Args:
        home: the home folder. Made, with a database only its owner can read, if missing.
        url: of the PostgreSQL database that holds the record; None for SQLite in the home.
        read_only: open what is there, in a home that may be read-only; make nothing.

    Raises:
        NotInRecord: read_only, and there is no record yet.
        HomeError: the home cannot be read or written, or the disk is full.
        RecordError: the file is no record of ours, or from a newer version of mriad; the
            database cannot be reached.
        SettingsError: the URL is of no database that can be used.
    """
    if read_only:
        return _opened_to_read(home, url)
    if url is None:
        path = home / DATABASE
        sqlite_file.make_private(path)
        where, made = str(path), engine(sqlite_file.url_to_write(path), str(path))
    else:
        made = engine(postgresql.url_of(url))
        where = made.url.render_as_string()  # hides the password
    with _closed_if_refused(made):
        if _version(made, where) != HEAD:
            if url is None:
                sqlite_file.use_wal(made)
            migrate(made)
    return made


def migrate(made: Engine) -> None:
    """Bring the tables to the newest version: one transaction, and one process at a time."""
    with writing(made, chained=False) as connection:
        if connection.dialect.name == "postgresql":
            postgresql.refuse_other_letters(connection)
        upgrade(connection)


def upgrade(connection: Connection) -> None:
    """Take the steps that a database has not taken yet, in a transaction that is open."""
    from alembic import command  # noqa: PLC0415  (half a second, and rarely needed)
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", MIGRATIONS)
    command.upgrade(config, "head")


def _opened_to_read(home: Path, url: str | None) -> Engine:
    if url is None:
        path = home / DATABASE
        where = str(path)
        # An empty file is what is left where the disk was full before the first table.
        if not path.is_file() or path.stat().st_size == 0:
            raise _no_record_yet(where)
        made = engine(sqlite_file.url_to_read(path), where, keep=False)
        sqlite_file.refuse_writes(made)
    else:
        made = engine(postgresql.url_of(url), keep=False)
        where = made.url.render_as_string()
        postgresql.refuse_writes(made)
    with _closed_if_refused(made):
        version = _version(made, where)
        if version is None and url is not None:
            raise _no_record_yet(where)
        if version != HEAD:
            raise RecordError(
                f"The record {where} is from an older version of mriad: "
                "run a command that writes, such as ingest, to bring it up to date"
            )
    return made


@contextmanager
def _closed_if_refused(made: Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        made.dispose()
        raise


def _no_record_yet(where: str) -> NotInRecord:
    return NotInRecord(f"There is no record at {where} yet: ingest or score some scans first")


def _version(made: Engine, where: str) -> str | None:
    """The last step that was taken on the database. Refuses one that is not ours."""
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
    if version is not None and not version.startswith(RELEASED):
        raise RecordError(
            f"The record {where} was made by a version of mriad in development (step {version}), "
            "and cannot be brought up to date: choose another home, or move this one away, and "
            "ingest its scans again"
        )
    # A letter and four digits, so text order is their order.
    if version is not None and version > HEAD:
        raise RecordError(
            f"The record {where} is from a newer version of mriad "
            f"(step {version}; this one knows {HEAD}): update mriad"
        )
    return version
