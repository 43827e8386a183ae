"""PostgreSQL's side of the record: its URL, and how connections to it are set.

The driver is imported by SQLAlchemy alone, when a URL names it.
"""

from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from mriad_model.errors import RecordError, SettingsError

DRIVER: Final = "postgresql+psycopg"
_SPELLINGS: Final = ("postgres", "postgresql", DRIVER)

# One writer at a time, as on SQLite: what an append has read still holds when it writes, and
# two that bring the same rows in another order cannot wait for each other. A chunk's
# transaction lasts milliseconds, and scoring it seconds. Advisory locks are a database's own.
_WRITERS_LOCK: Final = 0x6D72696164  # "mriad"

_SETTINGS: Final = (
    # As long as SQLite's busy_timeout: an answer, not a hope.
    "SET lock_timeout = '30s'",
    # A writer that hangs while it holds the lock loses it; nothing of its chunk was kept.
    "SET idle_in_transaction_session_timeout = '60s'",
)


def url_of(url: str) -> URL:
    """The URL as SQLAlchemy takes it, with the driver that is ours.

    Raises:
        SettingsError: it is none, or of another database. It is not repeated: it may hold a
            password.
    """
    try:
        made = make_url(url)
    except (ArgumentError, ValueError):
        made = None
    if made is None or made.drivername not in _SPELLINGS or not made.database:
        raise SettingsError(
            "the database URL is none that mriad knows: write "
            f"{DRIVER}://USER@HOST/DATABASE, or leave it away for SQLite in the home"
        )
    return made.set(drivername=DRIVER)


def set_up(made: Engine) -> None:
    """Have the engine's connections set up."""
    event.listen(made, "connect", _set_up)


def refuse_writes(made: Engine) -> None:
    """Have the engine's connections read only."""
    event.listen(made, "connect", _refuse_writes)


def _set_up(connection: Any, _: object) -> None:
    _set(connection, *_SETTINGS)


def _refuse_writes(connection: Any, _: object) -> None:
    _set(connection, "SET default_transaction_read_only = on")


def _set(connection: Any, *statements: str) -> None:
    """Settings that stay with the connection: set outside a transaction, which could roll back."""
    before, connection.autocommit = connection.autocommit, True
    for statement in statements:
        connection.execute(statement)
    connection.autocommit = before


def take_turns(connection: Connection) -> None:
    """Wait until no other transaction writes; ours may until it ends."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})"))


def hold_still(connection: Connection) -> None:
    """Have the transaction read one state of the record, whoever writes meanwhile."""
    connection.execution_options(isolation_level="REPEATABLE READ")


def refuse_other_letters(connection: Connection) -> None:
    """Raise RecordError unless the database holds text as UTF-8, as names of files need."""
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise RecordError(
            f"The database holds text as {encoding}: make one with "
            "createdb --encoding UTF8 --template template0"
        )
