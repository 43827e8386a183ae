"""Comparisons of a candidate with the current model: appends and reads."""

from sqlalchemy import Engine, func, select

from db import schema
from db.engine.connect import reading, writing
from db.entities import Comparison
from db.mapping import append_row, rows_of
from mriad_model.enums import Verdict


def append_comparison(engine: Engine, comparison: Comparison) -> int:
    """Append a comparison; the id of its row, or of the one that its run appended before."""
    with writing(engine) as connection:
        return append_row(connection, schema.comparison, comparison)[0]


def comparisons(engine: Engine) -> list[Comparison]:
    """The comparisons, oldest first."""
    query = select(schema.comparison).order_by(schema.comparison.c.id)
    with reading(engine) as connection:
        return rows_of(connection, Comparison, query)


def paired_verdicts(engine: Engine, one: int, other: int) -> dict[tuple[Verdict, Verdict], int]:
    """Scans that two thresholds have both decided, counted by the verdict of each."""
    first, second = schema.decision.alias(), schema.decision.alias()
    query = (
        select(first.c.verdict, second.c.verdict, func.count())
        .join(second, second.c.scan_id == first.c.scan_id)
        .where(first.c.threshold_id == one, second.c.threshold_id == other)
        .group_by(first.c.verdict, second.c.verdict)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).tuples()
        return {(Verdict(a), Verdict(b)): n for a, b, n in rows}
