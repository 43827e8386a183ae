"""Comparisons of a candidate with the current model: appends and reads."""

from sqlalchemy import Engine, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Comparison
from db.mapping import append_new, rows_of, values_of


def append_comparison(engine: Engine, comparison: Comparison) -> int:
    """Append how a candidate did against the current model; the id of the row.

    The first word of a run on this candidate stands.
    """
    table = schema.comparison
    with writing(engine) as connection:
        append_new(connection, table, [values_of(comparison)])
        found: int = connection.execute(
            select(table.c.id).where(
                table.c.run_id == comparison.run_id,
                table.c.candidate_threshold_id == comparison.candidate_threshold_id,
            )
        ).scalar_one()
        return found


def comparisons(engine: Engine) -> list[Comparison]:
    """The comparisons, oldest first."""
    query = select(schema.comparison).order_by(schema.comparison.c.id)
    with reading(engine) as connection:
        return rows_of(connection, Comparison, query)
