"""A record in PostgreSQL that one test after the other fills: a database for each costs more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from db.engine.structure import Things, _of_postgresql
from tests.support.record.postgresql import Server

OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'"""
PAST_TRIGGERS = "SET LOCAL session_replication_role = replica"
ABOUT = """
SELECT version_num FROM alembic_version
UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'"""
Rows = Mapping[str, bytes]  # table -> its rows, as COPY writes them


@dataclass
class EmptiedRecord:
    """One database, emptied past its triggers after each test.

    Where a test has changed the tables, it goes, and the next gets a new one.
    """

    server: Server
    template: str  # the URL of an empty record, which nobody has open
    _url: str | None = None
    _shape: tuple[Things, list[str]] | None = None

    def taken(self, rows: Rows | None = None) -> str:
        """Its URL, for one test; with rows of another record."""
        if self._url is None:
            self._url = self.server.clone(self.template)
            with _opened(self._url).begin() as connection:
                self._shape = _shape(connection)
        if rows:
            with _opened(self._url).begin() as connection:
                connection.execute(text(PAST_TRIGGERS))
                for table, data in rows.items():
                    with _cursor(connection).copy(f"COPY {table} FROM STDIN") as copy:
                        copy.write(data)
        return self._url

    def given_back(self) -> None:
        assert self._url is not None
        try:
            same = self._emptied(self._url)
        except SQLAlchemyError:
            same = False
        if not same:
            self.server.drop(self._url)
            self._url = None

    def _emptied(self, url: str) -> bool:
        """Take all rows away; whether the rest is as it was."""
        with _opened(url).begin() as connection:
            connection.execute(text(OTHERS))
            connection.execute(text(PAST_TRIGGERS))
            for table in connection.execute(text(TABLES)).scalars().all():
                connection.execute(text(f"DELETE FROM {table}"))
            return _shape(connection) == self._shape


def rows_in(url: str) -> Rows:
    """All rows of a record."""
    found = {}
    with _opened(url).begin() as connection:
        for table in connection.execute(text(TABLES)).scalars().all():
            with _cursor(connection).copy(f"COPY {table} TO STDOUT") as copy:
                found[table] = b"".join(bytes(each) for each in copy)
    return {table: data for table, data in found.items() if data}


def _shape(connection: Connection) -> tuple[Things, list[str]]:
    """What a test may have changed beside rows."""
    about = connection.execute(text(ABOUT)).scalars().all()
    return _of_postgresql(connection, "public"), sorted(about)


def _opened(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


def _cursor(connection: Connection) -> Any:
    """The driver's own."""
    return connection.connection.cursor()
