"""Comparisons of a candidate with the current model: appends and reads."""

from sqlalchemy import Engine, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Comparison
from db.mapping import append_row, rows_of


def append_comparison(engine: Engine, comparison: Comparison) -> int:
    """Append a comparison; the id of its row, or of the one that its run appended before."""
    with writing(engine) as connection:
        return append_row(connection, schema.comparison, comparison)[0]


def comparisons(engine: Engine) -> list[Comparison]:
    """The comparisons, oldest first."""
    query = select(schema.comparison).order_by(schema.comparison.c.id)
    with reading(engine) as connection:
        return rows_of(connection, Comparison, query)
