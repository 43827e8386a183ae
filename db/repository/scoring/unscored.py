"""Scans that a model has tried and can give no score: appends, and why. It tries each once.

How such scans are listed: `db.repository.reports.unscored`.
"""

from collections.abc import Sequence

from sqlalchemy import Engine, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Unscored
from db.mapping import append_new, rows_of, values_of


def append_unscored(engine: Engine, rows: Sequence[Unscored]) -> int:
    """Append what a model could not score; the number of rows that were not there yet."""
    with writing(engine) as connection:
        return append_new(connection, schema.unscored, [values_of(row) for row in rows])


def unscored_by(engine: Engine, model_id: int) -> list[Unscored]:
    """What a model could not score, oldest first."""
    table = schema.unscored
    query = select(table).where(table.c.model_id == model_id).order_by(table.c.id)
    with reading(engine) as connection:
        return rows_of(connection, Unscored, query)
