"""A Prefect database that is made already: to make one takes a server longer than all the rest.

python -m tests.support.processes.prefect_database DATABASE    # print its schema, for the servers
"""

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

import pytest

from flows.service.server.first_start import DATABASE, LOCK, REVISION
from tests.support.once import made_once

OF_HARNESS = "prefect-test.db"
NAME = "prefect"
IN_ORDER = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name"


def put_database(made: Path, home: Path) -> None:
    """From here on the home's first server finds its database made, as all later ones do."""
    folder = home / ".prefect"
    folder.mkdir(0o700, exist_ok=True)
    shutil.copyfile(made, folder / DATABASE)
    (folder / LOCK).write_text(f"{version('prefect')} {revision_of(made)}\n")
    for each in (folder / DATABASE, folder / LOCK):
        each.chmod(0o600)


def revision_of(database: Path) -> str:
    """The last migration of a database."""
    with closing(sqlite3.connect(database)) as opened:
        return str(opened.execute(REVISION).fetchone()[0])


def schema_of(database: Path) -> str:
    """A database's tables and indexes, a line each, and its last migration."""
    with closing(sqlite3.connect(database)) as opened:
        made = opened.execute(IN_ORDER)
        lines = [f"{' '.join(sql.split())};" for (sql,) in made]
    return "\n".join([*lines, f"INSERT INTO alembic_version VALUES ('{revision_of(database)}');\n"])


@contextmanager
def server_of_session(factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server for this process. The first of a run of the suite makes the database for all."""
    folder = factory.mktemp("prefect")
    with ExitStack() as servers:

        def make(made: Path) -> None:
            servers.enter_context(_harness(folder))
            _copy_live(folder / OF_HARNESS, made / DATABASE)

        made = made_once(factory, NAME, make) / DATABASE
        if not (folder / OF_HARNESS).exists():
            shutil.copyfile(made, folder / OF_HARNESS)
            servers.enter_context(_harness(folder))
        yield


def made_database(factory: pytest.TempPathFactory) -> Path:
    """The database that the first server has made."""

    def missing(_: Path) -> None:
        raise AssertionError("no Prefect server was started before")

    return made_once(factory, NAME, missing) / DATABASE


@contextmanager
def _harness(folder: Path) -> Iterator[None]:
    """Prefect's server for tests, with its database in this folder, which goes at the end."""
    from prefect.testing.utilities import prefect_test_harness

    with (
        patch("prefect.testing.utilities.mkdtemp", lambda: str(folder)),
        prefect_test_harness(server_startup_timeout=120),
    ):
        yield


def _copy_live(database: Path, copy: Path) -> None:
    """A copy of a database that a server has open."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)


if __name__ == "__main__":
    sys.stdout.write(schema_of(Path(sys.argv[1])))
