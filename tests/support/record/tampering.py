"""A hand laid on a record past its triggers, by a person who leaves no trace of that."""

import sqlite3
from contextlib import closing

from sqlalchemy import Engine, text


def tamper(engine: Engine, *statements: str) -> None:
    """Do this to the record with all triggers off, which are on and as before afterwards."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                connection.exec_driver_sql(statement)
        return
    with closing(shell_on(engine)) as shell:
        triggers = shell.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            shell.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            shell.execute(statement)
        for _, sql in triggers:
            shell.execute(sql)


def shell_on(engine: Engine) -> sqlite3.Connection:
    """The database as any other program opens it."""
    engine.dispose()
    return sqlite3.connect(str(engine.url.database), uri=True, isolation_level=None)
