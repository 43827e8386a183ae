"""One server at a time makes Prefect's database: two at once break each other.

Once it is made, servers start side by side on it, and look for no migrations.

Prefect's migrations take seconds to make an empty database. So it is made from a copy of their
result, which lies beside this module, for one version of Prefect; a test compares the two. Other
versions migrate.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from mriad_model.errors import HomeError
from mriad_model.files import PRIVATE_FILE

LOCK = "start.lock"
DATABASE = "prefect.db"
MADE = "prefect.db.new"  # until it is whole
SCHEMA = Path(__file__).parent / f"prefect-{version('prefect')}.sql"
REVISION = "SELECT version_num FROM alembic_version"


@dataclass(frozen=True, slots=True)
class Start:
    """The start of a server."""

    made: bool  # whether its database is there, as this version of Prefect left it
    up: Callable[[], None] = lambda: None  # to be called once the server is up


@contextmanager
def first_start(prefect_home: Path, *, make: bool = True) -> Iterator[Start]:
    """Hold the lock until a server is up, or the block ends; not where its database is made.

    For the server's own process. `make`: the database is to be there, and is no other's.

    Raises:
        HomeError: the lock can't be made.
    """
    if _is_made(prefect_home):
        yield Start(made=True)
        return
    try:
        lock = os.open(prefect_home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise HomeError(f"{prefect_home / LOCK}: {why}") from error
    held = [lock]

    def let_go() -> None:
        if held:
            os.close(held.pop())

    def up() -> None:
        mark = _mark(prefect_home)
        os.truncate(lock, 0)
        os.pwrite(lock, (mark or "").encode(), 0)
        let_go()

    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_made(prefect_home):  # by whom we waited for
            let_go()
            yield Start(made=True)
        else:
            if make:
                with suppress(OSError, sqlite3.Error):  # the migrations say why
                    _make(prefect_home)
            yield Start(made=False, up=up)
    finally:
        let_go()


def _is_made(prefect_home: Path) -> bool:
    """Whether this version of Prefect has made the database, and none has changed it since."""
    try:
        mark = (prefect_home / LOCK).read_text("utf-8")
    except OSError:
        return False
    return bool(mark) and mark == _mark(prefect_home)


def _mark(prefect_home: Path) -> str | None:
    """What is noted of a database that is made: the version of Prefect, the last migration."""
    database = prefect_home / DATABASE
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as open_:
            return f"{version('prefect')} {open_.execute(REVISION).fetchone()[0]}\n"
    except (sqlite3.Error, TypeError):
        return None


def _make(prefect_home: Path) -> None:
    """Make the database where there is none, and the migrations' result is known."""
    database, new = prefect_home / DATABASE, prefect_home / MADE
    if database.exists() or not SCHEMA.exists():
        return
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    with closing(sqlite3.connect(new)) as made:
        made.executescript(f"BEGIN;\n{SCHEMA.read_text('utf-8')}\nCOMMIT;")
    os.link(new, database)  # fails where another has made one meanwhile
    new.unlink()
