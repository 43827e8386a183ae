"""Warnings, what a person should look at: appends and reads."""

from collections.abc import Sequence

from sqlalchemy import Engine, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import RecordedWarning
from db.mapping import append_new, rows_of, values_of


def append_warnings(engine: Engine, warnings: Sequence[RecordedWarning]) -> int:
    """Append warnings; how many. A run that is continued repeats none."""
    with writing(engine) as connection:
        return append_new(connection, schema.warning, [values_of(each) for each in warnings])


def warnings(
    engine: Engine, since: str | None = None, run_id: int | None = None
) -> list[RecordedWarning]:
    """The warnings, oldest first; `since` a recorded moment, of one run, or all."""
    table = schema.warning
    query = select(table).order_by(table.c.id)
    if since is not None:
        query = query.where(table.c.created_at >= since)
    if run_id is not None:
        query = query.where(table.c.run_id == run_id)
    with reading(engine) as connection:
        return rows_of(connection, RecordedWarning, query)
